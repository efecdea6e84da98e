"""Keep what `predict` finds: a picture of the regions for each image, or arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain, cycle, islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from PIL import Image
from torch import Tensor

from tiae_zoo.callbacks.drawing import COLOURS

BACKGROUND = (30, 30, 30)


class PredictionWriter(BasePredictionWriter):
    """Writes predictions into `predictions/` of the run's folder, named like the images.

    Soft masks (B, R, H, W), R < 256, become `<image>.png`: palette pictures whose pixel values are the region indices
    and which any viewer shows in colours. A dict of tensors with one item per image becomes `predictions.npz` with an
    array for each key and `name`, the images' names; with several processes, one such file for each.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="batch")
        self._names: list[str] = []
        self._arrays: dict[str, list[np.ndarray]] = {}
        self._kept: list[str] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder; asked of all processes, since `log_dir` is told by the first."""
        self.folder = Path(trainer.log_dir or trainer.default_root_dir) / "predictions"

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Learn what the images are called."""
        names_of = getattr(getattr(trainer, "datamodule", None), "names", None)
        self._names = file_names(names_of("predict")) if names_of else []
        self.folder.mkdir(parents=True, exist_ok=True)

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write masks at once; keep arrays for the end."""
        if isinstance(prediction, Mapping):
            names = self._batch_names(batch, batch_indices, len(next(iter(prediction.values()))))
            self._kept.extend(names)
            for key, values in prediction.items():
                self._arrays.setdefault(key, []).append(values.detach().cpu().numpy())
        elif isinstance(prediction, Tensor) and prediction.ndim == 4:
            regions = prediction.argmax(dim=1).byte().cpu().numpy()  # (B, H, W)
            for name, region in zip(self._batch_names(batch, batch_indices, len(regions)), regions, strict=True):
                _write_regions(self.folder / f"{name}.png", region)
        else:
            raise TypeError(
                f"{type(pl_module).__name__}.predict_step returned {type(prediction).__name__}, which cannot be "
                "written. Return soft masks (B, R, H, W) or a dict of tensors with one item per image."
            )

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the arrays."""
        if self._kept:
            part = f"_{trainer.global_rank}" if trainer.world_size > 1 else ""
            arrays = {key: np.concatenate(parts) for key, parts in self._arrays.items()}
            np.savez_compressed(self.folder / f"predictions{part}.npz", name=np.array(self._kept), **arrays)  # type: ignore[arg-type]

    def _batch_names(self, batch: Any, batch_indices: Sequence[int] | None, count: int) -> list[str]:
        """Return the names of a batch's images: by its `index`, else by their order."""
        if isinstance(batch, Mapping) and "index" in batch:
            positions = batch["index"].tolist()
        else:
            positions = list(batch_indices or range(len(self._kept), len(self._kept) + count))
        return [self._names[i] if i < len(self._names) else f"{i:06d}" for i in positions]


def file_names(names: Sequence[str]) -> list[str]:
    """Return where to write each image's prediction, without the ending: its name, made safe and unique.

    >>> file_names(["a/cat.jpg", "dog.jpg", "dog.png", "../x.jpg"])
    ['a/cat', 'dog.jpg', 'dog.png', 'x']
    """
    plain = ["/".join(part for part in PurePosixPath(name).parts if part not in ("..", "/")) for name in names]
    stems = [PurePosixPath(name).with_suffix("").as_posix() for name in plain]
    uses = Counter(stems)
    return [stem if uses[stem] == 1 else name for stem, name in zip(stems, plain, strict=True)]


def _write_regions(path: Path, regions: np.ndarray) -> None:
    picture = Image.fromarray(regions, mode="P")
    picture.putpalette([*BACKGROUND, *islice(cycle(chain(*COLOURS)), 3 * 255)])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
