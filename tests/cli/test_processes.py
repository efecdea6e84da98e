import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import CONFIG
from tests.processes import run_python

ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def start(folder: Path, *options: str, verb: str = "fit") -> subprocess.Popen[str]:
    (folder / "toy.yaml").write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "tiae_zoo", verb, "--config", "toy.yaml", *options]
    return subprocess.Popen(
        command, cwd=folder, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.slow
def test_two_runs_started_at_once_keep_apart(tmp_path: Path) -> None:
    for process in [start(tmp_path), start(tmp_path)]:
        output, _ = process.communicate()
        assert process.returncode == 0, output
    for run in ("fit_0", "fit_1"):
        assert (tmp_path / "runs" / "toy" / run / "results.json").is_file()


@pytest.mark.slow
def test_the_processes_of_one_run_share_a_folder(tmp_path: Path) -> None:
    process = start(tmp_path, "--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.batch_size", "2")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert output.count("Run folder: runs/toy/fit_0") == 1
    assert [path.name for path in (tmp_path / "runs" / "toy").iterdir()] == ["fit_0"]
    folder = tmp_path / "runs" / "toy" / "fit_0"
    assert json.loads((folder / "results.json").read_text(encoding="utf-8"))["hardware"]["devices"] == 2
    assert (folder / "checkpoints" / "best.ckpt").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 5])  # fewer than processes, and no multiple of them
def test_several_processes_write_each_mask_once(tmp_path: Path, count: int) -> None:
    (tmp_path / "photos").mkdir()
    for place in range(count):
        Image.new("L", (9 + place, 8), 40 * place).save(tmp_path / "photos" / f"{place}.png")
    (tmp_path / "photos" / "broken.png").write_bytes(b"damaged")
    own = ["--data", "Folder", "--data.images", "photos", "--data.channels", "1", "--data.num_workers", "0"]
    several = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.batch_size", "2"]
    options = ["--ckpt_path", "untrained", *own, *several, "--output", "found"]
    output, _ = (process := start(tmp_path, *options, verb="predict")).communicate()
    assert process.returncode == 0, output
    assert output.count(f"Predictions of {count} picture") == 1
    assert output.count("Skipped 1 that cannot be read: broken.png") == 1
    masks = sorted((tmp_path / "found" / "masks").iterdir())
    assert [path.name for path in masks] == [f"{place}.png" for place in range(count)]
    record = json.loads((tmp_path / "found" / "predictions.json").read_text(encoding="utf-8"))
    assert record["pictures"] == count
    assert list(record["unreadable"]) == ["broken.png"]


@pytest.mark.slow
def test_an_error_in_several_processes_ends_them_all(tmp_path: Path) -> None:
    process = start(tmp_path, "--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.missing", "true")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    assert "tiae-zoo fit: There are no pictures in nowhere. Put some there." in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_redo_trains_in_two_processes_with_the_shipped_preset(tmp_path: Path) -> None:
    configs = [ROOT / "configs" / name for name in ("redo_lfw.yaml", "presets/ddp.yaml", "presets/debug.yaml")]
    narrow = ["--model.mask_width", "8", "--model.generator_width", "2", "--model.discriminator_width", "4"]
    options = [*(f"--config={path}" for path in configs), *narrow]
    options += ["--data.image_size", "32", "--data.batch_size", "4", "--data.num_workers", "0"]
    options += ["--trainer.accelerator", "cpu", "--trainer.devices", "2"]  # two GPUs of the preset
    done = run_python("-m", "tiae_zoo", "fit", *options, cwd=tmp_path, env=environment())
    results = json.loads((tmp_path / "runs/redo_lfw/fit_0/results.json").read_text(encoding="utf-8"))
    assert results["hardware"]["devices"] == 2
    assert results["hardware"]["strategy"] == "DDPStrategy"
    assert {"val/iou", "val/iou_ema", "train/loss_d"} <= set(results["metrics"])
    assert (tmp_path / "runs/redo_lfw/fit_0/checkpoints/last.ckpt").is_file()
    assert "sync_dist=True" not in done.stderr  # the scores are of all processes already
