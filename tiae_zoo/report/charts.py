"""The report's charts, as SVG that takes the colours of the page around it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import cycle
from math import isfinite
from statistics import fmean

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tiae_zoo.charts import BLUE, INK, PALE, SERIES, draw_curve, dress
from tiae_zoo.report.reading import BUDGET, Result
from tiae_zoo.report.tables import Score, Table

PANEL = (3.4, 2.3)  # inches: text stays readable on a phone, where a panel is as wide as the screen
SWEEP = (4.4, 3.4)
BINS = 20
# of lines that belong to no method of ours
DASHES = tuple((0, lengths) for lengths in ((1, 1), (1, 3), (4, 1), (6, 2, 1, 2), (8, 4)))
WIDE = 10  # from this ratio of the largest to the smallest x on, the axis is logarithmic
Curves = dict[str, list[tuple[float, float]]]


def svg(figure: Figure, label: str) -> str:
    """Return a figure as SVG for a page: transparent, text as text, ink in the page's colour.

    Args:
        figure: drawn.
        label: what it shows, for readers who do not see it.
    """
    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    picture = text.getvalue()
    picture = picture[picture.index("<svg") :].replace(INK, "currentColor").replace(PALE, "currentColor")
    name = label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return picture.replace("<svg", f'<svg role="img" aria-label="{name}"', 1)


def curve_charts(curves: Curves) -> list[str]:
    """Return a chart for each figure along a training.

    Args:
        curves: name -> points (training batches, value).
    """
    charts = []
    for name, points in sorted(curves.items()):
        if any(isfinite(value) for _, value in points):
            figure, axes = _panel()
            draw_curve(axes, name, points)
            axes.set_xlabel("training batches", fontsize="x-small", color=INK)
            charts.append(svg(figure, f"{name} along the training"))
    return charts


def histogram_charts(result: Result, columns: Sequence[str]) -> list[str]:
    """Return a histogram over the images for each figure that `per_image.csv` has, trivial masks' means as lines."""
    charts = []
    for name in columns:
        values = [value for value in result.per_image.get(name, []) if isfinite(value)]
        if not values:
            continue
        figure, axes = _panel()
        axes.hist(values, bins=BINS, range=(0, 1), color=BLUE, alpha=0.75)
        axes.axvline(fmean(values), color=INK, linewidth=1.4, label="mean")
        for colour, (mask, scores) in zip(SERIES[1:], result.trivial.items(), strict=False):
            axes.axvline(scores[name], color=colour, linewidth=1.2, linestyle="--", label=mask.replace("_", " "))
        axes.set_xlabel(f"{name} of an image", fontsize="x-small", color=INK)
        axes.set_ylabel("images", fontsize="x-small", color=INK)
        dress(axes, f"{name}, {len(values)} images")
        _legend(figure)
        charts.append(svg(figure, f"Histogram of {name} over {len(values)} images"))
    return charts


def sweep_figure(table: Table, key: str, metric: str) -> Figure | None:
    """Draw a figure against a setting, as Figure 3 of ReDO does against the number of labelled images.

    Results that have the setting are points, with their interval over images; those equal but for it and the seed are
    joined at their means, whatever the number and size of their steps. Results without it, and all that is no method
    of ours, are horizontal lines; of the mean masks of several training sets, the best.

    Args:
        table: whose results are drawn.
        key: of the setting, such as `data.labelled`.
        metric: the figure.

    Returns:
        None if no result has both.
    """
    known = [(result.setting(key), result) for result in table.results if result.metrics.get(metric) is not None]
    along = [(x, result) for x, result in known if isinstance(x, (int, float)) and not isinstance(x, bool)]
    if not along:
        return None
    figure, axes = _panel(SWEEP)
    colours = cycle(SERIES)
    series: dict[str, list[tuple[float, Result]]] = {}
    for x, result in along:
        series.setdefault(result.same_but(key, *BUDGET), []).append((x, result))
    for members in series.values():
        _draw_series(axes, members, metric, next(colours))
    _draw_levels(axes, [result for x, result in known if x is None], metric, colours)
    others: dict[str, float] = {}
    for row in table.rows:
        if row.kind in ("paper", "trivial") and (value := row.scores.get(metric, Score(None)).value) is not None:
            others[row.name] = max(value, others.get(row.name, value))
    for (name, value), dashes in zip(others.items(), cycle(DASHES), strict=False):
        axes.axhline(value, color=PALE, linewidth=1.2, linestyle=dashes, label=name)
    values = [x for x, _ in along]
    if min(values) > 0 and max(values) / min(values) >= WIDE:
        axes.set_xscale("log")
        axes.set_xticks(ticks := sorted(set(values)), [f"{x:g}" for x in ticks], minor=False)
        axes.minorticks_off()
    axes.set_xlabel(key, fontsize="x-small", color=INK)
    dress(axes, f"{metric}, {table.data}")
    _legend(figure)
    return figure


def _draw_series(axes: Axes, members: Sequence[tuple[float, Result]], metric: str, colour: str) -> None:
    at: dict[float, list[float]] = {}
    for x, result in members:
        value = result.metrics[metric]
        assert value is not None
        at.setdefault(x, []).append(value)
        low, high = result.intervals.get(metric, (value, value))
        axes.plot([x, x], [low, high], color=colour, linewidth=1, alpha=0.6)
        axes.plot([x], [value], "o", color=colour, markersize=3)
    means = [(x, fmean(values)) for x, values in sorted(at.items())]
    label = _common_name([result for _, result in members])
    axes.plot(*zip(*means, strict=True), color=colour, linewidth=1.2, label=label)


def _draw_levels(axes: Axes, results: Sequence[Result], metric: str, colours: Iterator[str]) -> None:
    """Draw a line for each training, at the mean of those that differ in the seed alone."""
    levels: dict[str, list[Result]] = {}
    for result in results:
        levels.setdefault(result.same_but(), []).append(result)
    for alike in levels.values():
        level = fmean(value for result in alike if (value := result.metrics[metric]) is not None)
        axes.axhline(level, color=next(colours), linewidth=1.2, linestyle="--", label=_common_name(alike))


def _common_name(results: Sequence[Result]) -> str:
    """Return the name of one result, the method of several."""
    return results[0].name if len(results) == 1 else results[0].method


def _panel(size: tuple[float, float] = PANEL) -> tuple[Figure, Axes]:
    figure = Figure(size, layout="constrained")
    return figure, figure.subplots()


def _legend(figure: Figure) -> None:
    figure.legend(loc="outside lower center", ncols=2, fontsize="x-small", labelcolor=INK, frameon=False)
