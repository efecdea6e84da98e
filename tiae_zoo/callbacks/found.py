"""What a method found in one picture: as `predict` writes it and the demo shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from tiae_zoo.callbacks.drawing import image_grid
from tiae_zoo.callbacks.mask_files import Bytes, Floats, enlarged, strongest
from tiae_zoo.callbacks.pictures import gallery_columns
from tiae_zoo.squares import joined


@dataclass(frozen=True)
class Found:
    """The regions of one picture.

    Attributes:
        mask: soft (R, h, w), of the network's size.
        middle: what the network saw in the middle of the picture, (1, C, S, S) in [0, 1].
        size: (height, width) of the picture itself, in pixels.
    """

    mask: Tensor
    middle: Tensor
    size: tuple[int, int]

    def soft(self, values: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        """Yield the value and the soft mask (H, W) of each region, in the picture's own size."""
        return enlarged(self.mask, values, self.size)

    def winner(self, values: Sequence[int]) -> Bytes:
        """Return the value of the strongest region at each of the picture's pixels, (H, W)."""
        return strongest(self.soft(values))

    def redraws(self, method: Any) -> Image.Image:
        """Return what the method's `gallery` shows of the picture's middle."""
        return image_grid(gallery_columns(method, {"image": self.middle}))


def found_in(images: Tensor, masks: Tensor, size: Sequence[int] | None) -> Found:
    """Join what was found in the squares of one picture.

    Args:
        images: the squares, (N, C, S, S) in [0, 1], see `tiae_zoo.squares`; a picture that is no squares is alone.
        masks: of each of them, soft (N, R, S, S).
        size: (height, width) of the picture; as `masks` if None.
    """
    middle = images[len(images) // 2][None]
    if size is None:
        height, width = masks.shape[2:]
        return Found(masks[0].float(), middle, (height, width))
    height, width = size
    return Found(joined(masks.float(), height, width), middle, (height, width))
