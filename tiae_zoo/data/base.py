"""The batch contract, and what all data modules share.

A batch is a dict; a key that a dataset does not have is absent:
    image: float32 (B, C, H, W) in [0, 1]
    mask:  int64 (B, H, W) region index, 0 background, 255 ignored
    label: int64 (B) class of the image; (B, T) where it shows a sequence
    index: int64 (B) position in the split; `datamodule.names(split)[index]` is the picture's name
    background: float32 (B, C, H, W) in [0, 1] what a method may put behind the object; not in prediction
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypedDict, get_args

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms.v2 import Transform

from tiae_zoo.data.archives import RemoteFile, provide
from tiae_zoo.data.backgrounds import Backgrounds, Draw
from tiae_zoo.data.cache import Store
from tiae_zoo.data.decode import Resize
from tiae_zoo.data.errors import DataError, check_choice
from tiae_zoo.data.loader import ResumableLoader

Split = Literal["train", "val", "test", "predict"]
STAGES: Mapping[str | None, tuple[Split, ...]] = {
    "fit": ("val", "train"),  # missing masks are told before the long decoding
    "validate": ("val",),
    "test": ("test",),
    "predict": ("predict",),
    None: ("train", "val", "test"),
}


class Sample(TypedDict, total=False):
    """One element of a dataset: the batch contract without its first dimension; index and a single label as int."""

    image: Tensor
    mask: Tensor
    label: int | Tensor
    index: int
    background: Tensor


def transform_sample(sample: Sample, transform: Transform) -> Sample:
    """Apply one draw of a random transform to image and mask together.

    Transforms recognise masks by their tv_tensors class, which collating loses: hence a sample at a time.
    """
    pair: dict[str, Tensor] = {"image": tv_tensors.Image(sample["image"])}
    if "mask" in sample:
        pair["mask"] = tv_tensors.Mask(sample["mask"])
    pair = transform(pair)
    moved: Sample = {**sample, "image": pair["image"].as_subclass(Tensor)}
    if "mask" in pair:
        moved["mask"] = pair["mask"].as_subclass(Tensor)
    return moved


class ZooDataset(Dataset[Sample], ABC):
    """A split: samples of the batch contract, each with a name."""

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """What each picture is called, in the order of `index`."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """One sample: image float32 (C, H, W) in [0, 1], mask int64 (H, W)."""

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        """All samples of a batch; DataLoader calls this."""
        return [self[index] for index in indices]

    def __len__(self) -> int:
        return len(self.names)


class StoreDataset(ZooDataset):
    """Samples of a decoded store."""

    def __init__(self, store: Store, transform: Transform | None = None) -> None:
        self.store = store
        self.transform = transform

    @property
    def names(self) -> list[str]:  # noqa: D102
        return self.store.names

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([range(len(self))[index]])[0]

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        """All samples of a batch: one gather is faster than many."""
        images = torch.from_numpy(self.store.images[indices]).float().div_(255)
        samples: list[Sample] = [{"image": image, "index": i} for image, i in zip(images, indices, strict=True)]
        if self.store.masks is not None:
            masks = torch.from_numpy(self.store.masks[indices]).long()
            for sample, mask in zip(samples, masks, strict=True):
                sample["mask"] = mask
        if self.store.labels is not None:
            for sample, i in zip(samples, indices, strict=True):
                sample["label"] = int(self.store.labels[i])
        return samples if self.transform is None else [transform_sample(s, self.transform) for s in samples]


class OnBackgrounds(ZooDataset):
    """The samples of another dataset, each with a background of its own, which no transform of images touches."""

    def __init__(self, dataset: ZooDataset, draw: Draw) -> None:
        self.dataset = dataset
        self.draw = draw

    @property
    def names(self) -> list[str]:  # noqa: D102
        return self.dataset.names

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([range(len(self))[index]])[0]

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        """All samples of a batch: drawing together is faster, too."""
        samples = self.dataset.__getitems__(indices)
        return [{**sample, "background": one} for sample, one in zip(samples, self.draw(indices), strict=True)]


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
    ) -> None:
        super().__init__()
        for name, value in (
            ("image_size", image_size),
            ("batch_size", batch_size),
            ("eval_batch_size", eval_batch_size),
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
            if self.backgrounds is not None and split != "predict":
                draw = self.backgrounds.open(split, self.image_size, self.channels, self.data_root)
                dataset = OnBackgrounds(dataset, draw)
            self._datasets[split] = dataset
        return self._datasets[split]

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
        return DataLoader(self.dataset(split), batch_size=batch_size, **self._how())

    def _how(self) -> dict[str, Any]:
        return {
            "num_workers": self.num_workers,
            "persistent_workers": self.num_workers > 0,
            "pin_memory": torch.cuda.is_available(),
        }
