"""Distorted digits for spatial transformers (Jaderberg et al. 2015, appendix A.4; Sønderby et al. 2015, section 3)."""

from abc import abstractmethod
from typing import Any, Literal, get_args

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from torchvision.transforms.v2 import Transform

from tiae_zoo.data.cache import Store
from tiae_zoo.data.datasets import DrawnDataset, Sample, Split, part_of
from tiae_zoo.data.decode import Bytes
from tiae_zoo.data.digits import SIDE, DigitsDataModule, Source
from tiae_zoo.data.distortions import DISTORTIONS
from tiae_zoo.data.errors import DataError, check_choice
from tiae_zoo.data.seeding import check_seed

DistortionName = Literal["rotated", "rotated_scaled_translated", "projected", "elastic", "translated", "cluttered"]
Canvas = np.ndarray

PIECES, PIECE = 16, 6  # clutter of the paper's 60x60 pictures: pieces of other digits, px
SEQUENCE_PIECES, SEQUENCE_PIECE = 8, 9  # of 100x100 pictures with three digits (Sønderby et al.)
ROAMING = {"translated": 60, "cluttered": 60}  # px of the paper's pictures, of which the digit is a part
STEP, SLOPE = 22, 45  # px from digit to digit, and the steepest line they stand on, degrees (ours)


class DistortedDigits(DrawnDataset):
    """The digits of a split one after the other, each in a picture of its own.

    Args:
        digits: The split's digits, 28x28, with labels.
        split: `train`, `val` or `test`.
        length: Pictures in the split: after the last digit the first one comes again, distorted otherwise.
        image_size: Side of the pictures in pixels.
        seed: Another seed gives other pictures.
        transform: Random transform of the pictures.
    """

    def __init__(
        self, digits: Store, split: str, length: int, image_size: int, seed: int, transform: Transform | None = None
    ) -> None:
        super().__init__(split, length, seed, transform)
        assert digits.labels is not None
        self.digits, self.labels, self.image_size = digits, digits.labels, image_size

    def draw(self, index: int, rng: np.random.Generator) -> Sample:  # noqa: D102
        picture, label = self.paint(index % len(self.digits), rng)
        return {"image": torch.from_numpy(picture.astype(np.float32) / 255)[None], "label": label}

    @abstractmethod
    def paint(self, digit: int, rng: np.random.Generator) -> tuple[Canvas, Any]:
        """Draw a picture of the n-th digit.

        Returns:
            The picture (S, S) in [0, 255] and its label.
        """

    def clutter(self, canvas: Canvas, rng: np.random.Generator, pieces: int, side: int) -> None:
        """Put pieces of other digits anywhere on a picture, where they are brighter."""
        for _ in range(pieces):
            digit: Bytes = self.digits.images[rng.integers(len(self.digits)), 0]
            top, left = rng.integers(0, SIDE - side + 1, 2)
            row, column = rng.integers(0, self.image_size - side + 1, 2)
            place = canvas[row : row + side, column : column + side]
            np.maximum(place, digit[top : top + side, left : left + side], out=place)


class SingleDigits(DistortedDigits):
    """One digit, distorted.

    Args:
        distortion: Which one.
        *args: As for `DistortedDigits`.
        **kwargs: As for `DistortedDigits`.
    """

    def __init__(self, distortion: DistortionName, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.distortion = distortion

    def paint(self, digit: int, rng: np.random.Generator) -> tuple[Canvas, int]:  # noqa: D102
        places = DISTORTIONS[self.distortion](rng, self.image_size).transpose(2, 0, 1)
        canvas = map_coordinates(self.digits.images[digit, 0].astype(np.float64), places, order=1)
        if self.distortion == "cluttered":
            self.clutter(canvas, rng, PIECES, PIECE)
        return canvas, int(self.labels[digit])


class DigitSequence(DistortedDigits):
    """Several digits from left to right on a slanting line, among pieces of others.

    Args:
        num_digits: How many.
        *args: As for `DistortedDigits`.
        **kwargs: As for `DistortedDigits`.
    """

    def __init__(self, num_digits: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.num_digits = num_digits

    def paint(self, digit: int, rng: np.random.Generator) -> tuple[Canvas, torch.Tensor]:  # noqa: D102
        room = self.image_size - SIDE
        chosen = [digit, *rng.integers(len(self.digits), size=self.num_digits - 1)]
        step = min(STEP, room // max(self.num_digits - 1, 1))
        across = step * np.arange(self.num_digits)
        down = np.tan(np.deg2rad(rng.uniform(-SLOPE, SLOPE))) * across
        down *= min(1.0, room / max(np.ptp(down), 1e-9))
        left = rng.uniform(0, room - across[-1]) + across
        top = rng.uniform(0, room - np.ptp(down)) + down - down.min()
        canvas = np.zeros((self.image_size, self.image_size))
        for one, row, column in zip(chosen, np.rint(top).astype(int), np.rint(left).astype(int), strict=True):
            place = canvas[row : row + SIDE, column : column + SIDE]
            np.maximum(place, self.digits.images[one, 0], out=place)
        self.clutter(canvas, rng, SEQUENCE_PIECES, SEQUENCE_PIECE)
        return canvas, torch.from_numpy(self.labels[chosen])


class DistortedMNIST(DigitsDataModule):
    """Distorted digits, one channel, with labels and no masks; drawn as they are asked for.

    The splits are those of `MNIST`. With several digits `label` is int64 (B, num_digits), from left to right.

    Args:
        distortion: `rotated` (the paper's R, 28 px), `rotated_scaled_translated` (RTS, 42 px), `projected` (P, 42 px),
            `elastic` (E, 28 px), `translated` (T, 60 px), `cluttered` (60 px, with pieces of other digits).
        num_train: Training pictures; with more than digits, each comes several times, distorted otherwise. The digits
            once if None.
        num_digits: Digits in a picture; several stand on a line among clutter, on 100 px, instead of a distortion.
        source: `mnist`, or `digits`: the 1797 digits inside scikit-learn, scaled to MNIST's size and place.
        image_size: Side of the square images in pixels, at least 28, and more for `translated` and `cluttered`.
        seed: Not negative; another seed gives other pictures.
        **kwargs: As for every data module, see `ZooDataModule`.
    """

    scored = False
    channels = 1
    num_classes = 0

    def __init__(
        self,
        distortion: DistortionName = "rotated",
        num_train: int | None = None,
        num_digits: int = 1,
        source: Source = "mnist",
        image_size: int = SIDE,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(source=source, image_size=image_size, **kwargs)
        check_choice("distortion", distortion, get_args(DistortionName))
        least = SIDE + (num_digits - 1) * SIDE // 2
        if num_digits < 1 or image_size < least:
            raise DataError(
                f"{num_digits} digits do not fit into {image_size} px. Give num_digits at least 1, image_size at least "
                f"{least}."
            )
        if num_digits == 1 and image_size == SIDE and distortion in ROAMING:
            raise DataError(
                f"A digit fills {SIDE} px: distortion={distortion!r} moves it nowhere. Give a larger image_size; the "
                f"paper's is {ROAMING[distortion]}."
            )
        check_seed("seed", seed)
        self.distortion: DistortionName = distortion
        if num_train is not None and num_train < 1:
            raise DataError(f"num_train={num_train} is too small; give at least 1, or none for all digits.")
        self.num_train, self.num_digits, self.seed = num_train, num_digits, seed

    def load(self, split: Split) -> DistortedDigits:  # noqa: D102
        part = part_of(split)
        digits = self.digit_store(split, padding=0, size=SIDE)
        length = self.num_train or len(digits) if split == "train" else len(digits)
        how = (digits, part, length, self.image_size, self.seed, self.transform if split == "train" else None)
        return DigitSequence(self.num_digits, *how) if self.num_digits > 1 else SingleDigits(self.distortion, *how)
