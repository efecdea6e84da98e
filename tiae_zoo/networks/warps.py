"""Grid generators of spatial transformers (Jaderberg et al. 2015, arXiv 1506.02025, sections 3.2 and 4.1).

A warp says for each pixel of the output where in the input to look. Coordinates are (x, y) with -1 and 1 at the outer
edges of the image, whatever its size in pixels, as `grid_sample(align_corners=False)` takes them.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST_DEPTH = 0.1  # of a projective map: nearer points, and those behind the eye, are seen as if they were so far


class Warp(nn.Module):
    """A family of maps from output to input coordinates, by a vector theta of `num_parameters`."""

    num_parameters: int

    def identity(self) -> Tensor:
        """Return the theta (P,) that leaves every point where it is."""
        raise NotImplementedError

    def forward(self, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """Return where to look (B, H, W, 2) for theta (B, P) and an output of `size` (H, W) in pixels."""
        raise NotImplementedError


class Affine(Warp):
    """x' = A x + t: the six numbers of (A | t), row by row (equation 1)."""

    num_parameters = 6

    def identity(self) -> Tensor:
        """Return the theta (6,) that leaves every point where it is."""
        return torch.tensor([1.0, 0, 0, 0, 1, 0])

    def forward(self, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """Return where to look (B, H, W, 2) for theta (B, 6)."""
        return F.affine_grid(theta.view(-1, 2, 3), [len(theta), 1, *size], align_corners=False)


class Attention(Warp):
    """x' = s x + t: isotropic scale and shift (s, t_x, t_y) (equation 2)."""

    num_parameters = 3

    def identity(self) -> Tensor:
        """Return the theta (3,) that leaves every point where it is."""
        return torch.tensor([1.0, 0, 0])

    def forward(self, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """Return where to look (B, H, W, 2) for theta (B, 3)."""
        scale, shift = theta[:, None, None, :1], theta[:, None, None, 1:]
        return scale * pixel_centres(size, theta) + shift


class Projective(Warp):
    """x' = (H x)_{1,2} / (H x)_3: a plane seen from elsewhere, by eight numbers of H, row by row; the ninth is 1."""

    num_parameters = 8

    def identity(self) -> Tensor:
        """Return the theta (8,) that leaves every point where it is."""
        return torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 0])

    def forward(self, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """Return where to look (B, H, W, 2) for theta (B, 8)."""
        matrix = F.pad(theta, (0, 1), value=1.0).view(-1, 3, 3)
        points = F.pad(pixel_centres(size, theta), (0, 1), value=1.0)  # homogeneous, (H, W, 3)
        mapped = torch.einsum("bij,hwj->bhwi", matrix, points)
        return mapped[..., :2] / mapped[..., 2:].clamp(min=LEAST_DEPTH)


class ThinPlateSpline(Warp):
    """The smoothest map that takes a square grid of control points to given places (Bookstein 1989).

    theta holds the places (x, y), one after the other, rows of the grid first.

    Args:
        points: control points along a side; the paper's are 4, 16 in all.
    """

    def __init__(self, points: int = 4) -> None:
        super().__init__()
        self.num_parameters = 2 * points**2
        line = torch.linspace(-1, 1, points, dtype=torch.float64)
        y, x = torch.meshgrid(line, line, indexing="ij")
        control = torch.stack([x, y], -1).view(-1, 2)
        count = len(control)
        affine = F.pad(control, (1, 0), value=1.0)  # (N, 3): 1, x, y
        system = control.new_zeros(count + 3, count + 3)
        system[:count, :count] = radial(control, control)
        system[:count, count:], system[count:, :count] = affine, affine.T
        # No buffers: a model in half precision would round them, and then even the identity bends.
        self.control = control
        # what turns places (N, 2) into the weights of the radial functions and of the affine part
        self.weights = torch.linalg.inv(system)[:, :count]

    def identity(self) -> Tensor:
        """Return the theta (2 N,) that leaves every point where it is."""
        return self.control.flatten().float()

    def forward(self, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """Return where to look (B, H, W, 2) for theta (B, 2 N)."""
        points = pixel_centres(size, theta).view(-1, 2)
        control, weights = (tensor.to(theta.dtype).to(theta.device) for tensor in (self.control, self.weights))
        basis = torch.cat([radial(points, control), F.pad(points, (1, 0), value=1.0)], 1)  # (H * W, N + 3)
        places = theta.view(len(theta), -1, 2)
        return (basis @ weights @ places).view(len(theta), *size, 2)


def radial(points: Tensor, centres: Tensor) -> Tensor:
    """Return r^2 log r for the distances r (P, N) of points (P, 2) and centres (N, 2); 0 where they meet."""
    squared = (points[:, None] - centres).square().sum(2)
    return 0.5 * torch.xlogy(squared, squared)


def pixel_centres(size: tuple[int, int], like: Tensor) -> Tensor:
    """Return the centres (H, W, 2) of the pixels of an image, on the device and of the type of `like`."""
    y, x = ((2 * torch.arange(side, device=like.device, dtype=like.dtype) + 1) / side - 1 for side in size)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


WarpName = Literal["affine", "attention", "projective", "thin_plate_spline"]
WARPS: dict[WarpName, type[Warp]] = {
    "affine": Affine,
    "attention": Attention,
    "projective": Projective,
    "thin_plate_spline": ThinPlateSpline,
}
