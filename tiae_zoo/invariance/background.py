"""What lies behind an object on black."""

from __future__ import annotations

import torch
from torch import Tensor

from tiae_zoo.invariance.base import Nearest, TransformFamily

BLACK = -1.0  # theta of the black background


class Background(TransformFamily):
    """All ways to put a picture of a pool behind an object on black: T_theta I = I + (1 - max_c I) * pool[theta].

    Objects are opaque where their brightest channel is 1 and clear where it is 0. theta is (B, 1), the number of the
    picture, or -1 for black, which leaves I as it is. Black is also what `nearest` gives: backgrounds are not searched,
    the target is the object alone (Matsuo and Shimada 2017, arXiv 1709.03754).

    Args:
        pool: the pictures, (N, C, H, W) in [0, 1].

    Raises:
        ValueError: there are no pictures.
    """

    parameters = ("picture",)

    def __init__(self, pool: Tensor) -> None:
        if pool.ndim != 4 or not len(pool):
            raise ValueError(f"The pool has shape {tuple(pool.shape)}. Give pictures (N, C, H, W), at least one.")
        self.pool = pool

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Return the images (B, C, H, W) before the pictures theta (B, 1)."""
        number = theta[:, 0].round().long()
        behind = self.pool[number.clamp_min(0)] * (number >= 0)[:, None, None, None]
        return images + (1 - images.amax(1, keepdim=True)) * behind

    def sample(self, images: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the images (B, C, H, W), each before a random picture, and theta (B, 1)."""
        device = images.device if generator is None else generator.device
        number = torch.randint(len(self.pool), (len(images), 1), generator=generator, device=device)
        theta = number.to(images.device, torch.float32)
        return self.apply(images, theta), theta

    def grid(self, steps: int) -> Tensor:
        """Return thetas (N, 1) of `steps` pictures spread evenly over the pool, or of all if there are fewer."""
        return torch.linspace(0, len(self.pool) - 1, steps).round().unique()[:, None]

    def candidates(self) -> Tensor:
        """Return theta (1, 1) of the black background."""
        return torch.full((1, 1), BLACK)

    def nearest(self, restored: Tensor, images: Tensor) -> Nearest:
        """Return the images (B, C, H, W) alone, on black, whatever was restored."""
        return Nearest(images, torch.full((len(images), 1), BLACK, device=images.device))
