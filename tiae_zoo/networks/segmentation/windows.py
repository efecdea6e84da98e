"""Segment an image window by window, and take the largest score at each pixel (Noh et al. 2015, section 5.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

Window = tuple[int, int, int, int]
"""Top, left, height and width in pixels."""


def covering_windows(size: Sequence[int], shares: Sequence[float]) -> list[Window]:
    """Return windows of several sizes, each size covering the whole image, neighbours overlapping by half or more.

    Args:
        size: (H, W) of the image in pixels.
        shares: sides of the windows as shares of the image's.
    """
    windows = []
    for share in shares:
        height, width = (max(1, round(share * side)) for side in size)
        rows, columns = (starts(side, part) for side, part in zip(size, (height, width), strict=True))
        windows += [(top, left, height, width) for top in rows for left in columns]
    return windows


def starts(side: int, part: int) -> list[int]:
    """Return where parts of a length begin that cover a side, evenly, overlapping by half or more."""
    count = 1 + ceil(2 * (side - part) / part)
    return [round(place * (side - part) / max(count - 1, 1)) for place in range(count)]


def stitched(score: Callable[[Tensor], Tensor], images: Tensor, windows: Sequence[Window]) -> Tensor:
    """Return the largest score of each class at each pixel, over all windows that hold the pixel.

    Args:
        score: views (B, C, H, W) -> scores (B, K, H, W).
        images: (B, C, H, W); a window of it is enlarged to its size.
        windows: together they cover the image.

    Returns:
        (B, K, H, W).
    """
    best: Tensor | None = None
    for top, left, height, width in windows:
        view = images[..., top : top + height, left : left + width]
        view = F.interpolate(view, images.shape[-2:], mode="bilinear", align_corners=False)
        found = F.interpolate(score(view), (height, width), mode="bilinear", align_corners=False)
        if best is None:
            best = found.new_full((len(images), found.shape[1], *images.shape[-2:]), -torch.inf)
        place = best[..., top : top + height, left : left + width]
        place.copy_(torch.maximum(place, found))
    assert best is not None
    return best
