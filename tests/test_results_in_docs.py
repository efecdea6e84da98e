"""The files of results that the pages link to can be read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

RESULTS = Path(__file__).parent.parent / "docs" / "results"


@pytest.mark.parametrize("path", sorted(RESULTS.rglob("*.csv")), ids=lambda path: path.name)
def test_each_row_of_a_table_has_its_columns(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert rows
    assert len(set(head)) == len(head)
    assert {len(row) for row in rows} == {len(head)}


@pytest.mark.parametrize("path", sorted(RESULTS.rglob("*.json")), ids=lambda path: path.name)
def test_each_record_can_be_read(path: Path) -> None:
    assert json.loads(path.read_text(encoding="utf-8"))
