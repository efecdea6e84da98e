"""Squared distances of an image to all small shifts of others, about as cheaply as one convolution."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor

from tiae_zoo.invariance.precision import exact_matmul, precise


class ShiftDistances:
    """||y - T_theta x||^2 for all shifts T_theta by up to m pixels, one y and any number of x.

    ||y - T x||^2 = ||y||^2 + ||T x||^2 - 2 <y, T x>: all inner products together are one cross-correlation by FFT, and
    the energies that stay in the frame are box sums. What depends on y alone is computed once.

    Rounding leaves an error of about 1e-6 of the energies, so distances near zero may come out slightly negative. Half
    precision is raised to float32, under autocast too. Nothing here has a gradient.

    Args:
        restored: y, (B, C, H, W).
        max_shift: m, in pixels.
    """

    def __init__(self, restored: Tensor, max_shift: int) -> None:
        self._max_shift = max_shift
        self._padded = [max(side + max_shift, 2 * max_shift + 1) for side in restored.shape[-2:]]  # (H', W')
        self._length = next_fast_len(self._padded[0] * self._padded[1], real=True)
        planes = _planes(restored)
        with torch.no_grad():
            self._energy = planes.square().sum((1, 2))[:, None, None]  # (B * C, 1, 1)
            self._spectrum = self._transform(planes, max_shift)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the distances (K * B, 2 m + 1, 2 m + 1), indexed [dy + m, dx + m].

        Args:
            images: x, (K * B, C, H, W) in K blocks of B.
        """
        planes = _planes(images)
        with torch.no_grad():
            distances = _shifted_energies(planes, self._max_shift)
            distances.unflatten(0, (-1, len(self._energy))).add_(self._energy)
            distances.sub_(self._products(planes), alpha=2)
            return distances.unflatten(0, images.shape[:2]).sum(1)

    def _products(self, planes: Tensor) -> Tensor:
        """Return <y, T x> (K * N, 2 m + 1, 2 m + 1) for planes x (K * N, H, W)."""
        spectrum = self._transform(planes, 0).conj_physical_()
        spectrum.unflatten(0, (-1, len(self._spectrum))).mul_(self._spectrum)
        height, width = self._padded
        correlation = torch.fft.irfft(spectrum, self._length)[:, : height * width]
        side = 2 * self._max_shift + 1
        return correlation.unflatten(1, self._padded)[:, :side, :side]

    def _transform(self, planes: Tensor, start: int) -> Tensor:
        """Return the spectrum of planes (N, H, W), put at (start, start) on (H', W') and its rows laid end to end.

        At least m zeros lie between rows, and m rows of zeros between the last and the first. So the shift (dx, dy) is
        one along this line, by dx + dy * W', and wraps around into zeros. One transform of a line is faster than those
        of a plane.
        """
        (height, width), (height_padded, width_padded) = planes.shape[-2:], self._padded
        margins = (start, width_padded - width - start, start, height_padded - height - start)
        return torch.fft.rfft(F.pad(planes, margins).flatten(1), self._length)


def _planes(images: Tensor) -> Tensor:
    return precise(images).flatten(0, 1)


def _shifted_energies(planes: Tensor, max_shift: int) -> Tensor:
    """Return ||T_(dx, dy) x||^2, (N, dy, dx), for planes x (N, H, W)."""
    height, width = planes.shape[-2:]
    squares = planes.square().view(-1, width)
    over_width = exact_matmul(_kept(width, max_shift, planes.dtype, planes.device), squares.T)  # (dx, N * H)
    kept_rows = _kept(height, max_shift, planes.dtype, planes.device).T
    over_both = exact_matmul(over_width.view(-1, height), kept_rows)  # (dx * N, dy)
    return over_both.view(len(over_width), len(planes), -1).permute(1, 2, 0)


@lru_cache(maxsize=16)
def _kept(side: int, max_shift: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return 1 where a shift (2 m + 1 rows) leaves a pixel (`side` columns) in the frame, else 0."""
    with torch.inference_mode(False):  # kept for later calls, which may train
        shifts = torch.arange(-max_shift, max_shift + 1, device=device)
        moved = torch.arange(side, device=device) + shifts[:, None]
        return ((moved >= 0) & (moved < side)).to(dtype)
