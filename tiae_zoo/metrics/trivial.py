"""Masks that know nothing of their image: what a segmentation must beat before it has found anything."""

import torch
from torch import Tensor

SQUARE_SIDE = 2 / 3  # of the image: photographers put their object in the middle


def whole_image(side: int) -> Tensor:
    """Return the mask int64 (side, side) that calls everything the object."""
    return torch.ones(side, side, dtype=torch.long)


def centred_square(side: int) -> Tensor:
    """Return a mask int64 (side, side): a square in the middle, of two thirds of the side.

    >>> centred_square(3).tolist()
    [[0, 0, 0], [0, 1, 1], [0, 1, 1]]
    """
    length = round(side * SQUARE_SIDE)
    first = (side - length + 1) // 2
    mask = torch.zeros(side, side, dtype=torch.long)
    mask[first : first + length, first : first + length] = 1
    return mask


def commonest_class(masks: Tensor, num_classes: int) -> Tensor:
    """Return the class that most masks have at each pixel, int64 (H, W); of two classes, the mean mask above one half.

    Args:
        masks: class indices (N, H, W); other values, such as 255, do not count.
        num_classes: C, background included.

    Example:
        >>> commonest_class(torch.tensor([[[0, 1, 1]], [[0, 1, 0]], [[1, 1, 255]]]), num_classes=2).tolist()
        [[0, 1, 0]]
    """
    counts = torch.stack([(masks == index).sum(0) for index in range(num_classes)])
    return counts.argmax(0)
