"""What a report leaves: Markdown, CSV, a page, and the figures of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tiae_zoo.messages import UserError
from tiae_zoo.report.charts import sweep_figure
from tiae_zoo.report.page import browser_page
from tiae_zoo.report.reading import Result
from tiae_zoo.report.tables import Table, as_csv, as_markdown, make_tables

DPI = 200


def write_report(
    results: Sequence[Result], folder: Path, metrics: Sequence[str] = (), key: str | None = None
) -> list[Table]:
    """Write `report.md`, `report.csv`, `report.html` and, with a key, `<metric>_by_<key>.png` for each figure.

    Args:
        results: of any methods and data.
        folder: exists.
        metrics: the figures to show; all if empty.
        key: setting to draw them against, by its name on the command line, such as `data.labelled`.

    Returns:
        The tables written.

    Raises:
        UserError: no result has one of the metrics, or the key as a number.
    """
    tables = make_tables(results, metrics)
    if key is not None:
        _draw_sweeps(tables, key, folder)
    (folder / "report.md").write_text(as_markdown(tables), encoding="utf-8")
    (folder / "report.csv").write_text(as_csv(tables), encoding="utf-8")
    (folder / "report.html").write_text(browser_page(tables, key), encoding="utf-8")
    return tables


def _draw_sweeps(tables: Sequence[Table], key: str, folder: Path) -> None:
    drawn = 0
    for number, table in enumerate(tables, 1):
        for metric in table.columns:
            if (figure := sweep_figure(table, key, metric)) is not None:
                suffix = f"_{number}" if len(tables) > 1 else ""
                figure.savefig(folder / f"{metric}_by_{key}{suffix}.png", dpi=DPI)
                drawn += 1
    if not drawn:
        raise UserError(
            f"No result has a number for {key!r}, neither its own config nor its training's. Give the name of a "
            "setting as on the command line, such as data.labelled, that some results were made with."
        )
