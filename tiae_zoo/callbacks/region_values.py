"""Which region is the object: the pixel values that regions get in written masks, and where that knowledge is from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class RegionValues:
    """What is written for each region of a method.

    Attributes:
        values: of each region: 0 background, 1 and above objects; no value twice.
        chosen_by: how that is known, in words.
    """

    values: list[int]
    chosen_by: str


def known_values(method: Any) -> RegionValues | None:
    """Return what the method itself knows of its regions, None if nothing."""
    classes = getattr(method, "region_classes", None)
    return None if classes is None else by_classes(classes, by_design=getattr(method, "names_regions", False))


def by_classes(classes: Sequence[int], by_design: bool) -> RegionValues:
    """Write for each region its class, and for surplus regions, whose class is -1, the numbers after all classes.

    >>> by_classes([1, -1, 0, -1], by_design=False).values
    [1, 2, 0, 3]
    """
    surplus = iter(range(max(classes) + 1, len(classes) + 1))
    values = [next(surplus) if value < 0 else value for value in classes]
    how = "the method's own order of regions" if by_design else "the match with the masks of the last validation"
    return RegionValues(values, how)


def by_border(contact: Sequence[float], pictures: int) -> RegionValues:
    """Write 0 for the region with most contact with the border, and 1, 2 ... for the others in their order.

    >>> by_border([0.1, 0.8, 0.1], pictures=5).values
    [1, 0, 2]
    """
    background = max(range(len(contact)), key=contact.__getitem__)
    values = [0 if region == background else region + (region < background) for region in range(len(contact))]
    shares = ", ".join(f"{share:.0%}" for share in contact)
    seen = "the picture" if pictures == 1 else f"{pictures} pictures"
    return RegionValues(values, f"least contact with the border of {seen} (regions have {shares} of its pixels)")


def border_contact(mask: Tensor) -> Tensor:
    """Return which share of a picture's border pixels each region has, (R,).

    Args:
        mask: soft (R, h, w); the largest wins at each pixel.
    """
    regions = mask.argmax(0)
    border = torch.cat([regions[0], regions[-1], regions[1:-1, 0], regions[1:-1, -1]])
    return torch.bincount(border, minlength=len(mask)) / len(border)
