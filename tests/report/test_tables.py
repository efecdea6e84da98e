"""What stands beside what."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.report.finished_runs import write_run
from tiae_zoo.messages import UserError
from tiae_zoo.report import find_results
from tiae_zoo.report.tables import Score, Table, as_csv, as_markdown, make_tables, published


def tables(folder: Path, *metrics: str) -> list[Table]:
    return make_tables(find_results([folder]), metrics)


def test_seeds_get_their_mean_and_the_papers_stand_below(tmp_path: Path) -> None:
    for seed, iou in enumerate((0.70, 0.72, 0.74)):
        write_run(tmp_path / f"redo_{seed}", iou, seed=seed)
    (table,) = tables(tmp_path)
    assert table.title == "LFW, test split"
    assert [(row.kind, row.name) for row in table.rows] == [
        *(("ours", f"redo_{seed}") for seed in range(3)),
        ("mean", "ReDO redo_*, mean of 3 seeds"),
        ("trivial", "whole image"),
        ("trivial", "centred square"),
        ("paper", "ReDO (Chen et al. 2019)"),
    ]
    text = as_markdown([table])
    assert "| redo_0 | 0 | 0.700 [0.690, 0.710] |" in text
    assert "| ReDO redo_*, mean of 3 seeds | 0, 1, 2 | 0.720 ± 0.020 |" in text
    assert "| *centred square* |  | 0.550 |" in text
    assert "| *ReDO (Chen et al. 2019)* |  | 0.781 ± 0.005 | 0.917 ± 0.002 |" in text
    assert "arXiv 1905.13539, Table 1" in text


def test_one_training_tested_twice_is_no_two_seeds(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.7)
    write_run(tmp_path / "b", 0.7)
    assert not [row for row in tables(tmp_path)[0].rows if row.kind == "mean"]


def test_the_same_masks_make_one_table_and_others_another(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.7)
    write_run(tmp_path / "b", 0.7, truth="others")
    write_run(tmp_path / "c", 0.7, verb="validate")
    assert [[result.name for result in table.results] for table in tables(tmp_path)] == [["a"], ["b"], ["c"]]
    validation = tables(tmp_path)[2]
    assert validation.title == "LFW, validation split"
    assert not [row for row in validation.rows if row.kind == "paper"]  # the paper's are of the test split


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.7)
    assert tables(tmp_path)[0].columns == ["iou", "acc"]
    assert tables(tmp_path, "acc")[0].columns == ["acc"]
    with pytest.raises(UserError, match=r"No result has a figure 'iuo'\. Did you mean 'iou'\? There are acc, iou"):
        tables(tmp_path, "iuo")


def test_the_csv_has_a_line_for_each_figure(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.7)
    lines = list(csv.DictReader(as_csv(tables(tmp_path)).splitlines()))
    assert len(lines) == 4 * 2  # ours, two trivial masks, the paper
    assert lines[0] | {"kind": "ours", "name": "a", "metric": "iou", "value": "0.7", "low": "0.69"} == lines[0]
    assert lines[-1]["sd"] == "0.002"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.500"), (0.00895, "0.00895"), (0.0143, "0.0143"), (0.0, "0.000"), (23.354, "23.35"), (None, "-")],
)
def test_small_errors_keep_three_digits(value: float | None, text: str) -> None:
    assert Score(value).text == text


def test_published_numbers_say_where_they_stand() -> None:
    for entry in published():
        assert entry["paper"]
        assert "arXiv" in entry["source"]
        assert entry["split"] == "test"
        for scores in entry["rows"].values():
            assert all(0 < numbers[0] < 1 and len(numbers) <= 2 for numbers in scores.values())
