"""The batch contract, and the datasets that keep it.

A batch is a dict; a key that a dataset does not have is absent:
    image: float32 (B, C, H, W) in [0, 1]
    mask:  int64 (B, H, W) region index, 0 background, 255 ignored
    label: int64 (B) class of the image; (B, T) where it shows a sequence
    index: int64 (B) position in the split; `datamodule.names(split)[index]` is the picture's name
    background: float32 (B, C, H, W) in [0, 1] what a method may put behind the object; not in prediction

Prediction shows whole pictures, each as the squares that cover it, one after another with the same index, and adds:
    size: int64 (B, 2) height and width of the picture that the square is of, in pixels
    problem: B strings, empty where the picture could be read; the image is black where not
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Literal, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms.v2 import Transform

from tiae_zoo.data.backgrounds import Draw
from tiae_zoo.data.cache import Store
from tiae_zoo.data.seeding import generator

Split = Literal["train", "val", "test", "predict"]


def part_of(split: Split) -> Literal["train", "val", "test"]:
    """Return the part of the data that a split shows: prediction, too, shows the test pictures."""
    return "test" if split == "predict" else split


class Sample(TypedDict, total=False):
    """One element of a dataset: the batch contract without its first dimension; index and a single label as int."""

    image: Tensor
    mask: Tensor
    label: int | Tensor
    index: int
    background: Tensor
    size: Tensor
    problem: str


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


class DrawnDataset(ZooDataset):
    """Pictures drawn as they are asked for: each a pure function of (seed, split, index).

    Args:
        split: `train`, `val` or `test`.
        length: Pictures in the split.
        seed: Not negative; another one gives other pictures.
        transform: Random transform of image and mask.
    """

    def __init__(self, split: str, length: int, seed: int, transform: Transform | None = None) -> None:
        self.split, self.length, self.seed, self.transform = split, length, seed, transform

    @property
    def names(self) -> list[str]:  # noqa: D102
        return [f"{self.split}_{i:06d}" for i in range(self.length)]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self))[index]
        sample: Sample = {**self.draw(index, generator(self.seed, self.split, index)), "index": index}
        return sample if self.transform is None else transform_sample(sample, self.transform)

    @abstractmethod
    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """Draw one sample, all of it but its index.

        Args:
            index: Position in the split.
            rng: Its own source of randomness.
        """


class OnBackgrounds(ZooDataset):
    """The samples of another dataset, each with a background of its own, which no transform of images touches."""

    def __init__(self, dataset: ZooDataset, draw: Draw) -> None:
        self.dataset = dataset
        self.draw = draw

    @property
    def names(self) -> list[str]:  # noqa: D102
        return self.dataset.names

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([range(len(self))[index]])[0]

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        """All samples of a batch: drawing together is faster, too."""
        samples = self.dataset.__getitems__(indices)
        return [{**sample, "background": one} for sample, one in zip(samples, self.draw(indices), strict=True)]


class Chosen(ZooDataset):
    """Some samples of another dataset, as a dataset of their own: `index` counts them anew.

    Args:
        dataset: The whole.
        chosen: Positions in it.
    """

    def __init__(self, dataset: ZooDataset, chosen: Sequence[int]) -> None:
        self.dataset = dataset
        self.chosen = list(chosen)

    @cached_property
    def names(self) -> list[str]:  # noqa: D102
        whole = self.dataset.names  # once: some datasets make up their names anew each time
        return [whole[place] for place in self.chosen]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([range(len(self))[index]])[0]

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        """All samples of a batch."""
        samples = self.dataset.__getitems__([self.chosen[i] for i in indices])
        return [{**sample, "index": i} for sample, i in zip(samples, indices, strict=True)]
