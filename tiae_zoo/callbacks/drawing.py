"""Figures of images, exact to the pixel, without pyplot and so without any state outside the figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Pixels = NDArray[np.uint8]

DPI = 100
TILE = 128  # px: about the side of an image as drawn
MARGIN = 16  # px around a figure
GAP = 8  # px between images
TEXT_SIZE = 10.0  # pt
HEADING_SIZE = 12.0  # pt
LINE = 1.3  # line height in text sizes
ASCENT = 0.75  # of a line lies above its baseline
INK = "#222222"
FRAME = 200  # grey around an image, so that a white one does not melt into the page
NAN_COLOUR = (255, 0, 255)  # a pixel without a value is an error to be seen


def new_figure(width: int, height: int) -> Figure:
    """Return an empty white figure.

    Args:
        width: in pixels.
        height: in pixels.
    """
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure at its own size.

    Args:
        figure: made by :func:`new_figure`.
        path: of the file.
    """
    FigureCanvasAgg(figure).print_png(str(path))


def to_pixels(images: Tensor, scale: int = 1) -> Pixels:
    """Turn images into RGB pixels, each value repeated `scale` times along both axes.

    Args:
        images: (B, 1 or 3, H, W) in [0, 1]; what lies outside is clipped, NaN is painted magenta.
        scale: whole factor.

    Returns:
        (B, H * scale, W * scale, 3).
    """
    images = images.detach().float().cpu().expand(-1, 3, -1, -1).movedim(1, 3)
    pixels = images.nan_to_num().clamp(0, 1).mul(255).round().to(torch.uint8).numpy().copy()
    pixels[images.isnan().any(3).numpy()] = NAN_COLOUR
    return pixels.repeat(scale, axis=1).repeat(scale, axis=2)


def tile_scale(images: Tensor) -> int:
    """Return the whole factor that draws images (B, C, H, W) about `TILE` pixels large, at least 1."""
    return max(1, round(TILE / max(images.shape[-2:])))


def thumbnails(images: Tensor) -> Pixels:
    """Draw images (B, C, H, W) about half as large as `TILE`, shrinking or enlarging them by a whole factor."""
    shrink = max(1, round(2 * max(images.shape[-2:]) / TILE))
    small = F.avg_pool2d(images.float(), shrink)
    return to_pixels(small, max(1, tile_scale(small) // 2))


def framed(pixels: Pixels, colour: int | Sequence[int] = FRAME, width: int = 1) -> Pixels:
    """Return images (B, H, W, 3) with a frame of `width` pixels around each."""
    batch, height, length, _ = pixels.shape
    result = np.empty((batch, height + 2 * width, length + 2 * width, 3), np.uint8)
    result[:] = colour
    result[:, width:-width, width:-width] = pixels
    return result


def image_grid(columns: Mapping[str, Tensor], heading: str = "") -> Figure:
    """Draw columns of images under their titles, one row for each item of the batch.

    Args:
        columns: title -> images (B, 1 or 3, H, W) in [0, 1], in reading order, as many in each; the size may differ.
        heading: a line above all.

    Returns:
        The figure. A pixel of an image covers a square of whole pixels.

    Raises:
        ValueError: names the column that is no such batch of images.
    """
    validate_columns(columns)
    tiles = [framed(to_pixels(images, tile_scale(images))) for images in columns.values()]
    row_height = max(tile.shape[1] for tile in tiles)
    widths = [max(tile.shape[2], longest_word(title)) for title, tile in zip(columns, tiles, strict=True)]
    titles = [wrap(title, width) for title, width in zip(columns, widths, strict=True)]
    grid_width = max(sum(widths) + GAP * (len(widths) - 1), longest_word(heading, HEADING_SIZE))
    heading = wrap(heading, grid_width, HEADING_SIZE)
    rows = len(tiles[0])
    grid_height = rows * row_height + (rows - 1) * GAP
    top = MARGIN + text_height(heading, HEADING_SIZE) + max(text_height(title) for title in titles) + GAP

    figure = new_figure(2 * MARGIN + grid_width, top + grid_height + MARGIN)
    write(figure, heading, MARGIN, MARGIN, HEADING_SIZE)
    page = np.full((grid_height, grid_width, 3), 255, np.uint8)
    left = 0
    for title, tile, width in zip(titles, tiles, widths, strict=True):
        write(figure, title, MARGIN + left + width / 2, top - GAP / 2 - text_height(title), ha="center")
        x = left + (width - tile.shape[2]) // 2
        for row, image in enumerate(tile):
            y = row * (row_height + GAP) + (row_height - tile.shape[1]) // 2
            page[y : y + tile.shape[1], x : x + tile.shape[2]] = image
        left += width + GAP
    paste(figure, page, MARGIN, top)
    return figure


def validate_columns(columns: Mapping[str, Tensor]) -> None:
    """Check what :func:`image_grid` draws.

    Args:
        columns: title -> images.

    Raises:
        ValueError: names the first column that is no batch of images (B, 1 or 3, H, W) of the common length.
    """
    if not columns:
        raise ValueError("There is no column of images to draw. Return at least one from `gallery`.")
    length = len(next(iter(columns.values())))
    for title, images in columns.items():
        if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) != length or length == 0:
            raise ValueError(
                f"The column {title!r} has shape {tuple(images.shape)}. "
                f"Give images ({length or 'B'}, 1 or 3, H, W) in [0, 1], as many in every column and at least one."
            )


def paste(figure: Figure, pixels: Pixels, left: int, top: int) -> None:
    """Put an image (H, W, 3) on a figure, pixel for pixel, `left` and `top` pixels from its upper left corner."""
    height = round(figure.get_figheight() * DPI)
    figure.figimage(pixels, left, height - top - pixels.shape[0], origin="upper")


def write(
    figure: Figure, text: str, left: float, top: float, size: float = TEXT_SIZE, ha: Literal["left", "center"] = "left"
) -> None:
    """Write lines of text on evenly spaced baselines; `$` and `_` are ordinary letters.

    Args:
        figure: made by :func:`new_figure`.
        text: lines to write.
        left: where the text starts or has its centre, in pixels from the left edge.
        top: where the block of :func:`text_height` starts, in pixels from the upper edge.
        size: in points.
        ha: what `left` means.
    """
    width, height = figure.get_size_inches() * DPI
    for number, line in enumerate(text.splitlines()):
        baseline = top + text_height(line, size) * (number + ASCENT)
        figure.text(
            left / width, 1 - baseline / height, line, size=size, color=INK, ha=ha, va="baseline", parse_math=False
        )


def text_width(text: str, size: float = TEXT_SIZE) -> int:
    """Return the width of one line in pixels."""
    renderer = FigureCanvasAgg(Figure(dpi=DPI)).get_renderer()
    return int(np.ceil(renderer.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)[0]))


def text_height(text: str, size: float = TEXT_SIZE) -> int:
    """Return the height of a text of one or more lines in pixels, 0 for none."""
    return len(text.splitlines()) * round(LINE * size * DPI / 72)


def longest_word(text: str, size: float = TEXT_SIZE) -> int:
    """Return the width in pixels below which :func:`wrap` cannot go."""
    return max((text_width(word, size) for word in text.split()), default=0)


def wrap(text: str, width: int, size: float = TEXT_SIZE) -> str:
    """Break a text between words into lines of at most `width` pixels."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)
