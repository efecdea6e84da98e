"""What the callbacks share: the first images of a set, a method's pictures and descriptors, a folder in the run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.seed import isolate_rng
from PIL import Image
from torch import Tensor


class FirstImages:
    """Collect the first images of a set from its batches.

    Args:
        count: how many images.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._parts: list[dict[str, Tensor]] = []

    def add(self, batch: dict[str, Any]) -> None:
        """Keep what is still needed of a batch; entries that are no tensors with one item per image are left out.

        Args:
            batch: `image` (B, C, H, W) and whatever else it has.
        """
        size, wanted = len(batch["image"]), self.count - sum(len(part["image"]) for part in self._parts)
        if wanted <= 0:
            return
        self._parts.append(
            {
                name: values[:wanted]
                for name, values in batch.items()
                if isinstance(values, Tensor) and values.ndim > 0 and len(values) == size
            }
        )

    def take(self) -> dict[str, Tensor]:
        """Return the images collected so far as one batch, empty if there are none, and start anew."""
        parts, self._parts = self._parts, []
        names = set[str]().union(*parts).intersection(*parts)
        return {name: torch.cat([part[name] for part in parts]) for name in sorted(names)}


def gallery_columns(method: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what a method's `gallery` gives, without gradients and by the same random numbers every time."""
    with torch.no_grad(), isolate_rng():
        torch.manual_seed(0)
        return dict(method.gallery(batch))


def side_by_side(methods: Mapping[str, Any], batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Join the galleries of several methods for the same images, to be drawn by `save_grid`.

    Args:
        methods: name -> a module in evaluation mode that offers `gallery`.
        batch: for all of them, on their device.

    Returns:
        title -> images (B, C, H, W). A column that is the same for all, such as the input, comes once; the others are
        named `<method>: <title>`.
    """
    galleries = {name: gallery_columns(method, batch) for name, method in methods.items()}
    columns = {}
    for name, gallery in galleries.items():
        for title, images in gallery.items():
            shared = all(title in other and torch.equal(other[title], images) for other in galleries.values())
            columns[title if shared else f"{name}: {title}"] = images
    return columns


def pictures_folder(trainer: Trainer) -> Path:
    """Return the folder for the pictures of a run, not made yet; all processes must ask for it.

    Args:
        trainer: its first logger's folder is the run's, its `default_root_dir` if no logger has one.

    Returns:
        `<run>/pictures`.
    """
    return Path(trainer.log_dir or trainer.default_root_dir) / "pictures"


def free_path(path: Path) -> Path:
    """Return `path`, or `<stem>_2<suffix>`, `<stem>_3<suffix>`, ... where that exists; the folder is made.

    Args:
        path: of the file to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}_{number}")
    return free


def name_and_heading(trainer: Trainer) -> tuple[str, str]:
    """Return what a picture of the set at hand is called: the stem of its file, and a line to stand above it."""
    if trainer.testing:
        return "test", "Test"
    if trainer.state.fn == "validate":
        return "validate", "Validation"
    batches = batches_seen(trainer)
    return f"val_{batches:06d}", f"Validation after {batches} training batches"


def batches_seen(trainer: Trainer) -> int:
    """Return how many training batches there were: `global_step` counts the steps of every optimiser."""
    return trainer.fit_loop.total_batch_idx + 1


def publish(trainer: Trainer, path: Path, key: str) -> None:
    """Give a picture to the loggers that take some: those with a `log_image`, such as wandb's, and TensorBoard's.

    Args:
        trainer: has the loggers.
        path: of the PNG.
        key: under which pictures of one kind are found.
    """
    step = batches_seen(trainer)
    for logger in trainer.loggers:
        if callable(log_image := getattr(logger, "log_image", None)):
            log_image(key=f"pictures/{key}", images=[str(path)], step=step)
        elif isinstance(logger, TensorBoardLogger):
            pixels = np.asarray(Image.open(path).convert("RGB"))
            logger.experiment.add_image(f"pictures/{key}", pixels, step, dataformats="HWC")
