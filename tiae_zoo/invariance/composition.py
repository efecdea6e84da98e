"""Several families one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Protocol, cast

import torch
from torch import Tensor

from tiae_zoo.invariance.background import Background
from tiae_zoo.invariance.base import Nearest, TransformFamily
from tiae_zoo.invariance.linear import LinearFamily, LinearMaps
from tiae_zoo.invariance.search import combinations, plain_distance, search
from tiae_zoo.invariance.shift import Shift


class Composition(TransformFamily):
    """Transforms of several families, the first applied first.

    theta is float32 (B, P), the families' thetas side by side. Linear families next to each other are resampled once,
    as one map: what one of them moves out of the frame, the next can bring back.

    `nearest` searches the whole product of the families' candidates, for the shifts by FFT: the cost grows with the
    product of the others only, and the memory not at all. A family whose only candidate is its identity is sampled but
    not searched.

    Args:
        families: first those that are searched one candidate after the other, then at most one `Shift`, then those that
            are not searched, `Background` last.
        stride: 1 searches exactly. s > 1 searches coarse to fine: every s-th candidate of each family before the shift,
            then for each image all that lie between the best of these and the next ones tried; all shifts in any case.

    Raises:
        ValueError: there is no family, the order is another, or `stride` is below 1.

    >>> from tiae_zoo.invariance import Rotation
    >>> family = Composition([Rotation(max_angle=10, num_angles=3), Shift(max_shift=1)])
    >>> family.parameters
    ('angle', 'dx', 'dy')
    >>> family.candidates().shape
    torch.Size([27, 3])
    """

    def __init__(self, families: list[TransformFamily], stride: int = 1) -> None:
        if not families:
            raise ValueError("Composition got no families. Give at least one.")
        if stride < 1:
            raise ValueError(f"Composition got stride={stride}. Set it to 1 for the exact search, or more.")
        _check_order(families)
        self.families, self.stride = tuple(families), stride
        self.parameters = tuple(name for family in families for name in family.parameters)
        self._stages = _stages(families)
        self._shift = next((family for family in families if isinstance(family, Shift)), None)
        self._enumerated = [family for family in families if _is_searched(family) and family is not self._shift]
        self._enumerated_stages = _stages(self._enumerated)

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Return the images (B, C, H, W), transformed by one family after the other, for theta (B, P)."""
        return _apply(self._stages, images, theta)

    def sample(self, images: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the images (B, C, H, W), each transformed at random by every family, and theta (B, P)."""
        thetas = []
        for stage in self._stages:
            images, theta = stage.sample(images, generator)
            thetas.append(theta)
        return images, torch.cat(thetas, 1)

    def grid(self, steps: int) -> Tensor:
        """Return the product (N, P) of the families' grids."""
        return _product([family.grid(steps) for family in self.families])

    def candidates(self) -> Tensor:
        """Return the product (N, P) of the families' candidates."""
        return _product([family.candidates() for family in self.families])

    def reach(self, side: int) -> int:
        """Return the sum of the families' reaches; of linear ones next to each other, that of the one map they are."""
        return sum(stage.reach(side) for stage in self._stages)

    def bare(self, theta: Tensor) -> Tensor:
        """Return theta (B, P) with black for backgrounds."""
        columns = theta.split([len(family.parameters) for family in self.families], 1)
        return torch.cat([family.bare(own) for family, own in zip(self.families, columns, strict=True)], 1)

    @torch.no_grad()
    def nearest(self, restored: Tensor, images: Tensor) -> Nearest:
        """Return the candidate that brings each image nearest to `restored`, without gradients.

        Args:
            restored: (B, C, H, W).
            images: (B, C, H, W).
        """
        found = self._search(restored, images)
        columns = iter(found.split([len(family.parameters) for family in self.families if _is_searched(family)], 1))
        thetas = [
            next(columns) if _is_searched(family) else family.candidates().to(found).expand(len(images), -1)
            for family in self.families
        ]
        theta = torch.cat(thetas, 1)
        return Nearest(self.apply(images, theta), theta)

    def _search(self, restored: Tensor, images: Tensor) -> Tensor:
        """Return the best theta (B, Q) of the families that are searched."""
        measure = plain_distance(restored) if self._shift is None else self._shift.measure(restored)
        if not self._enumerated:
            return measure(images)[1]
        transform = partial(_apply, self._enumerated_stages)
        return search(images, transform, [family.candidates() for family in self._enumerated], measure, self.stride)


class _Stage(Protocol):
    """What is applied in one go: a family, or several linear ones."""

    parameters: tuple[str, ...]

    def apply(self, images: Tensor, theta: Tensor) -> Tensor: ...

    def sample(self, images: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]: ...

    def reach(self, side: int) -> int: ...


def _stages(families: Sequence[TransformFamily]) -> list[_Stage]:
    stages: list[_Stage] = []
    for linear, group in groupby(families, lambda family: isinstance(family, LinearFamily)):
        members = list(group)
        stages += [LinearMaps(cast(list[LinearFamily], members))] if linear else members
    return stages


def _apply(stages: Sequence[_Stage], images: Tensor, theta: Tensor) -> Tensor:
    columns = theta.split([len(stage.parameters) for stage in stages], 1)
    for stage, own in zip(stages, columns, strict=True):
        images = stage.apply(images, own)
    return images


def _is_searched(family: TransformFamily) -> bool:
    return isinstance(family, Shift) or len(family.candidates()) > 1


def _check_order(families: Sequence[TransformFamily]) -> None:
    names = [type(family).__name__ for family in families]
    shifted = False
    for i, family in enumerate(families):
        if isinstance(family, Composition):
            raise ValueError("Composition got another Composition. Give the families of both in one list.")
        if isinstance(family, Background) and i < len(families) - 1:
            raise ValueError(f"{names[i + 1]} comes after Background and would move it too. Put Background last.")
        if shifted and isinstance(family, Shift):
            raise ValueError("Composition got two shifts. Give one, whose max_shift is the sum of theirs.")
        if shifted and _is_searched(family):
            raise ValueError(f"{names[i]} comes after Shift, which is searched last. Put {names[i]} before Shift.")
        shifted |= isinstance(family, Shift)


def _product(lists: Sequence[Tensor]) -> Tensor:
    """Return all combinations (N_1 * N_2 * ..., P) of rows of lists (N_1, P_1), (N_2, P_2), ..."""
    rows = combinations([torch.arange(len(thetas)) for thetas in lists])
    return torch.cat([thetas[row] for thetas, row in zip(lists, rows.T, strict=True)], 1)
