"""Rotation and scale against scipy, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from slow_transforms import digits, map_slowly, rotation_matrix

from tiae_zoo.invariance import Rotation, Scale


@pytest.mark.parametrize(("height", "width"), [(16, 16), (15, 15), (12, 19)])
@pytest.mark.parametrize("angle", [-170, -33.3, 0, 12.5, 90])
def test_rotation_is_scipys(angle: float, height: int, width: int) -> None:
    images = digits(4, height, width).view(2, 2, height, width)
    rotated = Rotation(180).apply(images, torch.full((2, 1), angle))
    for image, result in zip(images, rotated, strict=True):
        torch.testing.assert_close(result, map_slowly(image, rotation_matrix(angle)), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (12, 19)])
@pytest.mark.parametrize("scale", [0.6, 1, 1.37, 3])
def test_scale_is_scipys(scale: float, height: int, width: int) -> None:
    images = digits(4, height, width).view(2, 2, height, width)
    scaled = Scale(0.5, 3).apply(images, torch.full((2, 1), scale))
    for image, result in zip(images, scaled, strict=True):
        torch.testing.assert_close(result, map_slowly(image, scale * np.eye(2)), rtol=0, atol=1e-4)


def test_positive_angles_turn_anticlockwise() -> None:
    images = digits(2, 12)
    turned = Rotation(90).apply(images, torch.tensor([[90.0], [-90.0]]))
    torch.testing.assert_close(turned[0], images[0].rot90(1, (1, 2)), rtol=0, atol=1e-5)
    torch.testing.assert_close(turned[1], images[1].rot90(-1, (1, 2)), rtol=0, atol=1e-5)
    right = torch.zeros(1, 1, 9, 9)
    right[..., 4, 8] = 1
    assert Rotation(90).apply(right, torch.tensor([[90.0]]))[0, 0, 0, 4] == pytest.approx(1, abs=1e-5)  # up


def test_factors_above_one_enlarge() -> None:
    square = torch.zeros(1, 1, 16, 16)
    square[..., 6:10, 6:10] = 1
    doubled = Scale(0.5, 2).apply(square, torch.tensor([[2.0]]))
    assert doubled.sum() == pytest.approx(64, rel=1e-4)
    halved = Scale(0.5, 2).apply(square, torch.tensor([[0.5]]))
    assert halved.sum() == pytest.approx(4, rel=1e-4)


def test_sampling_fills_the_interval_evenly() -> None:
    images = torch.zeros(4000, 1, 1, 1)
    for family, low, high in ((Rotation(30), -30, 30), (Scale(0.5, 2), 0.5, 2)):
        share = (family.sample(images, torch.Generator().manual_seed(0))[1] - low) / (high - low)
        assert share.min() >= 0
        assert share.max() <= 1
        counts = (share * 10).long().clamp(max=9).flatten().bincount(minlength=10)
        assert counts.min() > 320
        assert counts.max() < 480


def test_grids_reach_both_ends() -> None:
    assert Rotation(30).grid(5).flatten().tolist() == [-30, -15, 0, 15, 30]
    torch.testing.assert_close(Scale(0.5, 2).grid(4).flatten(), torch.tensor([0.5, 1, 1.5, 2]))


def test_a_full_circle_has_each_direction_once() -> None:
    family = Rotation(180, 9)
    assert family.candidates().flatten().tolist() == [-160, -120, -80, -40, 0, 40, 80, 120, 160]
    assert family.grid(4).flatten().tolist() == [-180, -90, 0, 90]


def test_scales_that_are_searched_hold_one_exactly() -> None:
    assert 1 in Scale(0.7, 1.2, 4).candidates()
    assert Scale(0.7, 1.2, 1).candidates().tolist() == [[1]]
    assert Rotation(45, 1).candidates().tolist() == [[0]]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Rotation(max_angle=181), "between 0 and 180"),
        (lambda: Rotation(max_angle=float("nan")), "between 0 and 180"),
        (lambda: Rotation(num_angles=4), "odd number"),
        (lambda: Rotation(num_angles=-1), "odd number"),
        (lambda: Scale(min_scale=0), "above 0"),
        (lambda: Scale(min_scale=1.1, max_scale=1.2), "at most 1"),
        (lambda: Scale(max_scale=0.9), "at least 1"),
        (lambda: Scale(num_scales=0), "1 or more"),
    ],
)
def test_impossible_intervals_are_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
