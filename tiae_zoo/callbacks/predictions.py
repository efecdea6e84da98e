"""Keep what `predict` finds: masks in each picture's own size, or arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from PIL import Image
from torch import Tensor

from tiae_zoo.callbacks.drawing import to_pictures
from tiae_zoo.callbacks.found import Found, found_in
from tiae_zoo.callbacks.mask_files import save_mask, save_overlay, save_picture, save_soft
from tiae_zoo.callbacks.region_values import RegionValues, border_contact, by_border, known_values
from tiae_zoo.messages import UserError, listed
from tiae_zoo.runs import write_json

RECORD_FILE = "predictions.json"
LOOK_AT = 32  # pictures, where the object is told by the border
ENDINGS = {"masks": ".png", "overlays": ".jpg", "redraws": ".png"}  # of the files in each folder


class PredictionWriter(BasePredictionWriter):
    """Writes predictions, named like the pictures, as they come.

    Soft masks (B, R, H, W), R < 256, become `masks/<picture>.png` of the picture's own size, whose pixel values are 0
    for the background and 1 and above for objects. `predictions.json` tells how that was known and which pictures
    could not be read. A picture may come as several squares with the same `index`, see `tiae_zoo.squares`. A
    dict of tensors with one item per image becomes `predictions.npz` with an array for each key and `name`, the
    pictures' names; of a picture in several squares it has the middle one. With several processes there is a `.npz` for
    each.

    Args:
        folder: where to write; `predictions/` in the run's folder if None.
        soft: write soft masks too: `soft/<value>/<picture>.png`, grey, white where the region is certain.
        overlays: write the pictures with their masks too: `overlays/<picture>.jpg`.
        redraws: write what the method's `gallery` shows of each picture's centre square: `redraws/<picture>.png`.
        overwrite: replace files that are there already.
    """

    def __init__(
        self,
        folder: Path | None = None,
        soft: bool = False,
        overlays: bool = False,
        redraws: bool = False,
        overwrite: bool = False,
    ) -> None:
        super().__init__(write_interval="batch")
        self.given_folder = folder
        self.soft, self.overlays, self.redraws, self.overwrite = soft, overlays, redraws, overwrite
        self.regions: RegionValues | None = None
        self.written = 0
        self.unreadable: dict[str, str] = {}
        self.without_object: list[str] = []
        self._arrays: dict[str, list[np.ndarray]] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder; asked of all processes, since `log_dir` is told by the first.

        Raises:
            UserError: redraws are wanted of a method that has none.
        """
        self.folder = self.given_folder or Path(trainer.log_dir or trainer.default_root_dir) / "predictions"
        if self.redraws and not callable(getattr(pl_module, "gallery", None)):
            raise UserError(f"{type(pl_module).__name__} has no `gallery` to draw. Leave out --redraws.")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Learn what the pictures are called, and write over nothing.

        Raises:
            UserError: a file to be written exists.
        """
        names_of = getattr(getattr(trainer, "datamodule", None), "names", None)
        self.names = names_of("predict") if names_of else []
        self.files = file_names(self.names)
        folders = ["masks", *(["overlays"] if self.overlays else []), *(["redraws"] if self.redraws else [])]
        targets = [self.folder / RECORD_FILE, self.folder / "predictions.npz"]
        targets += [self.folder / folder / f"{file}{ENDINGS[folder]}" for folder in folders for file in self.files]
        there = [] if self.overwrite else [path for path in targets if path.exists()]
        if there:
            more = f" and {len(there) - 1} more" if len(there) > 1 else ""
            raise UserError(
                f"{there[0]}{more} exist already. Give another --output, or --overwrite true to replace them."
            )
        trainer.strategy.barrier()  # nobody writes before all have looked
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
        count = len(next(iter(prediction.values())) if isinstance(prediction, Mapping) else prediction)
        found = list(self._pictures(batch, batch_indices, count))
        if isinstance(prediction, Mapping):
            middles = [(rows.start + rows.stop) // 2 for _, rows in found]
            self._arrays.setdefault("name", []).append(np.array([self._file(place) for place, _ in found]))
            for key, values in prediction.items():
                self._arrays.setdefault(key, []).append(values.detach().float().cpu().numpy()[middles])
        elif isinstance(prediction, Tensor) and prediction.ndim == 4:
            self.regions = self.regions or self._choose(trainer, pl_module)
            for place, rows in found:
                self._write_picture(trainer, pl_module, place, found_in_rows(batch, prediction, rows))
        else:
            raise TypeError(
                f"{type(pl_module).__name__}.predict_step returned {type(prediction).__name__}, which cannot be "
                "written. Return soft masks (B, R, H, W) or a dict of tensors with one item per image."
            )
        self.written += len(found)

    def _pictures(self, batch: Any, batch_indices: Sequence[int] | None, count: int) -> Iterator[tuple[int, range]]:
        """Yield the position of each readable picture of a batch, and its rows."""
        if isinstance(batch, Mapping) and "index" in batch:
            positions = batch["index"].tolist()
        else:
            positions = list(batch_indices or range(self.written, self.written + count))
        problems = batch.get("problem") if isinstance(batch, Mapping) else None
        start = 0
        for place, same in groupby(positions):
            rows = range(start, start + len(list(same)))
            start = rows.stop
            if problems and problems[rows.start]:
                self.unreadable[self.names[place]] = problems[rows.start]
            else:
                yield place, rows

    def _file(self, place: int) -> str:
        return self.files[place] if place < len(self.files) else f"{place:06d}"

    def _write_picture(self, trainer: Trainer, method: LightningModule, place: int, found: Found) -> None:
        file = self._file(place)
        values = self.regions.values if self.regions else []
        winner = found.winner(values)
        if not winner.any():
            self.without_object.append(self.names[place] if self.names else file)
        save_mask(winner, self.folder / "masks" / f"{file}.png")
        if self.soft:
            for value, soft in found.soft(values):
                save_soft(soft, self.folder / "soft" / str(value) / f"{file}.png")
        if self.overlays:
            save_overlay(original(trainer, place, found.middle), winner, self.folder / "overlays" / f"{file}.jpg")
        if self.redraws:
            save_picture(found.redraws(method), self.folder / "redraws" / f"{file}.png")

    def _choose(self, trainer: Trainer, method: LightningModule) -> RegionValues:
        """Return which region is the object: as the method knows it, else by the borders of the first pictures."""
        if (known := known_values(method)) is not None:
            return known
        contact: list[Tensor] = []
        for batch in trainer.datamodule.predict_dataloader():  # type: ignore[attr-defined]  # the same on every process
            batch = trainer.precision_plugin.convert_input(trainer.strategy.batch_to_device(batch))
            with trainer.precision_plugin.predict_step_context():
                masks = method.predict_step(batch, 0)
            found = self._pictures(batch, None, len(masks))
            contact += [border_contact(found_in_rows(batch, masks, rows).mask).cpu() for _, rows in found]
            if len(contact) >= LOOK_AT:
                break
        shares = torch.stack(contact).mean(0) if contact else torch.zeros(masks.shape[1])
        return by_border(shares.tolist(), len(contact))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the arrays, and what is to be known of the masks.

        Raises:
            UserError: no picture could be read.
        """
        self.unreadable = {name: why for part in gathered(self.unreadable, trainer) for name, why in part.items()}
        self.without_object = sorted(file for part in gathered(self.without_object, trainer) for file in part)
        self.written = sum(gathered(self.written, trainer))
        if not self.written:
            raise UserError(f"None of the pictures can be read ({listed(reasons(self.unreadable))}). Give others.")
        if self._arrays:
            part = f"_{trainer.global_rank}" if trainer.world_size > 1 else ""
            arrays = {key: np.concatenate(parts) for key, parts in self._arrays.items()}
            np.savez_compressed(self.folder / f"predictions{part}.npz", **arrays)  # type: ignore[arg-type]
        if trainer.is_global_zero:
            known = {"regions": asdict(self.regions), "without_object": self.without_object} if self.regions else {}
            record = {**known, "pictures": self.written, "unreadable": self.unreadable}
            write_json(self.folder / RECORD_FILE, record)

    def summary(self) -> str:
        """Return lines for the end of a run: where the files lie, which region is the object, what was skipped."""
        lines = [f"Predictions of {self.written} picture{'' if self.written == 1 else 's'}: {self.folder}"]
        if self.regions:
            values = ", ".join(f"region {region} as {value}" for region, value in enumerate(self.regions.values))
            lines.append(f"Pixels: {values}; 0 is the background, by {self.regions.chosen_by}")
        if self.without_object:
            lines.append(f"No object in {len(self.without_object)} of them: {listed(self.without_object)}")
        if self.unreadable:
            lines.append(f"Skipped {len(self.unreadable)} that cannot be read: {listed(reasons(self.unreadable))}")
        return "\n".join(lines)


def found_in_rows(batch: Any, masks: Tensor, rows: range) -> Found:
    """Return what was found in one picture of a batch, given its rows among masks (B, R, S, S)."""
    own = slice(rows.start, rows.stop)
    return found_in(batch["image"][own], masks[own], batch["size"][rows.start].tolist() if "size" in batch else None)


def original(trainer: Trainer, place: int, image: Tensor) -> Image.Image:
    """Return the picture itself, in its own size, else what the network saw of it, (1, C, H, W)."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    picture_of = getattr(data.dataset("predict") if hasattr(data, "dataset") else None, "picture", None)
    return picture_of(place) if picture_of else to_pictures(image)[0]


def gathered(value: Any, trainer: Trainer) -> list[Any]:
    """Return the values of all processes."""
    values = [value] * trainer.world_size
    if trainer.world_size > 1:
        torch.distributed.all_gather_object(values, value)
    return values


def reasons(unreadable: Mapping[str, str]) -> list[str]:
    """Return the names of the pictures that cannot be read, each with the reason."""
    return [f"{name} ({why})" for name, why in unreadable.items()]


def file_names(names: Sequence[str]) -> list[str]:
    """Return where to write each image's prediction, without the ending: its name, made safe and unique.

    >>> file_names(["a/cat.jpg", "dog.jpg", "dog.png", "../x.jpg"])
    ['a/cat', 'dog.jpg', 'dog.png', 'x']
    """
    plain = ["/".join(part for part in PurePosixPath(name).parts if part not in ("..", "/")) for name in names]
    stems = [PurePosixPath(name).with_suffix("").as_posix() for name in plain]
    uses = Counter(stem.casefold() for stem in stems + plain)  # some file systems take a.png for A.png
    return [stem if uses[stem.casefold()] == 1 else name for stem, name in zip(stems, plain, strict=True)]
