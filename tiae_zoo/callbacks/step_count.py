"""Keep the number of the step that logs are written with in checkpoints."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

KEY = "logged_steps"
COUNTER = "_batches_that_stepped"  # in the state of Lightning's loop


class StepCount(Callback):
    """Let a resumed training log at the steps at which it would have logged without the interruption.

    Lightning counts a batch after its own saves and makes up for that when it resumes; with a checkpoint that was saved
    later it counts one batch twice. `tiae-zoo fit` always has this callback.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._resumed = False

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set the count of a checkpoint: Lightning has made up for its own by now."""
        if self._resumed:
            trainer.fit_loop.epoch_loop.on_load_checkpoint({COUNTER: self._steps})
            self._resumed = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch, unless its gradients only accumulate."""
        accumulates = (batch_idx + 1) % trainer.accumulate_grad_batches != 0 and not trainer.is_last_batch
        self._steps = trainer.fit_loop.epoch_loop.on_save_checkpoint()[COUNTER] + (not accumulates)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the count into the checkpoint."""
        checkpoint[KEY] = self._steps

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Remember the count until the first batch."""
        if KEY in checkpoint:
            self._steps, self._resumed = checkpoint[KEY], True
