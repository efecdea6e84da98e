import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG

ROOT = Path(__file__).parents[2]


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    (folder / "toy.yaml").write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "tiae_zoo", "fit", "--config", "toy.yaml", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
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
def test_an_error_in_several_processes_ends_them_all(tmp_path: Path) -> None:
    process = start(tmp_path, "--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.missing", "true")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    assert "tiae-zoo fit: There are no pictures in nowhere. Put some there." in output
    assert "Traceback" not in output
