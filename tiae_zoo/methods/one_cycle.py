"""How the auto-encoders and the supervised methods are trained: Adam with a one-cycle schedule (ours)."""

from __future__ import annotations

import math
from typing import cast

from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from tiae_zoo.methods.base import Batch

NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d)


class OneCycle(LightningModule):
    """A method trained by Adam whose learning rate rises to `lr` and falls to nothing over the whole training."""

    lr: float

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return Adam with a one-cycle schedule stepped every batch."""
        steps = self.trainer.estimated_stepping_batches
        if math.isinf(steps):
            raise MisconfigurationException(
                "A one-cycle schedule must know its end. Set --trainer.max_epochs or --trainer.max_steps."
            )
        fused = not self.trainer.gradient_clip_val  # Lightning clips no gradients of a fused optimiser
        optimiser = Adam(self.parameters(), lr=self.lr, fused=fused)
        schedule = OneCycleLR(optimiser, max_lr=self.lr, total_steps=int(steps))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Refuse what batch normalisation cannot compare.

        Raises:
            MisconfigurationException: the batch holds a single image.
        """
        if len(batch["image"]) < 2 and any(isinstance(layer, NORMALISATIONS) for layer in self.modules()):
            raise MisconfigurationException(
                "A training batch holds a single image, and batch normalisation compares images. "
                "Raise --data.batch_size."
            )

    def on_train_start(self) -> None:
        """Refuse to resume what the schedule has no steps for; it would stop in the middle.

        Raises:
            MisconfigurationException: the checkpoint's training was planned with another number of steps.
        """
        planned = cast(OneCycleLR, self.lr_schedulers()).total_steps
        steps = int(self.trainer.estimated_stepping_batches)
        if planned != steps:
            raise MisconfigurationException(
                f"The checkpoint's one-cycle schedule was made for {planned} steps, and this training has {steps}. "
                "Resume with the same data, batch size and trainer.max_epochs, or start anew."
            )
