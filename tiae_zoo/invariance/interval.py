"""What families of one parameter have in common."""

from __future__ import annotations

import torch
from torch import Tensor

from tiae_zoo.invariance.base import Nearest, TransformFamily
from tiae_zoo.invariance.search import plain_distance, search


class Interval(TransformFamily):
    """A family with one parameter: drawn uniformly from an interval, searched at a few of its values.

    A family of one's own needs `parameters` and `apply`.

    Args:
        low: the smallest parameter.
        high: the largest.
        searched: the values (N,) that `nearest` tries, in ascending order, the identity's among them.
    """

    def __init__(self, low: float, high: float, searched: Tensor) -> None:
        self.low, self.high = low, high
        self._searched = searched.to(torch.float32)

    def draw(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return theta (B, 1), drawn uniformly for each of the images (B, C, H, W)."""
        device = images.device if generator is None else generator.device
        uniform = torch.rand(len(images), 1, generator=generator, device=device)
        return (self.low + (self.high - self.low) * uniform).to(images.device)

    def sample(self, images: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return T_theta I (B, C, H, W) and theta (B, 1), drawn uniformly for each image."""
        theta = self.draw(images, generator)
        return self.apply(images, theta), theta

    def grid(self, steps: int) -> Tensor:
        """Return thetas (steps, 1) spread evenly over the interval, both ends included."""
        return torch.linspace(self.low, self.high, steps)[:, None]

    def candidates(self) -> Tensor:
        """Return the thetas (N, 1) that `nearest` tries."""
        return self._searched[:, None]

    def nearest(self, restored: Tensor, images: Tensor) -> Nearest:
        """Return the candidate that brings each image nearest to `restored`, without gradients.

        Args:
            restored: (B, C, H, W).
            images: (B, C, H, W).
        """
        theta = search(images, self.apply, [self.candidates()], plain_distance(restored))
        with torch.no_grad():
            return Nearest(self.apply(images, theta), theta)
