"""Keep the state of the random numbers in checkpoints."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

KEY = "random_state"


class RandomState(Callback):
    """Let a resumed training draw the random numbers that it would have drawn without the interruption.

    PyTorch's generators of the CPU and of the first process's device are kept, those that training steps draw from.
    `tiae-zoo fit` always has this callback.
    """

    def __init__(self) -> None:
        self._stored: dict[str, torch.Tensor] | None = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the states into the checkpoint: those of another one, where the training has not gone on from it yet."""
        if self._stored is not None:
            checkpoint[KEY] = self._stored
            return
        checkpoint[KEY] = {"cpu": torch.get_rng_state()}
        if pl_module.device.type == "cuda":
            checkpoint[KEY]["cuda"] = torch.cuda.get_rng_state(pl_module.device)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Remember the states until the training starts: until then, others draw numbers."""
        self._stored = checkpoint.get(KEY)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the states."""
        if self._stored is None:
            return
        torch.set_rng_state(self._stored["cpu"].cpu())
        if "cuda" in self._stored and pl_module.device.type == "cuda":
            torch.cuda.set_rng_state(self._stored["cuda"].cpu(), pl_module.device)
        self._stored = None
