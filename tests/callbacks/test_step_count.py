"""The steps of the log of a resumed training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger
from torch import Tensor

from tests.cli.toys import ToyData, ToyMethod
from tests.quiet import quiet_trainer
from tiae_zoo.callbacks.step_count import StepCount


class Manual(ToyMethod):
    """Steps by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:  # type: ignore[override]
        loss = super().training_step(batch, batch_idx)
        self.manual_backward(loss)
        for _ in range(2):  # as with two players
            self.optimizers().step()  # type: ignore[union-attr]


class Remembering(Logger):
    name, version = "remembering", 0

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[str, int | None]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.steps += [(name, step) for name in metrics if name != "epoch"]

    def log_hyperparams(self, *args: object, **kwargs: object) -> None: ...


def fit(method: ToyMethod, batches: int, checkpoint: Path | None = None, **options: Any) -> tuple[Trainer, Remembering]:
    logger = Remembering()
    steps = batches * (1 if method.automatic_optimization else 2)
    trainer = quiet_trainer(
        max_epochs=-1, max_steps=steps, logger=logger, callbacks=[StepCount()], num_sanity_val_steps=0, **options
    )
    trainer.fit(method, datamodule=ToyData(), ckpt_path=checkpoint, weights_only=True)
    return trainer, logger


@pytest.mark.parametrize("method", [ToyMethod, Manual])
@pytest.mark.parametrize("batches", [1, 3, 4, 6])  # of four in an epoch, and with a validation after three
@pytest.mark.parametrize("every", [1, 2])
def test_a_resumed_fit_logs_the_steps_of_an_uninterrupted_one(
    method: type[ToyMethod], batches: int, every: int, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "log_every_n_steps": every,
        "val_check_interval": 3,
        "check_val_every_n_epoch": None,
    }
    _, whole = fit(method(), 9, **options)
    first, begun = fit(method(), batches, **options)
    first.save_checkpoint(tmp_path / "last.ckpt")  # as after a fit
    _, rest = fit(method(), 9, tmp_path / "last.ckpt", **options)
    assert begun.steps + rest.steps == whole.steps
