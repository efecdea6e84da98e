"""Let Ctrl-C end a training between two batches."""

from __future__ import annotations

import signal
import threading
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info


class Interruption(Callback):
    """Let Ctrl-C take effect when the batch in work is done, so that no checkpoint holds half a step.

    Outside of the training batches, and at the second time, it takes effect at once. A process that ignores the signal,
    as a shell's background jobs do, goes on ignoring it. `tiae-zoo fit` always has this callback.
    """

    def __init__(self) -> None:
        self._asked = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait for the signal; Lightning gives the handler back at the end of the fit, however it ends."""
        self._asked = False
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return

        def heed(number: int, frame: Any) -> None:
            if self._asked or not trainer.training:
                raise KeyboardInterrupt
            self._asked = True
            rank_zero_info(
                "Ending after this batch. Ctrl-C again ends at once, and may leave half a step in the checkpoint."
            )

        signal.signal(signal.SIGINT, heed)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End the training if it was asked for."""
        if self._asked:
            raise KeyboardInterrupt

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask for nothing more: no batch will come."""
        self._asked = True
