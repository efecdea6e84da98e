"""A family is a hyperparameter of its method: kept in checkpoints, and compared."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tiae_zoo.invariance import Background, Blur, Composition, Rotation, Scale, Shift, TransformFamily
from tiae_zoo.invariance.interval import Interval


class Brightness(Interval):
    """A family of the user's own."""

    parameters = ("factor",)

    def __init__(self, darkest: float = 0.5) -> None:
        super().__init__(darkest, 1.0, torch.tensor([darkest, 1.0]))

    def apply(self, images: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        return images * theta[:, :, None, None]


FAMILIES = [Shift(3), Rotation(20), Scale(), Blur(), Brightness(0.2), Composition([Rotation(), Blur(), Shift(2)])]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_is_loaded_without_unpickling_code(family: TransformFamily, tmp_path: Path) -> None:
    torch.save({"family": family}, tmp_path / "family.ckpt")
    loaded = torch.load(tmp_path / "family.ckpt", weights_only=True)["family"]
    assert loaded == family
    images = torch.rand(2, 1, 12, 12)
    theta = family.candidates()[:1].expand(2, -1)
    assert torch.equal(loaded.apply(images, theta), family.apply(images, theta))


def test_families_are_equal_if_their_arguments_are() -> None:
    assert Shift(8) == Shift(max_shift=8) == Shift()
    assert Shift(8) != Shift(4)
    assert Shift(8) != Rotation(8)
    assert Composition([Rotation(), Shift(2)]) == Composition([Rotation(), Shift(2)], stride=1)
    assert Composition([Rotation(), Shift(2)]) != Composition([Rotation(), Shift(2)], stride=2)
    assert len({Shift(8), Shift(), Shift(4)}) == 2


def test_backgrounds_are_kept_with_their_pictures(tmp_path: Path) -> None:
    pool = torch.rand(3, 1, 4, 4)
    torch.save(Background(pool), tmp_path / "family.ckpt")
    loaded = torch.load(tmp_path / "family.ckpt", weights_only=True)
    assert loaded == Background(pool)
    assert loaded != Background(1 - pool)
