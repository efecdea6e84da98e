"""What lies behind an object on black."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tiae_zoo.invariance.base import Nearest, TransformFamily

BLACK = -1.0  # theta of the black background


class Background(TransformFamily):
    """All ways to put a picture of a pool behind an object on black: T_theta I = I + (1 - max_c I) * pool[theta].

    Objects are opaque where their brightest channel is 1 and clear where it is 0. theta is float32 (B, 1), the number
    of the picture, or -1 for black, which leaves I as it is. Black is also what `nearest` gives: backgrounds are not
    searched, the target is the object alone (Matsuo and Shimada 2017, arXiv 1709.03754).

    Args:
        pool: the pictures, (N, C, H, W) in [0, 1]; or the path of a `.npy` file of them, which may also be uint8.

    Raises:
        ValueError: there are no pictures, or their file cannot be read or holds something else.

    >>> black_and_white = Background(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1))
    >>> grey = torch.full((2, 1, 1, 1), 0.25)
    >>> black_and_white.apply(grey, torch.tensor([[1.0], [-1.0]])).flatten().tolist()
    [1.0, 0.25]
    """

    parameters = ("picture",)

    def __init__(self, pool: Tensor | str) -> None:
        self.pool = pool if isinstance(pool, Tensor) else _load(Path(pool))
        self._arguments = (self.pool,)  # what is kept must not need the file
        if self.pool.ndim != 4 or not self.pool.numel():
            raise ValueError(f"The pool has shape {tuple(self.pool.shape)}. Give pictures (N, C, H, W), at least one.")
        if not (self.pool.min() >= 0 and self.pool.max() <= 1):
            raise ValueError("The pictures of the pool are not in [0, 1]. Scale them, or save them as uint8, 0 to 255.")

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Return the images (B, C, H, W) before the pictures theta (B, 1).

        Raises:
            ValueError: the pictures are not of the size of the images.
        """
        number = theta[:, 0].round().long()
        if images.shape[1:] != self.pool.shape[1:]:
            if not (number >= 0).any():  # asked only here: a GPU is not to wait for the answer in every step
                return images
            raise ValueError(
                f"Images are {tuple(images.shape[1:])} and the pictures behind them {tuple(self.pool.shape[1:])} "
                "(channels, height, width). Give a pool of the images' size."
            )
        self.pool = self.pool.to(images.device)  # moved once
        behind = self.pool[number.clamp_min(0)].to(images.dtype) * (number >= 0)[:, None, None, None]
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

    def bare(self, theta: Tensor) -> Tensor:
        """Return the black background for each theta (B, 1)."""
        return torch.full_like(theta, BLACK)

    def nearest(self, restored: Tensor, images: Tensor) -> Nearest:
        """Return the images (B, C, H, W) alone, on black, whatever was restored."""
        return Nearest(images.detach(), torch.full((len(images), 1), BLACK, device=images.device))


def _load(path: Path) -> Tensor:
    try:
        pictures = np.load(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"No pictures can be read from {path}: {error}. Write them with numpy.save.") from error
    return torch.from_numpy(pictures / np.float32(255) if pictures.dtype == np.uint8 else pictures.astype(np.float32))
