from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import lightning.pytorch  # noqa: F401  (logs to the stderr it finds when first imported: not to one test's own)
import pytest

from tiae_zoo.__main__ import main

CONFIG = """\
# A toy
seed_everything: 0
model: {class_path: tests.cli.toys.ToyMethod, init_args: {width: 3}}
data: {class_path: tests.cli.toys.ToyData, init_args: {image_size: 8, batch_size: 4}}
trainer:
  max_epochs: 2
  accelerator: cpu
  devices: 1
  enable_progress_bar: false
  enable_model_summary: false
  log_every_n_steps: 1
  logger: {class_path: CSVLogger, init_args: {save_dir: runs, name: toy}}
  callbacks:
    - class_path: ModelCheckpoint
      init_args: {monitor: val/score, mode: max, save_last: true, filename: best}
"""


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


Zoo = Callable[..., Outcome]


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zoo:
    """Run the command in a folder of its own that holds toy.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["tiae-zoo"])
    Path("toy.yaml").write_text(CONFIG, encoding="utf-8")

    def run(*arguments: str) -> Outcome:
        capfd.readouterr()
        return Outcome(main(arguments), *capfd.readouterr())

    return run


@pytest.fixture
def fitted(zoo: Zoo) -> Zoo:
    """The same after one fit: runs/toy/fit_0."""
    assert zoo("fit", "--config", "toy.yaml").status == 0
    return zoo
