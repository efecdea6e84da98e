"""One table for each set of images: our rows, the trivial masks' and the papers'."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tiae_zoo.messages import UserError, did_you_mean
from tiae_zoo.report.reading import Result

PUBLISHED = Path(__file__).with_name("published.json")
FIRST = ("iou", "acc", "miou", "iou_dataset", "acc_dataset", "miou_dataset")  # columns; others follow by name
SPLITS = {"test": "test split", "val": "validation split"}


@dataclass(frozen=True)
class Score:
    """A figure with what is known of its spread."""

    value: float | None
    interval: tuple[float, float] | None = None
    """95 % bootstrap interval over images."""
    deviation: float | None = None
    """Standard deviation over trainings."""

    @property
    def text(self) -> str:
        """Return the value for a reader, with its deviation."""
        if self.value is None:
            return "-"
        size = 0 if self.value == 0 else math.floor(math.log10(abs(self.value)))
        decimals = max(0, 2 - size if size < -1 else 3 - max(0, size))  # three digits at least: errors are small
        text = f"{self.value:.{decimals}f}"
        return text if self.deviation is None else f"{text} ± {self.deviation:.{decimals}f}"

    @property
    def ends(self) -> str:
        """Return the interval for a reader, empty without one."""
        return "" if self.interval is None else f"[{self.interval[0]:.3f}, {self.interval[1]:.3f}]"


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    kind: Literal["ours", "mean", "trivial", "paper"]
    name: str
    method: str
    seed: str
    scores: dict[str, Score]


@dataclass(frozen=True)
class Table:
    """Everything that was scored on the same images."""

    title: str
    data: str
    split: str
    results: list[Result]
    rows: list[Row]
    columns: list[str]


def make_tables(results: Sequence[Result], metrics: Sequence[str] = ()) -> list[Table]:
    """Return a table for each set of images.

    Args:
        results: any number, of any methods.
        metrics: the columns to keep, in this order; all if empty.

    Raises:
        UserError: nobody has one of the `metrics`.
    """
    there = sorted({name for result in results for name in result.metrics})
    if unknown := [name for name in metrics if name not in there]:
        raise UserError(
            f"No result has a figure {unknown[0]!r}.{did_you_mean(unknown[0], there)} There are {', '.join(there)}."
        )
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.scored_on, []).append(result)
    titles = _titles(list(groups.values()))
    return [_table(title, members, metrics) for title, members in zip(titles, groups.values(), strict=True)]


def _table(title: str, results: list[Result], metrics: Sequence[str]) -> Table:
    there = {name for result in results for name in result.metrics}
    order = [*FIRST, *sorted(there - {*FIRST})]
    columns = [name for name in (metrics or order) if name in there]
    rows = [*_ours(results), *_means(results), *_trivial(results), *_papers(results)]
    return Table(title, results[0].data, results[0].split, results, rows, columns)


def _titles(groups: Sequence[list[Result]]) -> list[str]:
    """Name the sets of images by their data, and by what tells them from other sets of the same data."""
    titles = []
    for members in groups:
        first = members[0]
        others = [group[0].images for group in groups if group[0].data == first.data]
        told = {
            name.rpartition(".")[2]: value
            for name, value in sorted(first.images.items())
            if all(result.images.get(name) == value for result in members)
            and any(other.get(name) != value for other in others)
        }
        details = "".join(f", {name} {value}" for name, value in told.items())
        titles.append(f"{first.data}, {SPLITS[first.split]}{details}")
    return titles


def _ours(results: list[Result]) -> Iterator[Row]:
    for result in results:
        scores = {
            name: Score(value, tuple(result.intervals[name]) if name in result.intervals else None)  # type: ignore[arg-type]
            for name, value in result.metrics.items()
        }
        weights = "" if result.record.get("checkpoint") else " (untrained)"
        yield Row("ours", result.name + weights, result.method, str(result.seed), scores)


def _means(results: list[Result]) -> Iterator[Row]:
    """Yield the mean of trainings that differ in nothing but the seed."""
    alike: dict[str, list[Result]] = {}
    for result in results:
        alike.setdefault(result.same_but(), []).append(result)
    for members in alike.values():
        seeds = sorted({str(result.seed) for result in members})
        if len(seeds) < 2 or len(seeds) != len(members):  # one training, or one of them scored twice
            continue
        scores = {}
        for name in members[0].metrics:
            values = [value for result in members if (value := result.metrics.get(name)) is not None]
            if len(values) == len(members):
                scores[name] = Score(statistics.fmean(values), deviation=statistics.stdev(values))
        method = members[0].method
        shared = os.path.commonprefix([result.name for result in members])  # noqa: RUF071 - of characters is meant
        title = f"{method} {shared}*" if shared else method
        yield Row("mean", f"{title}, mean of {len(members)} seeds", method, ", ".join(seeds), scores)


def _trivial(results: list[Result]) -> Iterator[Row]:
    """Yield each trivial mask once: on the same images it scores the same, but for training masks of another split."""
    seen = set()
    for result in results:
        for mask, scores in result.trivial.items():
            row = Row("trivial", mask.replace("_", " "), "", "", {name: Score(v) for name, v in scores.items()})
            if (text := str(row)) not in seen:
                seen.add(text)
                yield row


def _papers(results: list[Result]) -> Iterator[Row]:
    for entry in published():
        if any(_is_of(entry, result) for result in results):
            for method, scores in entry["rows"].items():
                yield Row(
                    "paper", f"{method} ({entry['paper']})", method, "", {n: _published(v) for n, v in scores.items()}
                )


def _published(numbers: list[float]) -> Score:
    value, *deviation = numbers
    return Score(value, deviation=deviation[0] if deviation else None)


def _is_of(entry: dict[str, Any], result: Result) -> bool:
    settings = {"data": result.data, **result.images}
    return entry["split"] == result.split and all(settings.get(key) == value for key, value in entry["data"].items())


@cache
def published() -> list[dict[str, Any]]:
    """Return the papers' numbers: for each of their tables its source, the data it goes with, and its rows."""
    content: list[dict[str, Any]] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return content


def sources(tables: Iterable[Table]) -> list[str]:
    """Return where the papers' numbers in these tables stand."""
    found = {
        f"{entry['paper']}: {entry['source']}": None
        for table in tables
        for entry in published()
        if any(_is_of(entry, result) for result in table.results)
    }
    return list(found)


def as_markdown(tables: Sequence[Table]) -> str:
    """Return all tables as Markdown."""
    blocks = []
    for table in tables:
        header = ["", "seed", *table.columns]
        lines = [
            f"## {table.title}",
            "",
            _line(header),
            _line(["---"] * len(header)),
            *(_line([_named(row), row.seed, *(_cell(row, name) for name in table.columns)]) for row in table.rows),
        ]
        blocks.append("\n".join(lines))
    notes = [LEGEND, *(f"Papers' numbers: {source}." for source in sources(tables))]
    return "\n\n".join([*blocks, *notes]) + "\n"


LEGEND = (
    "[low, high]: 95 % bootstrap interval over images. ±: standard deviation over trainings. Rows in italics are no "
    "method of ours: masks that know nothing of their image, and papers."
)


def _named(row: Row) -> str:
    return f"*{row.name}*" if row.kind in ("trivial", "paper") else row.name


def _cell(row: Row, name: str) -> str:
    return f"{row.scores[name].text} {row.scores[name].ends}".strip() if name in row.scores else ""


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def as_csv(tables: Sequence[Table]) -> str:
    """Return all tables as one CSV: a line for each figure of each row, so that any program can sort and filter it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["table", "data", "split", "kind", "name", "method", "seed", "metric", "value", "low", "high", "sd"]
    )
    for table in tables:
        for row in table.rows:
            for metric in table.columns:
                if (score := row.scores.get(metric)) is not None:
                    about = [table.title, table.data, table.split, row.kind, row.name, row.method, row.seed]
                    low, high = score.interval or ("", "")
                    sd = "" if score.deviation is None else score.deviation
                    writer.writerow([*about, metric, "" if score.value is None else score.value, low, high, sd])
    return text.getvalue()
