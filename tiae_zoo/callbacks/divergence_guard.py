"""Stop a training whose losses are no numbers any more."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from tiae_zoo.messages import UserError


class DivergenceGuard(Callback):
    """End a training with an error when anything it logs under `train/` is infinite or not a number.

    Checkpoints are looked after: none is written of a training that has diverged, so the last one is from before.

    Args:
        every_n_batches: how often the values are looked at, beside each checkpoint; a GPU waits for it.

    Raises:
        ValueError: it would never look.
    """

    def __init__(self, every_n_batches: int = 10) -> None:
        if every_n_batches < 1:
            raise ValueError(f"DivergenceGuard got every_n_batches={every_n_batches}. Give at least 1.")
        self.every_n_batches = every_n_batches

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the values from time to time."""
        if batch_idx % self.every_n_batches == 0:
            refuse_divergence(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Let no checkpoint be written that is worth nothing."""
        refuse_divergence(trainer)


def refuse_divergence(trainer: Trainer) -> None:
    """Look at what the training has logged last.

    Raises:
        UserError: some of it is infinite or not a number.
    """
    values = {name: value for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
    if not values or torch.stack([value.float() for value in values.values()]).isfinite().all():
        return
    wrong = ", ".join(f"{name} is {value}" for name, value in values.items() if not value.isfinite())
    raise UserError(
        f"The training has diverged: {wrong} at step {trainer.global_step}. The checkpoints written so far are from "
        "before. Lower the learning rates, or train with --trainer.precision 32-true."
    )
