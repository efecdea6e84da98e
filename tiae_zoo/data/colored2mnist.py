"""Colored-2-MNIST: an even and an odd digit in their own colours on a plain ground (ReDO, section 5.1).

Reference: Chen, Artieres, Denoyer, "Unsupervised Object Segmentation by Redrawing", NeurIPS 2019.
"""

from typing import Any

import numpy as np
import torch
from torchvision.transforms.v2 import Transform

from tiae_zoo.data.cache import Store
from tiae_zoo.data.datasets import DrawnDataset, Sample, Split, part_of
from tiae_zoo.data.digits import SIDE, DigitsDataModule, Source
from tiae_zoo.data.errors import DataError
from tiae_zoo.data.seeding import check_seed

BACKGROUND, EVEN, ODD = 0, 1, 2
DIGIT_SIDE, CANVAS = 56, 128  # a digit's side on a picture of the paper's size; other sizes scale it


class Colored2MNISTDataset(DrawnDataset):
    """An even and an odd digit on a ground, each in a colour of its own.

    Args:
        digits: The split's digits, 28x28, with labels.
        split: `train`, `val` or `test`.
        length: Pictures in the split.
        image_size: Side of the pictures in pixels.
        seed: Another seed gives other pictures.
        transform: Random transform of image and mask.
    """

    def __init__(
        self, digits: Store, split: str, length: int, image_size: int, seed: int, transform: Transform | None = None
    ) -> None:
        super().__init__(split, length, seed, transform)
        assert digits.labels is not None
        self.digits = digits
        self.even = np.flatnonzero(digits.labels % 2 == 0)
        self.odd = np.flatnonzero(digits.labels % 2 == 1)
        self.image_size = image_size
        self.side = round(DIGIT_SIDE * image_size / CANVAS)
        self._nearest = (2 * np.arange(self.side) + 1) * SIDE // (2 * self.side)

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """Draw a picture.

        Returns:
            Image float32 (3, S, S) in [0, 1]; mask int64 (S, S): 0 background, 1 even digit, 2 odd digit, as visible.
        """
        shapes = {
            EVEN: self._digit(self.even[rng.integers(len(self.even))]),
            ODD: self._digit(self.odd[rng.integers(len(self.odd))]),
        }
        corners = rng.integers(self.image_size - self.side + 1, size=(2, 2))
        order = (EVEN, ODD) if rng.random() < 0.5 else (ODD, EVEN)  # the later one lies on top
        ground, even, odd = rng.uniform((0.33, 0.0, 0.66), (0.66, 0.33, 1.0), size=(2, 3)).T
        # Which two channels are equal differs: red and green, green and blue, red and blue
        colours = np.array(
            [[ground[0], ground[0], ground[1]], [even[0], even[1], even[1]], [odd[0], odd[1], odd[0]]], np.float32
        )
        mask = np.zeros((self.image_size, self.image_size), np.int64)
        for region in order:
            top, left = corners[region - 1]
            mask[top : top + self.side, left : left + self.side][shapes[region]] = region
        return {"image": torch.from_numpy(np.take(colours.T, mask, axis=1)), "mask": torch.from_numpy(mask)}

    def _digit(self, position: int) -> np.ndarray:
        """Where a digit has ink, bool (side, side), enlarged by nearest neighbour."""
        ink = self.digits.images[position, 0] > 127
        return ink[self._nearest[:, None], self._nearest]


class Colored2MNIST(DigitsDataModule):
    """Three regions: ground 0, even digit 1, odd digit 2. Drawn on the fly; the sizes are ours, the paper names none.

    Training digits come from the training part, validation digits from the validation part, test digits from the test
    part of the source.

    Args:
        source: `mnist`, or `digits`: the 1797 digits inside scikit-learn, scaled to MNIST's size and place.
        num_train: Training pictures.
        num_val: Validation pictures.
        num_test: Test pictures.
        seed: Another seed gives other pictures.
        **kwargs: As for every data module, see `ZooDataModule`.
    """

    num_classes = 3

    def __init__(
        self,
        source: Source = "mnist",
        num_train: int = 20000,
        num_val: int = 1000,
        num_test: int = 1000,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(source=source, **kwargs)
        if min(num_train, num_val, num_test) < 1:
            raise DataError(
                "Colored2MNIST needs pictures in every split; give num_train, num_val, num_test at least 1."
            )
        self.lengths = {"train": num_train, "val": num_val, "test": num_test}
        check_seed("seed", seed)
        self.seed = seed

    def load(self, split: Split) -> Colored2MNISTDataset:  # noqa: D102
        part = part_of(split)
        return Colored2MNISTDataset(
            self.digit_store(split, padding=0, size=SIDE),
            part,
            self.lengths[part],
            self.image_size,
            self.seed,
            self.transform if split == "train" else None,
        )
