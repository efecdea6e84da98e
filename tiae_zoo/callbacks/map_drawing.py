"""The figure of a descriptor map: a scatter plot, and the images it shows as its legend."""

from math import ceil

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from tiae_zoo.callbacks.drawing import (
    GAP,
    HEADING_SIZE,
    MARGIN,
    TEXT_SIZE,
    Pixels,
    framed,
    new_figure,
    paste,
    text_height,
    thumbnails,
    write,
)

PLOT = 560  # px: side of the scatter plot
AXIS_LABELS = 56  # px for ticks and axis label
FRAME_WIDTH = 4  # px: coloured frame of an image in the legend

Colour = tuple[float, float, float]


def descriptor_figure(images: Tensor, points: NDArray[np.float64], shares: NDArray[np.float64], ratio: float) -> Figure:
    """Draw a scatter plot and, in the frame of its colour, each image it shows.

    Args:
        images: (B, 1 or 3, H, W) in [0, 1].
        points: (B, S, 2), the descriptors of S transforms of each image, in the plane.
        shares: (2,), share of the whole variance along each axis, in [0, 1].
        ratio: within / between variance in all dimensions.
    """
    colours = image_colours(len(images))
    legend = image_legend(images, colours)
    heading = f"Descriptors of {len(images)} test images, {points.shape[1]} random transforms of each"
    note = f"Within / between variance in all dimensions: {ratio:.3g}"
    note_top = MARGIN + text_height(heading, HEADING_SIZE)
    top, left = note_top + text_height(note) + MARGIN, MARGIN + AXIS_LABELS
    width, height = left + PLOT + MARGIN + legend.shape[1] + MARGIN, top + PLOT + AXIS_LABELS

    figure = new_figure(width, height)
    write(figure, heading, MARGIN, MARGIN, HEADING_SIZE)
    write(figure, note, MARGIN, note_top)
    place = (left / width, 1 - (top + PLOT) / height, PLOT / width, PLOT / height)
    scatter_plot(figure, place, points, shares, colours)
    paste(figure, legend, left + PLOT + MARGIN, top)
    return figure


def scatter_plot(
    figure: Figure,
    place: tuple[float, float, float, float],
    points: NDArray[np.float64],
    shares: NDArray[np.float64],
    colours: list[Colour],
) -> None:
    """Draw one cluster of points for each image.

    Args:
        figure: to draw on.
        place: left, bottom, width and height as shares of the figure.
        points: (B, S, 2).
        shares: (2,), share of the whole variance along each axis, in [0, 1].
        colours: one for each cluster.
    """
    axes = figure.add_axes(place)
    for cluster, colour in zip(points, colours, strict=True):
        axes.scatter(cluster[:, 0], cluster[:, 1], s=18, color=colour, alpha=0.8, linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")  # distances on the map are distances between descriptors
    axes.set_xlabel(f"first principal component ({shares[0]:.0%} of the variance)", size=TEXT_SIZE)
    axes.set_ylabel(f"second ({shares[1]:.0%})", size=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE - 2, colors="#666666")
    axes.set_axisbelow(True)
    axes.grid(color="#eeeeee")
    axes.spines[:].set_color("#bbbbbb")


def image_legend(images: Tensor, colours: list[Colour]) -> Pixels:
    """Arrange small images, each in the frame of its colour, in columns not much higher than the plot.

    Args:
        images: (B, 1 or 3, H, W) in [0, 1].
        colours: one for each.

    Returns:
        (height, width, 3).
    """
    tiles = [
        framed(image[None], [round(255 * channel) for channel in colour], FRAME_WIDTH)[0]
        for image, colour in zip(thumbnails(images), colours, strict=True)
    ]
    height, width = (extent + GAP for extent in tiles[0].shape[:2])
    columns = ceil(len(tiles) * height / (PLOT + GAP))
    rows = ceil(len(tiles) / columns)
    page = np.full((rows * height - GAP, columns * width - GAP, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        column, row = divmod(number, rows)
        page[row * height : (row + 1) * height - GAP, column * width : (column + 1) * width - GAP] = tile
    return page


def image_colours(count: int) -> list[Colour]:
    """Return one RGB colour in [0, 1] for each image: well apart for up to 20, along the rainbow beyond."""
    if count <= 20:
        palette = colormaps["tab20"]  # strong and pale in turn: the ten strong ones first
        return [palette(2 * number % 20 + number // 10)[:3] for number in range(count)]
    return [colormaps["turbo"](number / (count - 1))[:3] for number in range(count)]
