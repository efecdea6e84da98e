"""Shifts by whole pixels; what leaves the frame is lost and what enters it is zero."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor

from tiae_zoo.invariance.base import Nearest, TransformFamily


class Shift(TransformFamily):
    """All shifts by up to `max_shift` pixels in x and y.

    theta is float32 (B, 2), (dx, dy) in pixels: positive values move the picture right and down.

    Args:
        max_shift: the largest shift along either axis, in pixels; the slides' is 8.

    Raises:
        ValueError: `max_shift` is negative.
    """

    parameters: tuple[str, ...] = ("dx", "dy")

    def __init__(self, max_shift: int = 8) -> None:
        if max_shift < 0:
            raise ValueError(f"A shift of at most {max_shift} pixels is impossible. Set max_shift to 0 or more.")
        self.max_shift = max_shift

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Return the shifted images (B, C, H, W) for images (B, C, H, W) and theta (B, 2).

        theta may lie beyond `max_shift`; it is rounded to whole pixels.
        """
        height, width = images.shape[-2:]
        padded = F.pad(images, (1, 1, 1, 1))  # whatever comes from outside reads a zero of this frame
        dx, dy = theta.round()[:, :, None].unbind(1)
        device = images.device
        rows = (torch.arange(1, height + 1, device=device) - dy).clamp(0, height + 1).long()  # (B, H)
        columns = (torch.arange(1, width + 1, device=device) - dx).clamp(0, width + 1).long()  # (B, W)
        item = torch.arange(len(images), device=device)[:, None, None]
        moved = padded[item, :, rows[:, :, None], columns[:, None, :]]  # (B, H, W, C)
        return moved.permute(0, 3, 1, 2).contiguous()

    def sample(self, images: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the images (B, C, H, W), each shifted uniformly at random, and theta (B, 2)."""
        size = (len(images), 2)
        device = images.device if generator is None else generator.device
        theta = torch.randint(-self.max_shift, self.max_shift + 1, size, generator=generator, device=device)
        theta = theta.to(images.device, torch.float32)
        return self.apply(images, theta), theta

    def grid(self, steps: int) -> Tensor:
        """Return thetas (N, 2) spread evenly over the square of shifts, corners included.

        N is steps^2, or the number of all shifts if there are fewer.
        """
        values = torch.linspace(-self.max_shift, self.max_shift, steps).round().unique()
        return torch.cartesian_prod(values, values)

    def candidates(self) -> Tensor:
        """Return all (2 max_shift + 1)^2 thetas."""
        return self.grid(2 * self.max_shift + 1)

    def nearest(self, restored: Tensor, images: Tensor) -> Nearest:
        """Return the shift of each image that lies nearest to `restored`, exactly, without gradients.

        Args:
            restored: (B, C, H, W).
            images: (B, C, H, W).
        """
        with torch.no_grad():
            distances = self.distances(restored, images)
            side = distances.shape[-1]
            best = distances.flatten(1).argmin(1)
            theta = torch.stack([best % side, best // side], 1).float() - self.max_shift
            return Nearest(self.apply(images, theta), theta)

    def distances(self, restored: Tensor, images: Tensor) -> Tensor:
        """Return ||restored - T_theta I||^2 for every shift, about as cheaply as one convolution.

        ||y - T x||^2 = ||y||^2 + ||T x||^2 - 2 <y, T x>: all inner products together are one cross-correlation, here by
        FFT, and the energies that stay in the frame are box sums. Rounding leaves an error of about 1e-6 of the
        energies, so distances near zero may come out slightly negative.

        Args:
            restored: y, (B, C, H, W).
            images: x, (B, C, H, W).

        Returns:
            (B, 2 * max_shift + 1, 2 * max_shift + 1), indexed [dy + max_shift, dx + max_shift].
        """
        precise = torch.promote_types(torch.float32, images.dtype)  # no FFT, and too few digits, in half precision
        restored, images = restored.to(precise), images.to(precise)
        energy = restored.square().sum((1, 2, 3))[:, None, None]
        return energy + self._energies(images) - 2 * self._correlations(restored, images)

    def _correlations(self, restored: Tensor, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        # Zeros of at least max_shift keep the circular correlation from wrapping around.
        padded = [next_fast_len(side + self.max_shift, real=True) for side in (height, width)]
        spectrum = torch.fft.rfft2(restored, padded) * torch.fft.rfft2(images, padded).conj()
        correlation = torch.fft.irfft2(spectrum.sum(1), padded)  # (B, H', W'), negative shifts at the end
        offsets = torch.arange(-self.max_shift, self.max_shift + 1, device=images.device)
        return correlation[:, offsets[:, None] % padded[0], offsets % padded[1]]

    def _energies(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        sums = F.pad(images.square().sum(1).cumsum(1).cumsum(2), (1, 0, 1, 0))  # (B, H + 1, W + 1), zero first
        offsets = torch.arange(-self.max_shift, self.max_shift + 1, device=images.device)
        top, bottom = (-offsets).clamp_min(0).clamp_max(height), height - offsets.clamp(0, height)
        left, right = (-offsets).clamp_min(0).clamp_max(width), width - offsets.clamp(0, width)
        rows = sums[:, bottom] - sums[:, top]  # (B, shifts, W + 1)
        return rows[:, :, right] - rows[:, :, left]
