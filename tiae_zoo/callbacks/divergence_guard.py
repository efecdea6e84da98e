"""Stop a training whose losses or weights are no numbers any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from tiae_zoo.messages import UserError


class DivergenceGuard(Callback):
    """End a training with an error when anything it logs under `train/`, or a weight, is infinite or not a number.

    Checkpoints are looked after: none is written of a training that has diverged, so the last one is from before.
    Weights are looked at too, as the step after finite losses may spoil them. Of files of weights alone
    (`save_weights_only`) callbacks are not told.

    Args:
        every_n_batches: how often the values are looked at, beside validations and checkpoints; a GPU waits for it.

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

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell of the divergence before scores of masks that are no numbers fail."""
        if not trainer.sanity_checking:
            refuse_divergence(trainer)
            refuse_broken_weights(trainer, pl_module.state_dict())

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Let no checkpoint be written that is worth nothing."""
        refuse_divergence(trainer)
        refuse_broken_weights(trainer, checkpoint["state_dict"])


def refuse_divergence(trainer: Trainer) -> None:
    """Look at what the training has logged last.

    Raises:
        UserError: some of it is infinite or not a number.
    """
    values = {name: value for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
    if not values or torch.stack([value.float() for value in values.values()]).isfinite().all():
        return
    raise diverged(trainer, ", ".join(f"{name} is {value}" for name, value in values.items() if not value.isfinite()))


def refuse_broken_weights(trainer: Trainer, weights: Mapping[str, Any]) -> None:
    """Look at the weights, which the step after the losses has changed.

    Raises:
        UserError: some of them are infinite or not a number.
    """
    if wrong := broken(weights):
        raise diverged(trainer, f"{len(wrong)} of {len(weights)} tensors of weights, {wrong[0]} first, hold nan or inf")


def broken(weights: Mapping[str, Any]) -> list[str]:
    """Return the names of those that are infinite or not a number somewhere."""
    finite = {
        name: value.isfinite().all()
        for name, value in weights.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    if not finite or torch.stack(list(finite.values())).all():  # a GPU is waited for once
        return []
    return [name for name, good in finite.items() if not good]


def diverged(trainer: Trainer, wrong: str) -> UserError:
    """Return the error to raise; it says only what is true of this training."""
    looked_after = [
        keeper
        for keeper in trainer.checkpoint_callbacks
        if isinstance(keeper, ModelCheckpoint) and not keeper.save_weights_only
    ]
    written = any(keeper.best_model_path or keeper.last_model_path for keeper in looked_after)
    before = " The checkpoints written so far are from before." if written else ""
    exact = trainer.precision in ("32-true", "64-true")
    way = "" if exact else ", or train with --trainer.precision 32-true"
    return UserError(
        f"The training has diverged: {wrong} at step {trainer.global_step}.{before} Lower the learning rates{way}."
    )
