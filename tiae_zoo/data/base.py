"""What all data modules share: splits, loaders, folders, choices."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader
from torchvision.transforms.v2 import Transform

from tiae_zoo.data.archives import RemoteFile, provide
from tiae_zoo.data.backgrounds import Backgrounds
from tiae_zoo.data.datasets import Chosen, OnBackgrounds, Sample, Split, ZooDataset
from tiae_zoo.data.decode import Resize
from tiae_zoo.data.errors import DataError, check_choice
from tiae_zoo.data.loader import ResumableLoader
from tiae_zoo.data.seeding import check_seed

STAGES: Mapping[str | None, tuple[Split, ...]] = {
    "fit": ("val", "train"),  # missing masks are told before the long decoding
    "validate": ("val",),
    "test": ("test",),
    "predict": ("predict",),
    None: ("train", "val", "test"),
}


class ZooDataModule(LightningDataModule, ABC):
    """A dataset with its splits and loaders.

    Nothing is read before `prepare_data` (which downloads, once a machine) and `setup` (which opens the splits of the
    stage, decoding them into the cache the first time).

    Args:
        root: Folder of all datasets; default $TIAE_ZOO_DATA, else `data`. This set lies in a folder of its own in it.
        image_size: Side of the square images in pixels.
        batch_size: Images a training step.
        eval_batch_size: Images a validation, test or predict step; default `batch_size`.
        num_workers: Loader processes; 0 loads in the main process.
        resize: `antialias` = bilinear, antialiased; `nearest` = as the program of ReDO's authors. Masks always nearest.
        transform: Random transform (torchvision.transforms.v2) of training images, and of their masks with them.
        download: Fetch missing files from their official sources.
        labelled: How many of the training images are used, as if no more had labels: a larger number has
            those of a smaller one. All if None.
        labelled_seed: Another one draws other images for `labelled`.

    Attributes:
        scored: Whether validation and test carry masks, so that regions can be scored.
        num_classes: Regions in the masks, background included; 0 for a dataset without masks.
        channels: Channels of the images.
        backgrounds: What batches carry as `background`, prediction excepted; None: nothing.
    """

    folder_name: ClassVar[str]
    scored: bool = True
    num_classes: int = 2
    channels: int = 3
    backgrounds: Backgrounds | None = None

    def __init__(
        self,
        root: str | None = None,
        image_size: int = 128,
        batch_size: int = 20,
        eval_batch_size: int | None = None,
        num_workers: int = 2,
        resize: Resize = "antialias",
        transform: Transform | None = None,
        download: bool = False,
        labelled: int | None = None,
        labelled_seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (
            ("image_size", image_size),
            ("batch_size", batch_size),
            ("eval_batch_size", eval_batch_size),
            ("labelled", labelled),
        ):
            if value is not None and value < 1:
                raise DataError(f"{name}={value} is too small; give at least 1.")
        check_choice("resize", resize, get_args(Resize))
        self.root = root
        self.image_size = image_size
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size or batch_size
        self.num_workers = num_workers
        self.resize: Resize = resize
        self.transform = transform
        self.download = download
        check_seed("labelled_seed", labelled_seed)
        self.labelled, self.labelled_seed = labelled, labelled_seed
        self._datasets: dict[Split, ZooDataset] = {}

    @property
    def data_root(self) -> Path:
        """The folder of all datasets."""
        return Path(self.root or os.environ.get("TIAE_ZOO_DATA") or "data").expanduser()

    @property
    def folder(self) -> Path:
        """The folder of this dataset."""
        return self.data_root / self.folder_name

    def files(self) -> Sequence[RemoteFile]:
        """The official files it needs; none for a set of the user's own."""
        return ()

    def find(self, file: RemoteFile, otherwise: str = "") -> Path:
        """Where the content of an official file lies; unpacked and (if `download`) fetched first if need be.

        Raises:
            DataError: it is not there; the message ends with what can be done `otherwise`.
        """
        return provide(file, self.folder, self.download, otherwise)

    def prepare_data(self) -> None:
        """Fetch and unpack what is missing, if `download`; Lightning calls this in one process of each machine."""
        if self.download:
            for file in self.files():
                self.find(file)

    @abstractmethod
    def load(self, split: Split) -> ZooDataset:
        """Open one split, decoding it first if need be.

        Raises:
            DataError: files are missing, with the ways to get them.
        """

    def dataset(self, split: Split) -> ZooDataset:
        """The split, opened at the first call."""
        check_choice("split", split, get_args(Split))
        if split not in self._datasets:
            dataset = self.load(split)
            if split == "train" and self.labelled is not None:
                dataset = self._few(dataset, self.labelled)
            if self.backgrounds is not None and split != "predict":
                draw = self.backgrounds.open(split, self.image_size, self.channels, self.data_root)
                dataset = OnBackgrounds(dataset, draw)
            self._datasets[split] = dataset
        return self._datasets[split]

    def _few(self, dataset: ZooDataset, count: int) -> ZooDataset:
        if count > len(dataset):
            raise DataError(
                f"labelled={count}, but the training split has {len(dataset)} images. Give at most that, or none."
            )
        order = np.random.default_rng(self.labelled_seed).permutation(len(dataset))  # of all: the sets are nested
        return Chosen(dataset, sorted(order[:count].tolist()))

    def names(self, split: Split) -> list[str]:
        """What each picture of the split is called, in the order of `index`."""
        return self.dataset(split).names

    def setup(self, stage: str | None = None) -> None:
        """Open the splits of the stage; every process does, the first one there decodes."""
        for split in STAGES[stage]:
            dataset = self.dataset(split)
            processes = self.trainer.world_size if self.trainer else 1
            if split == "train" and len(dataset) < self.batch_size * processes:
                raise DataError(
                    f"The training split has {len(dataset)} images, fewer than one batch of {self.batch_size}"
                    + (f" for each of {processes} processes" if processes > 1 else "")
                    + ". Lower --data.batch_size."
                )

    def train_dataloader(self) -> DataLoader[Sample]:
        """Shuffled; an incomplete last batch is dropped. A resumed training goes on in the middle of an epoch."""
        return ResumableLoader.over(self.dataset("train"), self.batch_size, **self._how())

    def val_dataloader(self) -> DataLoader[Sample]:
        """In order, all of it."""
        return self._loader("val", self.eval_batch_size)

    def test_dataloader(self) -> DataLoader[Sample]:
        """In order, all of it."""
        return self._loader("test", self.eval_batch_size)

    def predict_dataloader(self) -> DataLoader[Sample]:
        """In order, all of it."""
        return self._loader("predict", self.eval_batch_size)

    def _loader(self, split: Split, batch_size: int) -> DataLoader[Sample]:
        # by keyword: Lightning makes loaders anew for predict and DDP, and fails otherwise
        # a generator of its own: workers that stay draw from the training's random numbers the first time only, so that
        # a resumed training would get others
        own = torch.Generator()
        return DataLoader(self.dataset(split), batch_size=batch_size, generator=own, **self._how())

    def _how(self) -> dict[str, Any]:
        return {
            "num_workers": self.num_workers,
            "persistent_workers": self.num_workers > 0,
            "pin_memory": torch.cuda.is_available(),
        }
