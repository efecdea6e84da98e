"""Compositions against their families, one after the other, and the search against the whole product."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from slow_transforms import blur_slowly, digits, distances_slowly, map_slowly, rotation_matrix, shift_slowly
from torch import Tensor

from tiae_zoo.invariance import Background, Blur, Composition, Nearest, Rotation, Scale, Shift, TransformFamily, search


def test_families_are_applied_from_left_to_right() -> None:
    images, pool = digits(2, 12), torch.rand(3, 1, 12, 12)
    family = Composition([Blur(2), Rotation(90), Shift(4), Background(pool)])
    assert family.parameters == ("sigma", "angle", "dx", "dy", "picture")
    result = family.apply(images, torch.tensor([[1.0, 30.0, 3.0, -2.0, 1.0], [0.0, -70.0, 0.0, 4.0, -1.0]]))
    first = shift_slowly(map_slowly(blur_slowly(images[0], 1), rotation_matrix(30))[None], 3, -2)[0]
    first = first + (1 - first) * pool[1]
    second = shift_slowly(map_slowly(images[1], rotation_matrix(-70))[None], 0, 4)[0]
    torch.testing.assert_close(result, torch.stack([first, second]), rtol=0, atol=1e-4)


def test_neighbouring_linear_families_are_one_resampling() -> None:
    image = digits(1, 13)
    family = Composition([Scale(0.5, 2), Rotation(90)])
    result = family.apply(image, torch.tensor([[0.7, 25.0]]))
    torch.testing.assert_close(result[0], map_slowly(image[0], 0.7 * rotation_matrix(25)), rtol=0, atol=1e-4)
    back = Composition([Scale(0.5, 2), Scale(0.5, 2)]).apply(image, torch.tensor([[2.0, 0.5]]))
    torch.testing.assert_close(back, image, rtol=0, atol=1e-5)


def test_linear_families_apart_are_resampled_twice() -> None:
    image = digits(1, 12)
    family = Composition([Rotation(90), Blur(2), Scale(0.5, 2)])
    result = family.apply(image, torch.tensor([[20.0, 0.8, 1.3]]))
    expected = map_slowly(blur_slowly(map_slowly(image[0], rotation_matrix(20)), 0.8), 1.3 * np.eye(2))
    torch.testing.assert_close(result[0], expected, rtol=0, atol=1e-4)


def test_grid_and_candidates_are_products() -> None:
    family = Composition([Scale(0.5, 2, 4), Shift(1)])
    assert family.grid(2).tolist() == [[s, x, y] for s in (0.5, 2) for x in (-1, 1) for y in (-1, 1)]
    assert len(family.candidates()) == 4 * 9


FAMILIES: list[list[TransformFamily]] = [
    [Rotation(40, 5), Shift(2)],
    [Rotation(40, 3), Scale(0.7, 1.4, 3), Shift(2)],
    [Blur(1.5, 3), Rotation(30, 3), Shift(1)],
    [Rotation(30, 5), Blur(1, 2)],
    [Rotation(30, 1), Scale(0.8, 1.2, 3), Shift(1)],
    [Shift(3), Blur(2, 1)],
]


@pytest.mark.parametrize("families", FAMILIES, ids=lambda families: "-".join(type(f).__name__ for f in families))
@pytest.mark.parametrize("at_a_time", [1, 1000, 10**6])
def test_nearest_is_the_best_of_the_whole_product(
    families: list[TransformFamily], at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(search.NUMBERS_AT_A_TIME, "cpu", at_a_time)
    family = Composition(families)
    restored, images = digits(12, 9, 11).view(2, 3, 2, 9, 11)
    found = family.nearest(restored, images)
    distances = distances_slowly(family, restored, images)
    distance = (restored - found.image).square().sum((1, 2, 3))
    torch.testing.assert_close(distance, distances.amin(1), rtol=1e-4, atol=1e-5)
    assert torch.equal(found.image, family.apply(images, found.theta))


def test_nearest_finds_the_transform_that_was_applied() -> None:
    family = Composition([Rotation(60, 9), Scale(0.8, 1.2, 5), Shift(3)])
    images = torch.zeros(40, 1, 32, 32)
    images[..., 10:22, 10:22] = digits(40, 12)
    candidates = family.candidates()
    theta = candidates[torch.randperm(len(candidates), generator=torch.Generator().manual_seed(0))[:40]]
    found = family.nearest(family.apply(images, theta), images)
    assert (found.theta == theta).all(1).float().mean() > 0.9  # some digits are round


def test_backgrounds_are_not_searched() -> None:
    images, pool = digits(4, 10), torch.rand(3, 1, 10, 10)
    plain = Composition([Rotation(30, 5), Shift(2)]).nearest(images.flip(0), images)
    found = Composition([Rotation(30, 5), Shift(2), Background(pool)]).nearest(images.flip(0), images)
    assert torch.equal(found.image, plain.image)
    assert torch.equal(found.theta[:, :3], plain.theta)
    assert (found.theta[:, 3] == -1).all()


@pytest.mark.parametrize("stride", [2, 3, 4, 7])
@pytest.mark.parametrize("sizes", [(2, 5), (3, 4), (9, 8)])
def test_coarse_to_fine_finds_a_smooth_minimum(stride: int, sizes: tuple[int, int]) -> None:
    """A bowl over the places has one minimum: wherever it lies, the coarse search lands next to it."""
    lists = [torch.arange(size, dtype=torch.float32)[:, None] for size in sizes]
    places = torch.cartesian_prod(*(thetas[:, 0] for thetas in lists))
    tried = []

    def transform(images: Tensor, theta: Tensor) -> Tensor:
        tried.append(theta)
        return theta[:, :, None, None]

    def measure(images: Tensor) -> tuple[Tensor, Tensor]:
        apart = images[..., 0, 0].unflatten(0, (-1, len(places))) - places
        return apart.square().sum(2).flatten(), images.new_empty(len(images), 0)

    found = search.search(places[:, :, None, None], transform, lists, measure, stride)
    assert torch.equal(found, places)
    coarse = np.prod([len(range((size - 1) % stride // 2, size, stride)) for size in sizes])
    around = (2 * stride - 1) ** 2
    assert len(torch.cat(tried)) <= (coarse + around) * len(places)


def test_coarse_to_fine_is_never_better_than_exact() -> None:
    families: list[TransformFamily] = [Rotation(60, 13), Shift(2)]
    restored, images = digits(16, 14).view(2, 8, 1, 14, 14)
    exact, coarse = (Composition(families, stride).nearest(restored, images).image for stride in (1, 3))
    exact, coarse = ((restored - image).square().sum((1, 2, 3)) for image in (exact, coarse))
    assert (coarse >= exact - 1e-5).all()
    assert (coarse <= exact + 1e-5).float().mean() >= 0.5


def test_memory_does_not_grow_with_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0
    apply = Rotation.matrix

    def watched(self: Rotation, theta: Tensor) -> Tensor:
        nonlocal largest
        largest = max(largest, len(theta))
        return apply(self, theta)

    monkeypatch.setattr(Rotation, "matrix", watched)
    monkeypatch.setitem(search.NUMBERS_AT_A_TIME, "cpu", 10 * 4 * 64)
    images = digits(4, 8)
    Composition([Rotation(30, 101), Scale(num_scales=3), Shift(1)]).nearest(images, images)
    assert largest == 10 * len(images)


class Flip(TransformFamily):
    """A family of one's own: mirrored or not."""

    parameters = ("flipped",)

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        return torch.where(theta[:, :, None, None] > 0.5, images.flip(3), images)

    def sample(self, images: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        theta = torch.randint(2, (len(images), 1), generator=generator).float()
        return self.apply(images, theta), theta

    def grid(self, steps: int) -> Tensor:
        return self.candidates()

    def candidates(self) -> Tensor:
        return torch.tensor([[0.0], [1.0]])

    def nearest(self, restored: Tensor, images: Tensor) -> Nearest:
        raise NotImplementedError


def test_a_family_of_ones_own_is_searched_too() -> None:
    images = digits(5, 12)
    theta = torch.tensor([[1.0, 2.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 2.0], [1.0, -2.0, 1.0]])
    padded = torch.nn.functional.pad(images, [3] * 4)
    family = Composition([Flip(), Shift(2)])
    assert torch.equal(family.nearest(family.apply(padded, theta), padded).theta, theta)


@pytest.mark.parametrize(
    ("families", "message"),
    [
        ([], "Give at least one"),
        ([Shift(1), Rotation()], "Put Rotation before Shift"),
        ([Shift(1), Blur(), Background(torch.rand(1, 1, 2, 2))], "Put Blur before Shift"),
        ([Shift(1), Shift(2)], "two shifts"),
        ([Background(torch.rand(1, 1, 2, 2)), Shift(1)], "Put Background last"),
        ([Background(torch.rand(1, 1, 2, 2)), Blur(1, 1)], "Put Background last"),
    ],
)
def test_orders_that_cannot_be_searched_are_refused(families: list[TransformFamily], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Composition(families)


def test_a_stride_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="stride"):
        Composition([Shift(1)], stride=0)
