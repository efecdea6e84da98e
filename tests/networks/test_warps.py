"""Grid generators against their definitions, written out point by point."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator
from torch import Tensor

from tiae_zoo.networks.warps import WARPS, Affine, Attention, Projective, ThinPlateSpline, Warp, pixel_centres

SIZE = (6, 10)
NAMES = sorted(WARPS)


def centres() -> list[list[tuple[float, float]]]:
    height, width = SIZE
    return [[((2 * c + 1) / width - 1, (2 * r + 1) / height - 1) for c in range(width)] for r in range(height)]


def assert_maps(warp: Warp, theta: list[float], expected: object) -> None:
    grid = warp(torch.tensor([theta, theta], dtype=torch.float64).float(), SIZE)
    assert grid.shape == (2, *SIZE, 2)
    for r, row in enumerate(centres()):
        for c, (x, y) in enumerate(row):
            torch.testing.assert_close(grid[1, r, c], torch.tensor(expected(x, y)), rtol=1e-5, atol=1e-5)  # type: ignore[operator]


@pytest.mark.parametrize("name", NAMES)
def test_the_identity_leaves_points_where_they_are(name: str) -> None:
    warp = WARPS[name]()  # type: ignore[index]
    theta = warp.identity()
    assert theta.shape == (warp.num_parameters,)
    torch.testing.assert_close(warp(theta[None], SIZE)[0], pixel_centres(SIZE, theta), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_small_differences(name: str) -> None:
    warp = WARPS[name]().double()  # type: ignore[index]
    torch.manual_seed(0)
    theta = warp.identity().double()[None] + 0.05 * torch.randn(2, warp.num_parameters, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda t: warp(t, (3, 4)), theta.requires_grad_())


def test_affine_is_a_matrix_and_a_shift() -> None:
    assert_maps(Affine(), [0.5, 0.1, 0.2, -0.3, 2, 0.4], lambda x, y: (0.5 * x + 0.1 * y + 0.2, -0.3 * x + 2 * y + 0.4))


def test_attention_scales_both_axes_alike() -> None:
    assert_maps(Attention(), [0.5, 0.2, -0.1], lambda x, y: (0.5 * x + 0.2, 0.5 * y - 0.1))


def test_projective_divides_by_the_depth() -> None:
    def expected(x: float, y: float) -> tuple[float, float]:
        depth = 0.2 * x - 0.3 * y + 1
        return (0.9 * x + 0.1 * y + 0.2) / depth, (-0.2 * x + 1.1 * y - 0.1) / depth

    assert_maps(Projective(), [0.9, 0.1, 0.2, -0.2, 1.1, -0.1, 0.2, -0.3], expected)


def test_projective_stays_finite_where_the_plane_is_seen_from_behind() -> None:
    theta = torch.tensor([[1.0, 0, 0, 0, 1, 0, 5, 5]], requires_grad=True)
    grid = Projective()(theta, SIZE)
    grid.sum().backward()
    assert grid.isfinite().all()
    assert theta.grad is not None
    assert theta.grad.isfinite().all()


def test_the_spline_is_scipys() -> None:
    warp = ThinPlateSpline()
    theta = warp.identity() + 0.2 * torch.randn(32, generator=torch.Generator().manual_seed(0))
    line = np.linspace(-1, 1, 4)
    control = np.array([(x, y) for y in line for x in line])
    spline = RBFInterpolator(control, theta.view(16, 2).numpy(), kernel="thin_plate_spline")
    expected = spline(np.array(centres()).reshape(-1, 2)).reshape(*SIZE, 2)
    torch.testing.assert_close(warp(theta[None], SIZE)[0], torch.tensor(expected).float(), rtol=0, atol=1e-4)


def test_a_turn_by_the_affine_warp_turns_the_picture() -> None:
    theta = torch.tensor([[0.0, -1, 0, 1, 0, 0]])
    image = torch.rand(1, 1, 5, 5)
    grid = Affine()(theta, (5, 5))
    seen: Tensor = torch.nn.functional.grid_sample(image, grid, align_corners=False)
    turned = image.rot90(1, (2, 3))
    assert math.isclose(min((seen - turned).abs().max(), (seen - image.rot90(-1, (2, 3))).abs().max()), 0, abs_tol=1e-5)
