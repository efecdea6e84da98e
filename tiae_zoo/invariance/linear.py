"""Linear maps of the picture plane about the centre of the frame, resampled bilinearly."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from tiae_zoo.invariance.interval import Interval
from tiae_zoo.invariance.precision import precise


class LinearFamily(Interval):
    """A family of one parameter that moves the point p, from the centre of the frame, to M_theta p.

    A family of one's own needs `parameters` and `matrix`.
    """

    @abstractmethod
    def matrix(self, theta: Tensor) -> Tensor:
        """Return M (B, 2, 2) for theta (B, 1); x points right and y down."""

    def reach(self, side: int) -> int:
        """Return how far outside of the frame a corner of it comes to lie, in whole pixels."""
        return LinearMaps([self]).reach(side)

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Return the images (B, C, H, W), moved by theta (B, 1); zeros enter the frame."""
        return LinearMaps([self]).apply(images, theta)


class LinearMaps:
    """Several linear families one after the other as one map: the picture is resampled only once."""

    def __init__(self, families: Sequence[LinearFamily]) -> None:
        self._families = families
        self.parameters = tuple(name for family in families for name in family.parameters)

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Return the images (B, C, H, W), moved by theta (B, P), a column a family."""
        exact = precise(images)
        columns = theta.to(exact.dtype).split(1, dim=1)
        matrices = [family.matrix(column) for family, column in zip(self._families, columns, strict=True)]
        moved = resample(exact, reduce(_then, matrices))
        return moved.to(images.dtype)

    def sample(self, images: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the images (B, C, H, W), each moved at random, and theta (B, P)."""
        theta = torch.cat([family.draw(images, generator) for family in self._families], 1)
        return self.apply(images, theta), theta

    def reach(self, side: int) -> int:
        """Return how far outside of the frame a corner of it comes to lie, in whole pixels."""
        candidates = [family.matrix(family.candidates()) for family in self._families]
        maps = reduce(lambda first, second: torch.einsum("aij,bjk->abik", second, first).flatten(0, 1), candidates)
        corners = maps.abs().sum(2).max() * (side / 2)
        return max(0, math.ceil(corners.item() - side / 2 - 1e-3))


def resample(images: Tensor, matrix: Tensor) -> Tensor:
    """Return images whose content has moved by a linear map about the centre of the frame; zeros enter.

    Args:
        images: (B, C, H, W), float32 or float64.
        matrix: (B, 2, 2), invertible, of the same type: where (x, y) goes, in pixels.
    """
    height, width = images.shape[-2:]
    (a, b), (c, d) = (row.unbind(1) for row in matrix.unbind(1))
    inverse = torch.stack([torch.stack([d, -b], 1), torch.stack([-c, a], 1)], 1) / (a * d - b * c)[:, None, None]
    # grid_sample counts half frames, from -1 at one edge of the frame to 1 at the other
    source = inverse / inverse.new_tensor([width / 2, height / 2])[:, None]
    x, y = (torch.arange(side, dtype=images.dtype, device=images.device) - (side - 1) / 2 for side in (width, height))
    # The sum of a row and a column; affine_grid multiplies matrices, slowly, and loses digits under autocast.
    grid = (source[:, :, 0, None] * x)[:, :, None, :] + (source[:, :, 1, None] * y)[:, :, :, None]  # (B, 2, H, W)
    return F.grid_sample(images, grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode="zeros", align_corners=False)


def _then(first: Tensor, second: Tensor) -> Tensor:
    """Return second @ first (B, 2, 2) in sums of products, which autocast leaves alone."""
    return (second[:, :, :, None] * first[:, None, :, :]).sum(2)
