"""Ctrl-C, and the signal that ends a process, within a training batch."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.cli.conftest import Zoo
from tests.cli.toys import Pictures, ToyData, ToyMethod
from tiae_zoo.data.loader import ResumableLoader

SAVING = """\
trainer:
  num_sanity_val_steps: 0
  callbacks:
    - class_path: ModelCheckpoint
      init_args: {filename: last, save_on_exception: true, enable_version_counter: false}
"""


class TwoPlayers(ToyMethod):
    """Steps twice in a batch."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.automatic_optimization = False

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:  # type: ignore[override]
        optimiser = self.optimizers()
        for half in range(2):
            optimiser.zero_grad()  # type: ignore[union-attr]
            self.manual_backward(super().training_step(batch, batch_idx))
            optimiser.step()  # type: ignore[union-attr]
            if half == 0:
                self.between(self.trainer.global_step)

    @staticmethod
    def between(step: int) -> None:
        """What happens in the middle of the step."""


class Resumable(ToyData):
    """The batches go on where they were."""

    def train_dataloader(self) -> ResumableLoader:  # type: ignore[override]
        return ResumableLoader.over(Pictures(self.image_size), self.batch_size)


@pytest.fixture
def _heeding() -> Iterator[None]:
    """A process that Ctrl-C ends: a shell's background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def log(run: str) -> list[tuple[str, str]]:
    with Path("runs/toy", run, "metrics.csv").open(encoding="utf-8") as file:
        return [(row["step"], row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]


@pytest.mark.usefixtures("_heeding")
def test_ctrl_c_within_a_step_leaves_whole_steps(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("saving.yaml").write_text(SAVING, encoding="utf-8")
    fit = (
        *("fit", "--config", "toy.yaml", "--config", "saving.yaml"),
        *("--model.class_path", f"{__name__}.TwoPlayers", "--data.class_path", f"{__name__}.Resumable"),
        *("--data.batch_size", "2", "--trainer.max_steps", "14", "--trainer.max_epochs", "-1"),
    )
    assert zoo(*fit).status == 0

    def interrupt(step: int) -> None:
        if step == 5:  # the third batch
            os.kill(os.getpid(), signal.SIGINT)

    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("tiae_zoo.callbacks.interruption.rank_zero_info", said.append)
        patch.setattr(TwoPlayers, "between", staticmethod(interrupt))
        outcome = zoo(*fit)
    assert outcome.status != 0
    assert len(said) == 1
    assert "Ending after this batch" in said[0]
    checkpoint = torch.load("runs/toy/fit_1/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 6
    outcome = zoo(*fit, "--ckpt_path", "last")
    assert outcome.status == 0, outcome.err
    assert log("fit_1") == log("fit_0")[:2]
    assert log("fit_2") == log("fit_0")[3:]
    ends = [torch.load(f"runs/toy/{run}/checkpoints/last.ckpt", weights_only=True) for run in ("fit_0", "fit_2")]
    assert ends[0]["global_step"] == ends[1]["global_step"] == 14
    assert all(torch.equal(ends[0]["state_dict"][name], ends[1]["state_dict"][name]) for name in ends[0]["state_dict"])


def test_a_fit_that_is_terminated_has_not_succeeded(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TwoPlayers, "between", staticmethod(lambda step: os.kill(os.getpid(), signal.SIGTERM)))
    outcome = zoo("fit", "--config", "toy.yaml", "--model.class_path", f"{__name__}.TwoPlayers")
    assert outcome.status == 143
    assert not Path("runs/toy/fit_0/results.json").exists()
