"""Squared distances of an image to all small shifts of others, about as cheaply as one convolution."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor

from tiae_zoo.invariance.pixel_rows import PixelRows, padded_frame
from tiae_zoo.invariance.precision import exact_matmul, precise


class ShiftDistances:
    """||y - T_theta x||^2 for all shifts T_theta by up to m pixels, one y and any number of x.

    ||y - T x||^2 = ||y||^2 + ||T x||^2 - 2 <y, T x>: all inner products together are one cross-correlation by FFT, and
    the energies that stay in the frame are box sums. The transforms are those of lines of pixels, which are faster than
    those of planes. What depends on y alone is computed once.

    Rounding leaves an error of about 1e-6 of the energies, so distances near zero may come out slightly negative. Half
    precision is raised to float32, under autocast too. Nothing here has a gradient.

    Args:
        restored: y, (B, C, H, W).
        max_shift: m, in pixels.
    """

    @torch.no_grad()
    def __init__(self, restored: Tensor, max_shift: int) -> None:
        self._restored, self._max_shift = precise(restored), max_shift
        (height, width), (below, beside) = restored.shape[-2:], padded_frame(restored, max_shift)
        self._length = next_fast_len(below * beside, real=True)
        line = F.pad(self._restored, (0, beside - width, 0, below - height)).reshape(-1, below * beside)
        self._spectrum = torch.fft.rfft(line, self._length).conj_physical_()  # (B * C, F)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the distances (B, 2 m + 1, 2 m + 1), indexed [dy + m, dx + m].

        Args:
            images: x, (B, C, H, W).
        """
        relative = self.relative(PixelRows(precise(images), self._max_shift)).flip(1, 2)
        return relative + self._restored.square().sum((1, 2, 3))[:, None, None]

    @torch.no_grad()
    def relative(self, rows: PixelRows) -> Tensor:
        """Return the distances less ||y||^2, (K * B, 2 m + 1, 2 m + 1), indexed [m - dy, m - dx].

        Args:
            rows: of x, (K * B, C, H, W) in K blocks of B, for shifts by up to m.
        """
        spectrum = torch.fft.rfft(rows.planes, self._length)
        spectrum.view(-1, *self._spectrum.shape).mul_(self._spectrum)
        line = torch.fft.irfft(spectrum, self._length)
        products = line[:, : rows.planes.shape[1]].view(-1, *rows.frame)
        side = 2 * self._max_shift + 1
        distances = line.new_empty(len(line), side, side)
        energies = _shifted_energies(rows.images.flatten(0, 1), self._max_shift)
        torch.sub(energies, products[:, :side, :side], alpha=2, out=distances)
        if rows.images.shape[1] == 1:
            return distances  # a sum would copy them
        return distances.view(*rows.images.shape[:2], side, side).sum(1)


def _shifted_energies(planes: Tensor, max_shift: int) -> Tensor:
    """Return ||T x||^2 (N, 2 m + 1, 2 m + 1), indexed [m - dy, m - dx], for planes x (N, H, W)."""
    height, width = planes.shape[-2:]
    squares = planes.square().reshape(-1, width)
    over_width = exact_matmul(_kept(width, max_shift, planes.dtype, planes.device), squares.T)  # (dx, N * H)
    kept_rows = _kept(height, max_shift, planes.dtype, planes.device).T
    over_both = exact_matmul(over_width.view(-1, height), kept_rows)  # (dx * N, dy)
    return over_both.view(len(over_width), len(planes), -1).permute(1, 2, 0)


@lru_cache(maxsize=16)
def _kept(side: int, max_shift: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return 1 where a shift from m down to -m (rows) leaves a pixel (`side` columns) in the frame, else 0."""
    with torch.inference_mode(False):  # kept for later calls, which may train
        shifts = torch.arange(max_shift, -max_shift - 1, -1, device=device)
        moved = torch.arange(side, device=device) + shifts[:, None]
        return ((moved >= 0) & (moved < side)).to(dtype)
