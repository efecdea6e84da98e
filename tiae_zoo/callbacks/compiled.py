"""Compile the networks of a method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torchmetrics import Metric


class Compiled(Callback):
    """Let `torch.compile` fuse what each network of a method does, in every verb; weights and names stay as they are.

    The first steps take minutes longer. Results differ by rounding.

    Args:
        mode: of `torch.compile`.
    """

    def __init__(
        self,
        mode: Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"] = "default",
    ) -> None:
        self.mode = mode

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Mark the networks; they are compiled when they are first used."""
        for network in networks(pl_module):
            network.compile(mode=self.mode)


def networks(method: nn.Module) -> Iterator[nn.Module]:
    """Yield the networks that a method calls: its own modules without the metrics, one by one where it has a list."""
    for child in method.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        elif not isinstance(child, Metric):
            yield child
