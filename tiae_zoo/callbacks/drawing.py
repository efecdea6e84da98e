"""Grids of pictures under titles, exact to the pixel."""

from collections.abc import Mapping
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from tiae_zoo.charts import INK

TILE = 128  # px: about the side of an image as drawn
MARGIN = 16  # px around a page
GAP = 8  # px between images
TITLE, HEADING = 14, 17  # px: sizes of text
LINE = 1.3  # line height in text sizes
FRAME = (200, 200, 200)  # around an image, so that a white one does not melt into the page
NAN_COLOUR = (255, 0, 255)  # a pixel without a value is an error to be seen
# Channels and regions: yellow, sky blue, vermilion, green, purple, orange; apart for colour-blind readers (Okabe and
# Ito 2008). The first two add up to white.
COLOURS = ((240, 228, 66), (86, 180, 233), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0))


def save_grid(columns: Mapping[str, Tensor], path: Path | str, heading: str = "") -> None:
    """Write columns of images under their titles as a PNG, one row for each item of the batch.

    One channel is drawn in grey and three as red, green and blue. Of any other number, such as the masks of hair and
    face, each has a colour of `COLOURS` on black, added where they overlap: the first is yellow, the second sky blue,
    both together white.

    Args:
        columns: title -> images (B, C, H, W) in [0, 1], in reading order, as many in each; size and channels may
            differ. What lies outside [0, 1] is clipped, NaN is painted magenta.
        path: of the file; its folder is made.
        heading: a line above all.

    Raises:
        ValueError: names the column that is no such batch of images.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    image_grid(columns, heading).save(path, "PNG")


def image_grid(columns: Mapping[str, Tensor], heading: str = "") -> Image.Image:
    """Return what :func:`save_grid` writes; a pixel of an image covers a square of whole pixels."""
    validate_columns(columns)
    tiles = [[ImageOps.expand(image, 1, FRAME) for image in enlarged(images)] for images in columns.values()]
    widths = [max(column[0].width, longest_word(title, TITLE)) for title, column in zip(columns, tiles, strict=True)]
    titles = [wrap(title, width, TITLE) for title, width in zip(columns, widths, strict=True)]
    width = max(sum(widths) + GAP * (len(widths) - 1), longest_word(heading, HEADING))
    heading = wrap(heading, width, HEADING)
    row_height = max(column[0].height for column in tiles) + GAP
    above = text_height(heading, HEADING) + (GAP if heading else 0)
    top = MARGIN + above + max(text_height(title, TITLE) for title in titles) + GAP

    page = Image.new("RGB", (width + 2 * MARGIN, top + len(tiles[0]) * row_height - GAP + MARGIN), "white")
    draw = ImageDraw.Draw(page)
    write(draw, heading, MARGIN, MARGIN, HEADING, "la")
    left = MARGIN
    for title, column, width in zip(titles, tiles, widths, strict=True):
        write(draw, title, left + width // 2, top - GAP - text_height(title, TITLE), TITLE, "ma")
        for row, tile in enumerate(column):
            y = top + row * row_height + (row_height - GAP - tile.height) // 2
            page.paste(tile, (left + (width - tile.width) // 2, y))
        left += width + GAP
    return page


def validate_columns(columns: Mapping[str, Tensor]) -> None:
    """Check what :func:`save_grid` draws.

    Args:
        columns: title -> images.

    Raises:
        ValueError: names the first column that is no batch of images (B, C, H, W) of the common length.
    """
    if not columns:
        raise ValueError("There is no column of images to draw. Return at least one from `gallery`.")
    length = len(next(iter(columns.values())))
    for title, images in columns.items():
        if images.ndim != 4 or images.numel() == 0 or len(images) != length:
            raise ValueError(
                f"The column {title!r} has shape {tuple(images.shape)}. "
                f"Give images ({length or 'B'}, C, H, W) in [0, 1], as many in every column and at least one."
            )


def to_pictures(images: Tensor) -> list[Image.Image]:
    """Return RGB pictures of images (B, C, H, W) in [0, 1], by the rules of :func:`save_grid`."""
    images = images.detach().float().cpu().clamp(0, 1)  # NaN stays NaN
    channels = images.shape[1]
    if channels in (1, 3):
        colours = images.expand(-1, 3, -1, -1)
    else:
        palette = torch.tensor(list(islice(cycle(COLOURS), channels))) / 255  # (C, 3)
        colours = torch.einsum("bchw,cr->brhw", images, palette).clamp(max=1)
    pixels = colours.nan_to_num().mul(255).round().byte().movedim(1, 3).numpy().copy()  # (B, H, W, 3)
    pixels[images.isnan().any(1).numpy()] = NAN_COLOUR
    return [Image.fromarray(picture) for picture in pixels]


def numbered_colour(number: int) -> tuple[float, float, float]:
    """Return one of 20 RGB colours in [0, 1] that are well apart, strong ones first; the same again after 20."""
    strong_first = 2 * number % 20 + number // 10 % 2  # strong and pale are neighbours in the palette
    red, green, blue, _ = colormaps["tab20"](strong_first)
    return red, green, blue


def enlarged(images: Tensor, side: int = TILE) -> list[Image.Image]:
    """Return pictures of images (B, C, H, W), enlarged by the whole factor that brings them nearest to `side`."""
    factor = max(1, round(side / max(images.shape[-2:])))
    return [ImageOps.scale(picture, factor, Image.Resampling.NEAREST) for picture in to_pictures(images)]


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return matplotlib's own font, which has Greek letters and is on every system; `size` in pixels."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def write(draw: ImageDraw.ImageDraw, text: str, x: int, y: int, size: int, anchor: str) -> None:
    """Write lines of text from `y` down, starting (anchor `la`) or centred (`ma`) at `x`."""
    for number, line in enumerate(text.splitlines()):
        draw.text((x, y + number * round(LINE * size)), line, INK, font(size), anchor)


def text_width(text: str, size: int) -> int:
    """Return the width of one line in pixels."""
    return int(np.ceil(font(size).getlength(text)))


def text_height(text: str, size: int) -> int:
    """Return the height of a text of one or more lines in pixels, 0 for none."""
    return len(text.splitlines()) * round(LINE * size)


def longest_word(text: str, size: int) -> int:
    """Return the width in pixels below which :func:`wrap` cannot go."""
    return max((text_width(word, size) for word in text.split()), default=0)


def wrap(text: str, width: int, size: int) -> str:
    """Break a text between words into lines of at most `width` pixels."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)
