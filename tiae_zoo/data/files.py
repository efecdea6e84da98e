"""Datasets that lie as one image file (and one mask file) a sample: what they share."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Literal

from lightning.pytorch.utilities import rank_zero_warn
from torch.utils.data import DataLoader

from tiae_zoo.data.archives import RemoteFile
from tiae_zoo.data.base import ZooDataModule
from tiae_zoo.data.cache import StoreWriter, decode_all, open_store, warn_of_damaged
from tiae_zoo.data.datasets import Sample, Split, StoreDataset, ZooDataset
from tiae_zoo.data.decode import IGNORE, Bytes, Grey, Item, MaskRule, decode
from tiae_zoo.data.errors import DataError, MissingFileError
from tiae_zoo.data.whole import WholePictures
from tiae_zoo.messages import listed

Protocol = Literal["redo", "official"]  # whose split: the ReDO paper's, or that of the dataset's authors

MOST_PICTURES = 16  # a batch of whole pictures: several squares each, and progress is seen after each batch
SCORED: tuple[Split, ...] = ("val", "test")
UNLABELLED = "--config configs/presets/unlabelled.yaml"  # keeps the last checkpoint, as nothing measures the best
GO_ON = f"to go on without masks, and so without scores, add --data.with_masks false {UNLABELLED}"


class FilesDataModule(ZooDataModule):
    """Splits are lists of files, decoded once into the cache.

    What is listed but not there, and what is damaged, is left out with a warning that counts and names it. Scoring
    needs masks: images of `val` and `test` without one are left out likewise, and it is an error if none has one.
    `train` carries masks if all its images have one, and none otherwise. `predict` covers whole pictures, reads
    each when its turn comes, and carries neither masks nor labels.

    Args:
        with_masks: False leaves masks out, and with them all scores.
        **kwargs: As for every data module, see `ZooDataModule`.
    """

    rule: MaskRule  # what the pixels of a mask file mean
    mask_advice: str = "Compare the files with the official ones, or fetch them again."  # where the rule finds nothing
    turn: ClassVar[bool] = False  # whether EXIF orientation is obeyed
    shades: Grey | None = None  # how images become grey; None: they stay in colour
    whole: ClassVar[bool] = True  # whether prediction covers whole pictures, not centre squares
    images_file: ClassVar[RemoteFile | None] = None
    masks_file: ClassVar[RemoteFile | None] = None

    def __init__(self, with_masks: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scored = with_masks

    def lists(self) -> Sequence[RemoteFile]:
        """The official files beside images and masks."""
        return ()

    def files(self) -> list[RemoteFile]:  # noqa: D102
        masks = self.masks_file if self.scored else None
        return [file for file in (self.images_file, *self.lists(), masks) if file is not None]

    def find(self, file: RemoteFile, otherwise: str = "") -> Path:  # noqa: D102
        return super().find(file, GO_ON if file is self.masks_file else otherwise)

    @abstractmethod
    def items(self, split: Split) -> list[Item]:
        """The files of the split as its list names them, whether or not they exist."""

    def find_masks(self, split: Split) -> Path | None:
        """Where the masks lie; None if they are not wanted, or not there and not needed for this split.

        Raises:
            DataError: they are not there, and the split is to be scored.
        """
        if self.masks_file is None or not self.scored:
            return None
        try:
            return self.find(self.masks_file)
        except MissingFileError:
            if split in SCORED:
                raise
            return None

    def load(self, split: Split) -> ZooDataset:  # noqa: D102
        what = f"{self.folder_name}/{split}"
        there = self._existing(self.items(split), what)
        if split == "predict" and self.whole:
            return WholePictures(there, self.image_size, self.resize, self.turn, self.shades)
        items = self._with_masks(there, split, what)
        about = {
            "data": self.folder_name,
            "image_size": self.image_size,
            "resize": self.resize,
            **self.recipe(),
            "items": hashlib.sha256(
                json.dumps([(item.name, item.mask is not None, item.label) for item in items]).encode()
            ).hexdigest(),
        }
        sources = [path for item in items for path in (item.image, item.mask) if path is not None]

        def fill(writer: StoreWriter) -> None:
            decode_all(writer, items, self.read, what)
            if writer.names:  # else opening the store tells that none can be read
                self.check(writer, split)

        store = open_store(self.folder_name, about, sources, fill)
        warn_of_damaged(store, what)
        return StoreDataset(store, self.transform if split == "train" else None)

    def predict_dataloader(self) -> DataLoader[Sample]:  # noqa: D102
        pictures = self.dataset("predict")
        if not isinstance(pictures, WholePictures):
            return super().predict_dataloader()
        batch_size = min(self.eval_batch_size, MOST_PICTURES)
        spare = ceil(len(pictures) / batch_size) - 1  # starting workers takes longer than reading one batch
        how = {**self._how(), "num_workers": min(self.num_workers, spare)}
        how["persistent_workers"] = how["num_workers"] > 0
        return DataLoader(pictures, batch_size=batch_size, collate_fn=WholePictures.collate, **how)

    def read(self, item: Item) -> tuple[Bytes, Bytes | None]:
        """Decode one sample: image (C, S, S), and mask (S, S) if it has one."""
        return decode(item, self.image_size, self.resize, self.rule, self.turn, self.shades)

    def recipe(self) -> dict[str, object]:
        """What decides the decoded pixels, beside files, size and resizing."""
        return {"mask_rule": getattr(self.rule, "__name__", repr(self.rule)), "turn": self.turn}

    def check(self, writer: StoreWriter, split: Split) -> None:
        """Refuse masks that tell nothing apart: they were read by a wrong rule. Without masks there are no regions."""
        judged = writer.regions - {IGNORE}
        if writer.regions and len(judged) < 2:
            shown = "nothing that is judged" if not judged else "background alone" if 0 in judged else "no background"
            raise DataError(f"All masks of {self.folder_name}/{split} show {shown}, in every pixel. {self.mask_advice}")

    def _existing(self, items: list[Item], what: str) -> list[Item]:
        there = [item for item in items if item.image.is_file()]
        if not items:
            raise DataError(f"The lists in {self.folder} name no image for {what}. Fetch or copy them again.")
        if not there:
            raise DataError(
                f"None of the {len(items)} images of {what} is there; the first should be {items[0].image}. "
                f"{self._complete(self.images_file)}."
            )
        if len(there) < len(items):
            found = {item.name for item in there}
            absent = [item.name for item in items if item.name not in found]
            rank_zero_warn(f"{len(absent)} of {len(items)} images of {what} are not there: {listed(absent)}.")
        return there

    def _complete(self, file: RemoteFile | None) -> str:
        """How to complete a folder that is there but lacks files."""
        if file is None:
            return "Copy them there"
        again = f"remove {self.folder / file.places[0]} and add --data.download true, or " if file.urls else ""
        return f"To complete them, {again}unpack {file.source} in {self.folder} by hand"

    def _with_masks(self, items: list[Item], split: Split, what: str) -> list[Item]:
        """Settle what happens to images without a mask, by the rule of the class docstring."""
        checked = [
            replace(item, mask=None) if item.mask is not None and not item.mask.is_file() else item for item in items
        ]
        masked = [item for item in checked if item.mask is not None]
        if len(masked) == len(items):
            return items
        if not self.scored or split not in SCORED:
            return [replace(item, mask=None) for item in items]
        if not masked:
            raise DataError(
                f"None of the {len(items)} images of {what} has a mask; the first should be {items[0].mask}. "
                f"{self._complete(self.masks_file)}; {GO_ON}."
            )
        absent = [item.name for item in checked if item.mask is None]
        rank_zero_warn(
            f"{len(absent)} of {len(items)} images of {what} have no mask and are left out: {listed(absent)}."
        )
        return masked
