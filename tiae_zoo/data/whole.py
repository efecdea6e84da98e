"""Whole pictures of any size, for prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from tiae_zoo.data.datasets import Sample, ZooDataset
from tiae_zoo.data.decode import DamagedImageError, Grey, Item, Resize, load_image, plain, to_squares
from tiae_zoo.data.errors import DataError


class WholePictures(ZooDataset):
    """Pictures as they lie in their files, each as the squares that cover it, see `tiae_zoo.squares`.

    Nothing is stored: a picture is read when its turn comes. One that cannot be read does not end a long prediction:
    its sample is a black square, and `problem` says why.

    Args:
        items: The files; masks and labels are not read.
        size: Side of the squares in pixels.
        resize: How the pictures are interpolated.
        turn: Obey the camera's EXIF orientation.
        shades: How pictures become grey; None: they stay in colour.
    """

    def __init__(self, items: Sequence[Item], size: int, resize: Resize, turn: bool, shades: Grey | None) -> None:
        self.items = list(items)
        self.size = size
        self.resize: Resize = resize
        self.turn = turn
        self.shades = shades

    @property
    def names(self) -> list[str]:  # noqa: D102
        return [item.name for item in self.items]

    def picture(self, index: int) -> Image.Image:
        """The picture in its own size, as viewers show it, in 8 bits.

        Raises:
            DamagedImageError: it cannot be decoded.
            DataError: it cannot be read for now.
        """
        return plain(load_image(self.items[index].image, self.turn), self.shades)

    def __getitem__(self, index: int) -> Sample:
        """Return the squares of one picture: image (N, C, S, S), size (2,), problem "" if it could be read."""
        index = range(len(self))[index]
        path = self.items[index].image
        try:
            image = load_image(path, self.turn)
            sample = squares_of(image, self.size, self.resize, self.shades)
        except (DamagedImageError, DataError) as error:
            black = torch.zeros(1, 3 if self.shades is None else 1, self.size, self.size)
            why = str(error).removeprefix(f"{path.name}: ")
            return {"image": black, "index": index, "size": torch.tensor([self.size] * 2), "problem": why}
        return {**sample, "index": index, "problem": ""}

    @staticmethod
    def collate(samples: list[Sample]) -> dict[str, Any]:
        """Join samples to a batch of squares; `index`, `size` and `problem` are the same for all of a picture."""
        rows = [sample for sample in samples for _ in sample["image"]]
        return {
            "image": torch.cat([sample["image"] for sample in samples]),
            "index": torch.tensor([sample["index"] for sample in rows]),
            "size": torch.stack([sample["size"] for sample in rows]),
            "problem": [sample["problem"] for sample in rows],
        }


def squares_of(image: Image.Image, size: int, resize: Resize, shades: Grey | None) -> Sample:
    """What a network sees of a whole picture, and the picture's own size.

    Args:
        image: Of whatever kind.
        size: Side S of the squares in pixels.
        resize: How the picture is interpolated.
        shades: How it becomes grey; None: it stays in colour.

    Returns:
        image float32 (N, C, S, S) in [0, 1], the squares that cover it, and size (2,), its height and width in pixels.
    """
    pixels = torch.from_numpy(to_squares(image, size, resize, shades))
    return {"image": pixels.float().div_(255), "size": torch.tensor([image.height, image.width])}
