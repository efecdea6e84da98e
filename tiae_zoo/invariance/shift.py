"""Shifts by whole pixels; what leaves the frame is lost and what enters it is zero."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from tiae_zoo.invariance.base import Nearest, TransformFamily
from tiae_zoo.invariance.pixel_rows import PixelRows
from tiae_zoo.invariance.precision import precise
from tiae_zoo.invariance.search import Measure
from tiae_zoo.invariance.shift_distances import ShiftDistances


class Shift(TransformFamily):
    """All shifts by up to `max_shift` pixels in x and y.

    theta is float32 (B, 2), (dx, dy) in pixels: positive values move the picture right and down.

    Args:
        max_shift: the largest shift along either axis, in pixels; the slides' is 8.

    Raises:
        ValueError: `max_shift` is negative.
    """

    parameters = ("dx", "dy")

    def __init__(self, max_shift: int = 8) -> None:
        if max_shift < 0:
            raise ValueError(f"A shift of at most {max_shift} pixels is impossible. Set max_shift to 0 or more.")
        self.max_shift = max_shift

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Return the shifted images (B, C, H, W) for images (B, C, H, W) and theta (B, 2).

        theta may lie beyond `max_shift`; it is rounded to whole pixels.
        """
        furthest = max(images.shape[-2:])
        return PixelRows(images, furthest).shifted(theta.round().clamp(-furthest, furthest))

    def sample(self, images: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the images (B, C, H, W), each shifted uniformly at random, and theta (B, 2)."""
        size = (len(images), 2)
        device = images.device if generator is None else generator.device
        theta = torch.randint(-self.max_shift, self.max_shift + 1, size, generator=generator, device=device)
        theta = theta.to(images.device, torch.float32)
        return PixelRows(images, self.max_shift).shifted(theta), theta

    def grid(self, steps: int) -> Tensor:
        """Return thetas (N, 2) spread evenly over the square of shifts, corners included.

        N is steps^2, or the number of all shifts if there are fewer.
        """
        values = torch.linspace(-self.max_shift, self.max_shift, steps).round().unique()
        return torch.cartesian_prod(values, values)

    def candidates(self) -> Tensor:
        """Return all (2 max_shift + 1)^2 thetas."""
        return self.grid(2 * self.max_shift + 1)

    def reach(self, side: int) -> int:
        """Return `max_shift`, or the side if that is smaller."""
        return min(self.max_shift, side)

    def nearest(self, restored: Tensor, images: Tensor) -> Nearest:
        """Return the shift of each image that lies nearest to `restored`, exactly, without gradients.

        Args:
            restored: (B, C, H, W).
            images: (B, C, H, W).
        """
        with torch.no_grad():
            rows = PixelRows(precise(images), self.max_shift)
            _, theta = self._best(ShiftDistances(restored, self.max_shift), rows)
            return Nearest(rows.shifted(theta).to(images.dtype), theta)

    def measure(self, restored: Tensor) -> Measure:
        """Return what finds the best shift of any number of images for one `restored` (B, C, H, W)."""
        distances = ShiftDistances(restored, self.max_shift)
        return lambda images: self._best(distances, PixelRows(precise(images), self.max_shift))

    def _best(self, distances: ShiftDistances, rows: PixelRows) -> tuple[Tensor, Tensor]:
        smallest, index = distances.relative(rows).flatten(1).min(1)
        return smallest, _descending(self.max_shift, index.device).index_select(0, index)


@lru_cache(maxsize=16)
def _descending(max_shift: int, device: torch.device) -> Tensor:
    """Return all shifts (dx, dy) in the order of `ShiftDistances.relative`, (S * S, 2)."""
    with torch.inference_mode(False):  # kept for later calls, which may train
        down = torch.arange(max_shift, -max_shift - 1, -1, dtype=torch.float32, device=device)
        return torch.cartesian_prod(down, down).flip(1)
