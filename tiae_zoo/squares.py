"""Whole pictures as squares side by side, and the squares' masks as one mask of the whole picture."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor


def shrunk_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Return (height, width) of a picture whose shorter side has become `side`, rounded as torchvision's Resize does.

    >>> shrunk_size(300, 400, 64)
    (64, 85)
    """
    return (side, int(side * width / height)) if height <= width else (int(side * height / width), side)


def square_starts(length: int, side: int) -> list[int]:
    """Return where squares begin that cover a length of pixels evenly, neighbours overlapping by half or more.

    Their number is odd: the middle one is the centre square, which is all that training and test see of a picture.

    >>> square_starts(85, 64), square_starts(64, 64)
    ([0, 10, 21], [0])
    """
    count = 1 + 2 * ceil((length - side) / side)
    return [round(place * (length - side) / max(count - 1, 1)) for place in range(count)]


def joined(masks: Tensor, height: int, width: int) -> Tensor:
    """Return one mask of a picture from the masks of its squares.

    Where squares overlap their masks are averaged, with weights that fall from the middle of a square to its ends, so
    that no seam shows.

    Args:
        masks: (N, R, S, S), of the squares in the order of :func:`square_starts`.
        height: of the picture in any unit; only its proportion to the width matters.
        width: of the picture.

    Returns:
        (R, h, w), the shorter of h and w being S.
    """
    side = masks.shape[-1]
    shape = shrunk_size(height, width, side)
    starts = square_starts(max(shape), side)
    steps = torch.arange(1, side + 1, device=masks.device)
    weight = torch.minimum(steps, steps.flip(0)).to(masks)  # (S,)
    upright = shape[0] > shape[1]
    total = masks.new_zeros(masks.shape[1], max(shape), side)  # (R, length, S)
    weights = masks.new_zeros(max(shape), 1)
    for start, mask in zip(starts, masks if upright else masks.mT, strict=True):
        total[:, start : start + side] += mask * weight[:, None]
        weights[start : start + side] += weight[:, None]
    whole = total / weights
    return whole if upright else whole.mT
