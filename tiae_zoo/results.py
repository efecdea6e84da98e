"""What a run leaves in `results.json`: its figures and all it takes to judge or repeat them."""

from __future__ import annotations

import hashlib
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
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from tiae_zoo.callbacks import CollapseGuard
from tiae_zoo.callbacks.per_image_scores import PerImageScores
from tiae_zoo.metrics.segmentation import PROTOCOLS
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
        **_benchmark(trainer),
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


def _benchmark(trainer: Trainer) -> dict[str, Any]:
    """Return what makes figures comparable: whose weights they are, how sure they are, what nothing learnt scores."""
    if trainer.state.fn not in ("validate", "test"):
        return {}
    records = [each.record for each in trainer.callbacks if isinstance(each, PerImageScores)]  # type: ignore[attr-defined]
    scored = {**records[0], "protocol": PROTOCOLS} if records and records[0] else {}
    return {"weights_sha256": weights_digest(trainer.lightning_module), **scored}


def weights_digest(model: LightningModule) -> str:
    """Return the SHA-256 of a model's weights: names, types, shapes and bytes, in the order of the names.

    It is the same whatever file they came from, and on whatever device.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        plain = value.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _hardware(trainer: Trainer) -> dict[str, Any]:
    device = trainer.strategy.root_device
    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else processor(),
        "accelerator": device.type,
        "devices": trainer.num_devices,
        "nodes": trainer.num_nodes,
        "strategy": type(trainer.strategy).__name__,
        "precision": str(trainer.precision),
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    """Return the CPU's name, for a training takes another course where sums are rounded in another way."""
    try:  # the only place where Linux tells it
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


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
    if record.get("collapsed"):  # its weights are good for nothing
        return "\n".join(lines)
    if best:
        lines.append(f"Score it: tiae-zoo test --ckpt_path {shlex.quote(str(folder / best))}")
    elif last.is_file():  # nothing was scored
        lines.append(f"Use it: tiae-zoo predict --ckpt_path {shlex.quote(str(last))} --data Folder --data.images ...")
    return "\n".join(lines)


def score_table(folder: Path) -> str:
    """Return the scores of a run's masks beside those of masks that know nothing, as lines; empty without any."""
    record = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
    if not record.get("trivial"):
        return ""
    names = list(record["intervals"])
    rows = [
        ["", *(name.partition("/")[2] for name in names)],
        ["this method", *(f"{record['metrics'][name]:.3f}" for name in names)],
        ["  95 % interval", *("{:.3f}-{:.3f}".format(*record["intervals"][name]) for name in names)],
        *(
            [label.replace("_", " "), *(f"{scores[name]:.3f}" for name in names)]
            for label, scores in record["trivial"].items()
        ),
    ]
    lines = ["".join(f"{cell:<19}" if i == 0 else f"{cell:>14}" for i, cell in enumerate(row)) for row in rows]
    return "\n".join([f"{record['images']} images, and what masks score that know nothing of them:", *lines])


def _contents(folder: Path) -> list[str]:
    return sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
