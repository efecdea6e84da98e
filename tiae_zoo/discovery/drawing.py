"""Pictures of what was discovered: votes over the page, hot spots by cluster, and a contact sheet of each cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tiae_zoo.callbacks.drawing import numbered_colour
from tiae_zoo.discovery.clustering import Clusters
from tiae_zoo.discovery.voting import Floats, HotSpots

if TYPE_CHECKING:
    from tiae_zoo.data.page import Ink

PAGE_WIDTH = 1200  # px: a page is enlarged to about this width, by a whole factor
DARKEST = 0.85  # ink on the page: marks and votes stand out from it
MARKER = 8  # px: radius of a hot spot
COLUMNS = 8  # of a contact sheet
TILE_SCALE = 3
FRAME = 3  # px
GAP = 6  # px
GREY = (200, 200, 200)

Colour = tuple[int, int, int]


def heat_picture(ink: Ink, heat: Floats, red: float) -> Image.Image:
    """Draw votes over the page: from nothing through blue, green and yellow to red where they gather.

    Args:
        ink: the page, (H, W) in [0, 1].
        heat: votes, (H, W), in any unit.
        red: the heat that is as red as it gets.
    """
    strength = np.clip(heat / red, 0, 1)
    colours = colormaps["turbo"](0.1 + 0.8 * strength)[..., :3]  # without its almost black ends
    opacity = np.minimum(2 * strength, 0.8)[..., None]  # the page stays visible
    return _enlarged(opacity * colours + (1 - opacity) * _paper(ink, DARKEST))


def hot_spot_picture(ink: Ink, spots: HotSpots, clusters: Clusters) -> Image.Image:
    """Draw the page with a mark in the colour and with the number of its cluster on each hot spot."""
    picture = _enlarged(_paper(ink, DARKEST / 2))
    scale = picture.width // ink.shape[1]
    font = ImageFont.load_default(size=1.4 * MARKER)
    draw = ImageDraw.Draw(picture)
    for (x, y), label in reversed(list(zip(spots.places, clusters.labels, strict=True))):  # the strongest on top
        colour = cluster_colour(int(label))
        place = (scale * (float(x) + 0.5), scale * (float(y) + 0.5))
        draw.circle(place, MARKER, fill=colour, outline="white")
        draw.text(place, str(label + 1), fill=_legible(colour), font=font, anchor="mm")
    return picture


def contact_sheet(tiles: Tensor, frames: Sequence[Colour]) -> Image.Image:
    """Draw patches in rows, as dark ink on white paper; sheets of one width, so that all are shown at one scale.

    Args:
        tiles: (N, 1, S, S) in [0, 1], at least one.
        frames: the colour of the frame around each.
    """
    pixels = (255 * (1 - tiles[:, 0].numpy())).round().astype(np.uint8)
    pixels = pixels.repeat(TILE_SCALE, axis=1).repeat(TILE_SCALE, axis=2)
    side = pixels.shape[1] + 2 * FRAME
    rows = -(-len(pixels) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (side + GAP) - GAP, rows * (side + GAP) - GAP), "white")
    for number, (tile, frame) in enumerate(zip(pixels, frames, strict=True)):
        left, top = number % COLUMNS * (side + GAP), number // COLUMNS * (side + GAP)
        sheet.paste(frame, (left, top, left + side, top + side))
        sheet.paste(Image.fromarray(tile), (left + FRAME, top + FRAME))
    return sheet


def cluster_colour(number: int) -> Colour:
    """Return the colour of a cluster, the same again after 20."""
    red, green, blue = (round(255 * channel) for channel in numbered_colour(number))
    return red, green, blue


def _paper(ink: Ink, darkest: float) -> npt.NDArray[np.float64]:
    """Return the page as dark ink on white paper, (H, W, 3) in [0, 1]."""
    return np.repeat(1 - darkest * ink[..., None].astype(np.float64), 3, axis=2)


def _enlarged(page: npt.NDArray[np.float64]) -> Image.Image:
    scale = max(1, round(PAGE_WIDTH / page.shape[1]))
    pixels = (255 * page).round().astype(np.uint8)
    return Image.fromarray(pixels.repeat(scale, axis=0).repeat(scale, axis=1))


def _legible(colour: Colour) -> str:
    """Return the colour of text on `colour`."""
    return "black" if np.dot(colour, (0.3, 0.6, 0.1)) > 127 else "white"
