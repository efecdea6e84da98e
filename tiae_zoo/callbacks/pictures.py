"""What the picture callbacks share: the first images of a set, and a folder in the run."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor


class FirstImages:
    """Collect the first images of a set from its batches.

    Args:
        count: how many images.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._parts: list[dict[str, Tensor]] = []

    @property
    def missing(self) -> int:
        """How many images are still to come."""
        return self.count - sum(len(part["image"]) for part in self._parts)

    def add(self, batch: dict[str, Any]) -> None:
        """Keep what is needed of a batch; entries that are no tensors with one item per image are left out.

        Args:
            batch: `image` (B, C, H, W) and whatever else it has.
        """
        size, wanted = len(batch["image"]), self.missing
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
