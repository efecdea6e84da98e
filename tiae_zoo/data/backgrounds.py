"""What lies behind an object, for methods that learn to tell the two apart: noise, or pieces of photos.

Every background is a pure function of (seed, split, index).
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tiae_zoo.data.cache import Store, StoreWriter, decode_all, open_store, warn_of_damaged
from tiae_zoo.data.decode import Bytes, Grey, Item, load_image, to_pixels
from tiae_zoo.data.errors import DataError
from tiae_zoo.data.places import SUFFIXES, find_folder, pictures
from tiae_zoo.data.seeding import generator

Draw = Callable[[Sequence[int]], Tensor]  # positions in the split -> float32 (B, C, H, W) in [0, 1]

FOLDER_OPTION = "--data.backgrounds.folder"
TILE = 128  # px; three rows and five columns of them in each photo of scikit-learn's, which has 427x640


class Backgrounds(ABC):
    """What lies behind the objects of a dataset.

    Args:
        seed: Another seed gives other backgrounds.
    """

    def __init__(self, seed: int = 0) -> None:
        if seed < 0:
            raise DataError(f"seed={seed} is negative; give the backgrounds one of at least 0.")
        self.seed = seed

    @abstractmethod
    def open(self, split: str, image_size: int, channels: int, data_root: Path) -> Draw:
        """What draws the backgrounds of a split.

        Args:
            split: `train`, `val` or `test`.
            image_size: Side of the square backgrounds in pixels.
            channels: 1 for grey, 3 for colour.
            data_root: The folder of all datasets.

        Raises:
            DataError: there is nothing to draw them from.
        """


class NoiseBackgrounds(Backgrounds):
    """Noise: every pixel and channel on its own, uniform in [0, 1).

    Args:
        seed: Another seed gives other backgrounds.
    """

    def open(self, split: str, image_size: int, channels: int, data_root: Path) -> Draw:  # noqa: D102
        return partial(draw_noise, seed=self.seed, split=split, shape=(channels, image_size, image_size))


class PhotoBackgrounds(Backgrounds):
    """Pieces of photos: squares of the image's size from a random place of a random photo, flipped at random.

    Of each photo the centre square is taken, scaled to `photo_size`, in grey where the images are. No photo serves two
    splits. Photos that lie in subfolders `train` and `test` are split already: every tenth training photo validates.
    Others are counted in the order of their names: of every ten the first tests, the second validates.

    Args:
        folder: Folder of the photos, subfolders included; a relative one is looked for in the working directory, then
            in the data root. None takes the two photos inside scikit-learn, each cut into squares of 128 px, scaled
            likewise: of their five columns the second tests, the fourth validates.
        photo_size: Side in pixels of the square photos the pieces are cut from.
        seed: Another seed gives other backgrounds.
    """

    def __init__(self, folder: str | None = None, photo_size: int = 128, seed: int = 0) -> None:
        super().__init__(seed)
        self.folder = folder
        self.photo_size = photo_size

    def open(self, split: str, image_size: int, channels: int, data_root: Path) -> Draw:  # noqa: D102
        if image_size > self.photo_size:
            raise DataError(
                f"No piece of {image_size} px can be cut from photos of photo_size={self.photo_size}. Raise "
                "--data.backgrounds.photo_size, to twice the image's size or more so that the pieces differ."
            )
        if self.folder is None:
            photos = self._tiles(split, channels)
        else:
            folder = find_folder(self.folder, data_root, FOLDER_OPTION, "photos")
            photos = self._photos(photos_of(folder, split), split, channels)
        return partial(draw_pieces, photos=photos, seed=self.seed, split=split, size=image_size)

    def _tiles(self, split: str, channels: int) -> Store:
        """Squares of scikit-learn's photos."""
        about = {"data": "scikit-learn", "split": split, "photo_size": self.photo_size, "channels": channels}
        fill = partial(write_tiles, split=split, size=self.photo_size, channels=channels)
        return open_store("backgrounds", about, [], fill)

    def _photos(self, paths: list[Path], split: str, channels: int) -> Store:
        """The user's photos as squares."""
        what = f"backgrounds/{split}"
        about = {"data": "photos", "photo_size": self.photo_size, "channels": channels}
        items = [Item(str(path), path) for path in paths]

        def read(item: Item) -> tuple[Bytes, None]:
            return to_pixels(load_image(item.image, turn=True), self.photo_size, "antialias", shades_of(channels)), None

        photos = open_store("backgrounds", about, paths, lambda writer: decode_all(writer, items, read, what))
        warn_of_damaged(photos, what)
        return photos


def draw_noise(indices: Sequence[int], *, seed: int, split: str, shape: tuple[int, int, int]) -> Tensor:
    """Uniform noise, float32 (B, *shape) in [0, 1), for the samples at `indices`."""
    noise = np.empty((len(indices), *shape), np.float32)
    for one, index in zip(noise, indices, strict=True):
        generator(seed, split, index).random(out=one, dtype=np.float32)
    return torch.from_numpy(noise)


def draw_pieces(indices: Sequence[int], *, photos: Store, seed: int, split: str, size: int) -> Tensor:
    """Random pieces of `photos`, float32 (B, C, size, size) in [0, 1], for the samples at `indices`."""
    count, channels, height, width = photos.images.shape
    ranges = np.array([count, height - size + 1, width - size + 1, 2])
    pieces = np.empty((len(indices), channels, size, size), np.uint8)
    for piece, index in zip(pieces, indices, strict=True):
        photo, top, left, flipped = (generator(seed, split, index).random(4) * ranges).astype(int)
        cut = photos.images[photo, :, top : top + size, left : left + size]
        piece[:] = cut[..., ::-1] if flipped else cut
    return torch.from_numpy(pieces).float().div_(255)


def shades_of(channels: int) -> Grey | None:
    """How photos are decoded for images of so many channels: to grey for one, else in colour."""
    return Grey() if channels == 1 else None


def photos_of(folder: Path, split: str) -> list[Path]:
    """The photos of a split, by the rule of `PhotoBackgrounds`, sorted.

    Raises:
        DataError: there are none, or too few for every split to have one.
    """
    divided = (folder / "train").is_dir() and (folder / "test").is_dir()
    if divided and split == "test":
        return _at_least(1, folder / "test")
    found = _at_least(2, folder / "train") if divided else _at_least(3, folder)
    held_out = {1: "val"} if divided else {0: "test", 1: "val"}  # of every ten
    return [path for i, path in enumerate(found) if held_out.get(i % 10, "train") == split]


def _at_least(needed: int, folder: Path) -> list[Path]:
    found = pictures(folder)
    if len(found) < needed:
        raise DataError(
            f"Of the photos to cut backgrounds from, {folder} has {len(found)}; it needs {needed} or more. Copy some "
            f"there (any of {', '.join(SUFFIXES)}), point {FOLDER_OPTION} to another folder, or leave it out to take "
            "the photos inside scikit-learn."
        )
    return found


def write_tiles(writer: StoreWriter, split: str, size: int, channels: int) -> None:
    """Cut scikit-learn's two photos into squares, and write those of the split."""
    from sklearn.datasets import load_sample_images  # imported by this source alone

    sample = load_sample_images()
    for name, photo in zip(sample.filenames, sample.images, strict=True):
        for row, column in itertools.product(range(3), range(5)):
            if {1: "test", 3: "val"}.get(column, "train") == split:
                tile = photo[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
                pixels = to_pixels(Image.fromarray(tile), size, "antialias", shades_of(channels))
                writer.add(f"{Path(name).stem}_{row}_{column}", pixels)
