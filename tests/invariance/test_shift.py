"""Shifts against slow loops over every shift."""

from __future__ import annotations

import pytest
import torch
from slow_transforms import digits, shift_distances_slowly, shift_slowly

from tiae_zoo.invariance import Shift
from tiae_zoo.invariance.shift_distances import ShiftDistances


@pytest.mark.parametrize("theta", [(0, 0), (3, 0), (0, -3), (-2, 5), (8, 8), (-8, -8)])
def test_apply_moves_right_and_down_and_fills_with_zeros(theta: tuple[int, int]) -> None:
    images = digits(3, 12)
    moved = Shift(8).apply(images, torch.tensor([theta] * 3))
    assert torch.equal(moved, shift_slowly(images, *theta))


@pytest.mark.parametrize("theta", [(9, 0), (-3, 11), (12, -12), (500, -500)])
def test_apply_takes_shifts_beyond_the_largest(theta: tuple[int, int]) -> None:
    images = digits(3, 12)
    moved = Shift(2).apply(images, torch.tensor([theta] * 3, dtype=torch.float32))
    assert torch.equal(moved, shift_slowly(images, *theta))


def test_apply_rounds_to_whole_pixels() -> None:
    images = digits(1, 12)
    moved = Shift(2).apply(images, torch.tensor([[1.4, -2.6]]))
    assert torch.equal(moved, shift_slowly(images, 1, -3))


def test_every_image_is_shifted_by_its_own_theta() -> None:
    images = digits(6, 16).repeat(1, 2, 1, 1)
    moved, theta = Shift(5).sample(images)
    for image, result, (dx, dy) in zip(images, moved, theta.int().tolist(), strict=True):
        assert torch.equal(result, shift_slowly(image[None], dx, dy)[0])


def test_sampling_covers_the_whole_square_and_follows_its_generator() -> None:
    images = torch.zeros(4000, 1, 4, 4)
    _, theta = Shift(2).sample(images, torch.Generator().manual_seed(1))
    _, again = Shift(2).sample(images, torch.Generator().manual_seed(1))
    assert torch.equal(theta, again)
    assert len(theta.unique(dim=0)) == 25
    assert theta.min() == -2
    assert theta.max() == 2


@pytest.mark.parametrize(
    ("height", "width", "channels", "max_shift"),
    [(32, 32, 1, 8), (12, 12, 3, 4), (15, 10, 2, 3), (9, 16, 1, 0), (6, 6, 1, 8), (1, 5, 1, 2)],
)
def test_fft_distances_agree_with_the_loop(height: int, width: int, channels: int, max_shift: int) -> None:
    images, restored = digits(8 * channels, height, width).view(2, 4, channels, height, width)
    fast = ShiftDistances(restored, max_shift)(images)
    slow = shift_distances_slowly(restored, images, max_shift)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-6 * float(slow.max()))


def test_nearest_finds_all_289_shifts_of_a_pattern() -> None:
    family = Shift(8)
    image = torch.zeros(1, 1, 32, 32)
    image[:, :, 10:22, 10:22] = digits(1, 12)
    theta = family.grid(17)
    assert len(theta) == 289
    images = image.expand(289, -1, -1, -1)
    moved = family.apply(images, theta)
    found = family.nearest(moved, images)
    assert torch.equal(found.theta, theta)
    assert torch.equal(found.image, moved)


def test_nearest_has_the_smallest_distance_of_the_loop() -> None:
    restored, images = digits(8)[4:], digits(4)
    found = Shift(8).nearest(restored, images)
    smallest = shift_distances_slowly(restored, images, 8).flatten(1).amin(1)
    torch.testing.assert_close((restored - found.image).square().sum((1, 2, 3)), smallest, rtol=1e-5, atol=1e-4)


def test_grid_reaches_the_corners() -> None:
    grid = Shift(8).grid(3)
    assert grid.tolist() == [[x, y] for x in (-8, 0, 8) for y in (-8, 0, 8)]


def test_negative_shifts_are_refused() -> None:
    with pytest.raises(ValueError, match="max_shift"):
        Shift(-1)


def test_grid_of_few_shifts_names_each_once() -> None:
    assert Shift(1).grid(5).tolist() == [[x, y] for x in (-1, 0, 1) for y in (-1, 0, 1)]


def test_distances_keep_their_digits_where_products_may_lose_them() -> None:
    restored, images = digits(8)[4:], digits(4)
    expected = shift_distances_slowly(restored, images, 8)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        found = ShiftDistances(restored, 8)(images)
    finally:
        torch.set_float32_matmul_precision(before)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-3)


def test_what_a_test_has_left_in_memory_serves_a_training() -> None:
    images = digits(2, 11)  # a size of its own
    with torch.inference_mode():
        Shift(3).nearest(images, images)
    weight = torch.ones(1, requires_grad=True)
    restored = weight * images
    (restored - Shift(3).nearest(restored, images).image).square().sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_distances_in_half_precision(dtype: torch.dtype) -> None:
    restored, images = digits(8)[4:], digits(4)
    expected = shift_distances_slowly(restored.to(dtype).float(), images.to(dtype).float(), 8)
    found = ShiftDistances(restored.to(dtype), 8)(images.to(dtype))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)
