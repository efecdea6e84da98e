"""Squared distances of an image to all small shifts of others, about as cheaply as one convolution."""

from __future__ import annotations

from functools import lru_cache

import torch
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

    @torch.no_grad()
    def __init__(self, restored: Tensor, max_shift: int) -> None:
        self._max_shift = max_shift
        self._padded = [max(side + max_shift, 2 * max_shift + 1) for side in restored.shape[-2:]]  # (H', W')
        self._length = next_fast_len(self._padded[0] * self._padded[1], real=True)
        self._restored = _planes(restored)
        self._spectrum = self._transform(self._restored, 0).conj_physical_()

    def __call__(self, images: Tensor) -> Tensor:
        """Return the distances (K * B, 2 m + 1, 2 m + 1), indexed [dy + m, dx + m].

        Args:
            images: x, (K * B, C, H, W) in K blocks of B.
        """
        relative = self.relative(images).flip(1, 2).unflatten(0, (-1, len(self._restored) // images.shape[1]))
        energy = self._restored.unflatten(0, (-1, images.shape[1])).square().sum((1, 2, 3))
        return (relative + energy[:, None, None]).flatten(0, 1)

    @torch.no_grad()
    def relative(self, images: Tensor) -> Tensor:
        """Return the distances less ||y||^2, (K * B, 2 m + 1, 2 m + 1), indexed [m - dy, m - dx].

        Args:
            images: x, (K * B, C, H, W) in K blocks of B.
        """
        planes = _planes(images)
        products = self._products(planes)
        distances = torch.empty(products.shape, dtype=planes.dtype, device=planes.device)
        torch.sub(_shifted_energies(planes, self._max_shift), products, alpha=2, out=distances)
        if images.shape[1] == 1:
            return distances  # a sum would copy them
        return distances.unflatten(0, images.shape[:2]).sum(1)

    def _products(self, planes: Tensor) -> Tensor:
        """Return <y, T x> (K * N, 2 m + 1, 2 m + 1) for planes x (K * N, H, W)."""
        spectrum = self._transform(planes, self._max_shift)
        spectrum.unflatten(0, (-1, len(self._spectrum))).mul_(self._spectrum)
        correlation = torch.fft.irfft(spectrum, self._length)[:, : self._padded[0] * self._padded[1]]
        side = 2 * self._max_shift + 1
        return correlation.unflatten(1, self._padded)[:, :side, :side]

    def _transform(self, planes: Tensor, start: int) -> Tensor:
        """Return the spectrum of planes (N, H, W), put at (start, start) on (H', W') and its rows laid end to end.

        At least m zeros lie between rows, and m rows of zeros between the last and the first. So the shift (dx, dy) is
        one along this line, by dx + dy * W', and wraps around into zeros. One transform of a line is faster than those
        of a plane.
        """
        number, height, width = planes.shape
        line = planes.new_zeros(number, self._length)
        on_line = line[:, : self._padded[0] * self._padded[1]].unflatten(1, self._padded)
        on_line[:, start : start + height, start : start + width] = planes
        return torch.fft.rfft(line)


def _planes(images: Tensor) -> Tensor:
    return precise(images).flatten(0, 1)


def _shifted_energies(planes: Tensor, max_shift: int) -> Tensor:
    """Return ||T x||^2 (N, 2 m + 1, 2 m + 1), indexed [m - dy, m - dx], for planes x (N, H, W)."""
    height, width = planes.shape[-2:]
    squares = planes.square().view(-1, width)
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
