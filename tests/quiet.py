"""A trainer that says and writes nothing."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer


def quiet_trainer(**options: Any) -> Trainer:
    """Return a trainer on the CPU, for one epoch unless `options` of Trainer say otherwise."""
    silent = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return Trainer(**{"max_epochs": 1, "accelerator": "cpu", **silent, **options})
