"""Every entry of the registry of pretrained weights: whole, small, loads, gives what was published."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tiae_zoo.__main__ import main
from tiae_zoo.checkpoints import find_weights, load_model, pretrained
from tiae_zoo.publishing import ENDINGS, card, verify
from tiae_zoo.shipped import find_config, registry_file

LARGEST = 12e6  # bytes: they are kept in the repository
# half precision and another machine's arithmetic move the figures this far
OF_SHARES, OF_OTHERS = {"abs": 0.002}, {"rel": 0.02}

every_entry = pytest.mark.parametrize("entry", pretrained(), ids=lambda entry: entry["name"])


@every_entry
def test_its_files_are_whole_and_beside_the_registry(entry: dict[str, Any]) -> None:
    assert find_weights(entry) == registry_file().parent / entry["file"]
    assert entry["size"] < LARGEST
    assert all(find_config(name).is_file() for name in entry["configs"])
    assert entry["metrics"]
    assert entry["paper"]
    assert shlex.split(entry["recipe"], comments=True)[:2] == ["tiae-zoo", "fit"]
    assert (registry_file().parent / f"{entry['name']}.md").read_text(encoding="utf-8") == card(entry)


@every_entry
def test_it_loads_by_its_name_and_predicts_what_was_published(entry: dict[str, Any]) -> None:
    model = load_model(entry["name"])
    assert type(model).__name__ == entry["method"]
    verify(model, registry_file().parent / f"{entry['name']}{ENDINGS['golden']}")


@every_entry
def test_its_configs_are_those_of_its_weights(
    entry: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--trainer.limit_test_batches", "1", "--data.num_workers", "0", "--trainer.callbacks", "null"]
    assert main(["test", "--ckpt_path", entry["name"], *options]) == 0, capfd.readouterr().err
    assert "differ" not in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.realdata
@every_entry
def test_its_score_is_reproduced(
    entry: dict[str, Any],
    real_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    status = main(["test", "--ckpt_path", entry["name"], "--data.num_workers", "0"])
    told = capfd.readouterr().err
    if status == 1 and ": Missing " in told:
        pytest.skip(f"needs data: {told.splitlines()[-1]}")
    assert status == 0, told
    found = json.loads(next(Path("runs").glob("*/test_0/results.json")).read_text(encoding="utf-8"))["metrics"]
    assert found.keys() == entry["metrics"].keys()
    for name, value in entry["metrics"].items():
        share = "iou" in name or "acc" in name
        assert found[name] == pytest.approx(value, **(OF_SHARES if share else OF_OTHERS)), name
