"""The look of the package's charts: one panel, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from matplotlib.axes import Axes

INK = "#222222"
PALE = "#666666"
BLUE = "#0072b2"  # Okabe and Ito 2008: apart for colour-blind readers
SERIES = (BLUE, "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def draw_curve(axes: Axes, title: str, points: Sequence[tuple[float, float]]) -> None:
    """Draw one figure along a training.

    Args:
        axes: to draw into.
        title: of the panel.
        points: (training batches, value); values that are no finite numbers are left out.
    """
    known = [(batches, value) for batches, value in points if isfinite(value)]
    axes.plot(*zip(*known, strict=True) if known else ((), ()), color=BLUE, linewidth=1.2)
    if len(known) == 1:
        axes.plot(*known[0], "o", color=BLUE, markersize=4)  # a line needs two points
    dress(axes, title)


def dress(axes: Axes, title: str) -> None:
    """Give a panel its title, small ticks and a faint grid."""
    axes.set_title(title, loc="left", fontsize="small", color=INK)
    axes.tick_params(labelsize="x-small", colors=PALE)
    axes.grid(color=PALE, alpha=0.2)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(PALE)
        spine.set_alpha(0.5)
