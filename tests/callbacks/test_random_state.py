"""The random numbers of a resumed training."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.cli.toys import ToyData, ToyMethod
from tests.quiet import quiet_trainer
from tiae_zoo.callbacks.random_state import KEY, RandomState


def test_a_checkpoint_saved_before_the_first_batch_keeps_the_state(tmp_path: Path) -> None:
    fit = quiet_trainer(callbacks=[RandomState()])
    fit.fit(ToyMethod(), datamodule=ToyData())
    fit.save_checkpoint(tmp_path / "first.ckpt")
    torch.rand(1)
    finished = quiet_trainer(callbacks=[RandomState()])
    finished.fit(ToyMethod(), datamodule=ToyData(), ckpt_path=tmp_path / "first.ckpt", weights_only=True)
    finished.save_checkpoint(tmp_path / "second.ckpt")
    states = [torch.load(tmp_path / name, weights_only=True)[KEY]["cpu"] for name in ("first.ckpt", "second.ckpt")]
    assert torch.equal(*states)
