"""What a run leaves in `results.json`: its figures and all it takes to judge or repeat them."""

from __future__ import annotations

import json
import math
import os
import platform
import shlex
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from tiae_zoo.callbacks import CollapseGuard
from tiae_zoo.runs import RESULTS_FILE

LIBRARIES = ("tiae-zoo", "torch", "torchvision", "lightning", "torchmetrics", "jsonargparse", "numpy")


def describe(trainer: Trainer, folder: Path, seconds: float) -> dict[str, Any]:
    """Return the figures of a finished run and what it ran on; everything in it is plain JSON.

    Args:
        trainer: has just run.
        folder: the run's folder; checkpoints inside it are named relative to it.
        seconds: wall time of the run.
    """
    return {
        "metrics": {name: _number(value) for name, value in sorted(trainer.callback_metrics.items())},
        **_best(trainer, folder),
        **_collapsed(trainer),
        **({"global_step": trainer.global_step, "epoch": trainer.current_epoch} if trainer.state.fn == "fit" else {}),
        "wall_seconds": round(seconds, 3),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "hardware": _hardware(trainer),
    }


def versions() -> dict[str, str | None]:
    """Return the version of Python and of each library that matters, `None` where it is not installed."""
    return {"python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}}


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:  # imported from a folder, not installed: no reason to lose a finished run
        return None


def _number(value: torch.Tensor) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None  # JSON knows no NaN


def _best(trainer: Trainer, folder: Path) -> dict[str, Any]:
    keeper = trainer.checkpoint_callback
    if trainer.state.fn != "fit" or not isinstance(keeper, ModelCheckpoint):
        return {}
    if not keeper.monitor or not keeper.best_model_path:  # without a figure to watch there is no best
        return {}
    path, home = Path(keeper.best_model_path).resolve(), folder.resolve()
    return {
        "best_checkpoint": str(path.relative_to(home) if path.is_relative_to(home) else path),
        "best_score": None if keeper.best_model_score is None else _number(keeper.best_model_score),
        "monitor": keeper.monitor,
    }


def _collapsed(trainer: Trainer) -> dict[str, bool]:
    guards = [callback for callback in trainer.callbacks if isinstance(callback, CollapseGuard)]  # type: ignore[attr-defined]
    return {"collapsed": guards[0].collapsed} if guards and trainer.state.fn == "fit" else {}


def _hardware(trainer: Trainer) -> dict[str, Any]:
    device = trainer.strategy.root_device
    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else platform.processor() or platform.machine(),
        "accelerator": device.type,
        "devices": trainer.num_devices,
        "nodes": trainer.num_nodes,
        "strategy": type(trainer.strategy).__name__,
        "precision": str(trainer.precision),
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def summary(folder: Path) -> str:
    """Return lines for the end of a run: where it lies, its checkpoints, and how to go on."""
    record = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
    lines = [f"Run folder: {folder}  ({', '.join(_contents(folder))})"]
    if (folder / "pictures").is_dir():
        lines.append(f"Pictures: {folder / 'pictures'}  ({', '.join(_contents(folder / 'pictures'))})")
    if best := record.get("best_checkpoint"):
        score = f"  ({record['monitor']} = {record['best_score']:.4g})" if record["best_score"] is not None else ""
        lines.append(f"Best checkpoint: {folder / best}{score}")
    last = folder / "checkpoints" / "last.ckpt"
    if last.is_file():
        lines.append(f"Last checkpoint: {last}")
    if checkpoint := (folder / best if best else last if last.is_file() else None):
        lines.append(f"Score it: tiae-zoo test --ckpt_path {shlex.quote(str(checkpoint))}")
    return "\n".join(lines)


def _contents(folder: Path) -> list[str]:
    return sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
