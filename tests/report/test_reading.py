"""Which results are found, and what is known of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.report.finished_runs import write_run
from tiae_zoo.messages import UserError
from tiae_zoo.report import find_results
from tiae_zoo.report.reading import BUDGET

PUBLISHED = Path(__file__).parents[2] / "docs" / "results"


def test_files_runs_and_whole_folders_are_taken(tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "a", 0.7), write_run(tmp_path / "b", 0.8)
    assert [result.name for result in find_results([tmp_path])] == ["a", "b"]  # the fits are no scores
    assert [result.name for result in find_results([second, first.parent, tmp_path / "a"])] == ["b", "a"]


def test_runs_of_one_home_are_told_apart(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.7)
    write_run(tmp_path / "a", 0.6, verb="validate", fit=False)
    assert {result.name for result in find_results([tmp_path])} == {"a/test_0", "a/validate_0"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"cannot be read \(.*No such file"),
        ("{", "cannot be read"),
        (json.dumps({"verb": "fit", "metrics": {"val/iou": 1}}), "is no record of a validation or a test"),
        (json.dumps([1]), "is no record of a validation or a test"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=told):
        find_results([path])


def test_a_folder_without_results_is_told(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="There are no results of a validation or a test in these places"):
        find_results([tmp_path])


def test_the_training_is_found_beside_the_test_even_if_both_were_moved(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a", 0.7, seed=3, labelled=50)
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    (result,) = find_results([tmp_path / "elsewhere"])
    assert result.seed == 3
    assert result.setting("data.labelled") == 50
    assert result.setting("model.mask_width") == 64
    assert result.curves["val/iou"] == [(10, 0.2), (20, 0.3)]
    assert len(result.curves["train/loss"]) == 2


def test_a_test_without_its_training_speaks_for_itself(tmp_path: Path) -> None:
    (result,) = find_results([write_run(tmp_path / "a", 0.7, fit=False)])
    assert (result.seed, result.setting("data.labelled"), result.curves) == (0, None, {})


def test_trainings_that_differ_in_the_seed_alone_are_alike(tmp_path: Path) -> None:
    for name, options in {
        "a": {"seed": 0},
        "b": {"seed": 1, "num_workers": 8},
        "c": {"labelled": 50},
        "d": {"labelled": 90},
        "e": {"labelled": 90, "labelled_seed": 1},
    }.items():
        write_run(tmp_path / name, 0.7, **options)  # type: ignore[arg-type]
    a, b, c, d, e = find_results([tmp_path])
    assert a.same_but() == b.same_but()
    assert d.same_but() == e.same_but()
    assert len({a.same_but(), c.same_but(), d.same_but()}) == 3
    assert c.same_but("data.labelled") == d.same_but("data.labelled") == a.same_but("data.labelled")


def test_without_trainings_the_runs_of_the_checkpoints_are_compared(tmp_path: Path) -> None:
    for name in ("noise_seed0", "noise_seed1", "rooms_seed0"):
        path = write_run(tmp_path / name, 0.7, fit=False)
        if name == "noise_seed1":  # written by a version that had one more setting
            record = json.loads(path.read_text(encoding="utf-8"))
            record["config"]["data"]["init_args"]["labelled"] = None
            path.write_text(json.dumps(record), encoding="utf-8")
    noise, again, rooms = find_results([tmp_path])
    assert noise.same_but() == again.same_but() != rooms.same_but()


def test_a_run_of_the_same_name_is_not_taken_for_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = write_run(tmp_path / "theirs" / "runs" / "a", 0.7)
    mine = write_run(tmp_path / "mine" / "runs" / "a", 0.6)
    record = json.loads(theirs.read_text(encoding="utf-8")) | {"checkpoint": "runs/a/fit_0/checkpoints/step9.ckpt"}
    (tmp_path / "a_test.json").write_text(json.dumps(record), encoding="utf-8")
    monkeypatch.chdir(mine.parents[3])
    (result,) = find_results([tmp_path / "a_test.json"])
    assert result.fit_folder is None
    checkpoint = Path("runs/a/fit_0/checkpoints/step9.ckpt")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.touch()
    (result,) = find_results([tmp_path / "a_test.json"])
    assert result.fit_folder == Path("runs/a/fit_0")


def test_the_published_label_budget_is_one_curve() -> None:
    budget = find_results(sorted(PUBLISHED.glob("labelled_*_test.json")))
    assert len(budget) == 5
    assert len({result.same_but("data.labelled", *BUDGET) for result in budget}) == 1


def test_the_published_results_are_read() -> None:
    found = {result.name: result for result in find_results([PUBLISHED])}
    assert found["redo_lfw_small_test"].data == "LFW"
    assert found["redo_lfw_small_test"].pictures == []
    assert "shift_ae_mnist_seed0_fit" not in found
