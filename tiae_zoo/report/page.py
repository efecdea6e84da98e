"""One self-contained page for the browser: tables, charts and pictures inside, no scripts."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from tiae_zoo import __version__
from tiae_zoo.report.charts import curve_charts, histogram_charts, svg, sweep_figure
from tiae_zoo.report.reading import Result
from tiae_zoo.report.tables import LEGEND, Table, sources

FEW = 3  # results whose details are open from the start
QUALITY = 90  # of WebP
PER_IMAGE = ("iou", "acc", "miou")


class Picture(NamedTuple):
    """A picture inside the page."""

    name: str
    width: int
    height: int
    source: str


def browser_page(tables: Sequence[Table], key: str | None) -> str:
    """Return the page as HTML.

    Args:
        tables: with the results behind them.
        key: setting to draw every figure against, if any.
    """
    environment = Environment(
        loader=PackageLoader("tiae_zoo.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    results = [result for table in tables for result in table.results]
    protocols: dict[str, str] = {}
    for result in results:
        protocols |= result.record.get("protocol", {})
    shown = {name for table in tables for name in table.columns}
    return environment.get_template("page.html.jinja").render(
        title="Results",
        version=__version__,
        legend=LEGEND,
        tables=tables,
        sweeps=[_sweeps(table, key) for table in tables],
        details=[[_details(result, table) for result in table.results] for table in tables],
        few=len(results) <= FEW,
        protocols={name: text for name, text in protocols.items() if name in shown},
        sources=sources(tables),
    )


def _sweeps(table: Table, key: str | None) -> list[Markup]:
    figures = ((name, sweep_figure(table, key, name)) for name in table.columns if key is not None)
    return [Markup(svg(figure, f"{name} against {key}")) for name, figure in figures if figure is not None]


def _details(result: Result, table: Table) -> dict[str, Any]:
    first = next((name for name in table.columns if result.metrics.get(name) is not None), None)
    columns = [name for name in PER_IMAGE if name in table.columns]
    return {
        "name": result.name,
        "headline": f"{result.method}" + (f", {first} {result.metrics[first]:.3f}" if first else ""),
        "histograms": [Markup(chart) for chart in histogram_charts(result, columns)],
        "pictures": [embedded(path) for path in result.pictures],
        "curves": [Markup(chart) for chart in curve_charts(result.curves)],
        "about": _about(result),
    }


def embedded(path: Path) -> Picture:
    """Return a PNG for the page: as it is, or as WebP where that is smaller, as it is for photos."""
    picture, buffer = Image.open(path), io.BytesIO()
    picture.convert("RGB").save(buffer, "WEBP", quality=QUALITY)
    kind, content = min(("png", path.read_bytes()), ("webp", buffer.getvalue()), key=lambda option: len(option[1]))
    code = base64.b64encode(content).decode()
    return Picture(path.stem.replace("_", " "), *picture.size, f"data:image/{kind};base64,{code}")


def _about(result: Result) -> dict[str, str]:
    record, fit = result.record, result.training
    found = {
        "command": record.get("command"),
        "checkpoint": record.get("checkpoint") or "none: untrained weights",
        "weights": record.get("weights_sha256"),
        "images": record.get("images"),
        "training": fit.get("command"),
        "trained": _cost(fit),
        "scored": _cost(record),
        "versions": ", ".join(f"{name} {number}" for name, number in record.get("versions", {}).items() if number),
    }
    return {name: str(value) for name, value in found.items() if value}


def _cost(record: dict[str, Any]) -> str:
    hardware = record.get("hardware", {})
    if not hardware:
        return ""
    minutes = record.get("wall_seconds", 0) / 60
    threads = "" if hardware["accelerator"] == "cuda" else f", {hardware['threads']} thread(s)"
    machine = f"{hardware['devices']} x {hardware['device']}{threads}, {hardware['precision']}"
    return f"{minutes:.1f} min on {machine}; {record['finished']}"
