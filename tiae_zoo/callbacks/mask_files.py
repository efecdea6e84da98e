"""Masks of the network's size as pictures and files of the picture's own size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, cycle, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import minimum_filter
from torch import Tensor

from tiae_zoo.callbacks.drawing import COLOURS

BACKGROUND = (30, 30, 30)
DIM = 0.35  # of its light that the background keeps in an overlay
TINT = 0.2  # of an object's colour in an overlay
OUTLINE = 300  # an outline is this part of the longer side wide
JPEG_QUALITY = 90

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


def enlarged(mask: Tensor, values: Sequence[int], size: tuple[int, int]) -> Iterator[tuple[int, Floats]]:
    """Yield the value and the soft mask (H, W) of each region, interpolated bilinearly; one at a time to save memory.

    Args:
        mask: soft (R, h, w).
        values: of the regions.
        size: (height, width) of the picture.
    """
    for value, small in zip(values, mask.float().cpu().numpy(), strict=True):
        yield value, np.asarray(Image.fromarray(small).resize(size[::-1], Image.Resampling.BILINEAR))


def strongest(masks: Iterator[tuple[int, Floats]]) -> Bytes:
    """Return the value of the strongest region at each pixel, (H, W); the lower value of equals."""
    value, best = next(masks)
    winner = np.full(best.shape, value, np.uint8)
    for value, mask in masks:
        wins = (mask > best) | ((mask == best) & (value < winner))
        winner[wins] = value
        best = np.maximum(best, mask)
    return winner


def palette_picture(winner: Bytes) -> Image.Image:
    """Return a palette picture: pixel values are the regions' values, which any viewer shows in colours."""
    picture = Image.fromarray(winner).convert("P")
    picture.putpalette([*BACKGROUND, *islice(cycle(chain(*COLOURS)), 3 * 255)])
    return picture


def save_mask(winner: Bytes, path: Path) -> None:
    """Write :func:`palette_picture` as a PNG."""
    save_picture(palette_picture(winner), path)


def save_soft(mask: Floats, path: Path) -> None:
    """Write a soft mask as a grey PNG, 255 for 1."""
    save_picture(Image.fromarray(np.rint(mask.clip(0, 1) * 255).astype(np.uint8)), path)


def overlaid(picture: Image.Image, winner: Bytes) -> Image.Image:
    """Return the picture in RGB, its objects tinted and outlined in their colours, the background dimmed."""
    pixels = np.asarray(picture.convert("RGB")).astype(np.float32)
    light = np.where(winner == 0, DIM, 1 - TINT)[..., None]
    palette = np.array([(0, 0, 0), *islice(cycle(COLOURS), 255)], np.float32)
    pixels = pixels * light + palette[winner] * TINT
    width = max(winner.shape) // OUTLINE // 2 * 2 + 3  # odd
    edge = (minimum_filter(winner, width, mode="nearest") != winner) & (winner > 0)
    pixels[edge] = palette[winner[edge]]
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


def save_overlay(picture: Image.Image, winner: Bytes, path: Path) -> None:
    """Write :func:`overlaid` as a JPEG."""
    save_picture(overlaid(picture, winner), path)


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=JPEG_QUALITY)  # PNGs have none
