"""Handwritten digits as 28x28 pictures, from MNIST or from the set inside scikit-learn.

MNIST's own placement is a 20x20 box within 28x28 (LeCun et al., 1998); scikit-learn's 8x8 digits are scaled to it.
"""

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from tiae_zoo.data.archives import RemoteFile
from tiae_zoo.data.base import ZooDataModule
from tiae_zoo.data.cache import Store, StoreWriter, add_greys, open_store
from tiae_zoo.data.datasets import Split, part_of
from tiae_zoo.data.decode import Bytes
from tiae_zoo.data.errors import DataError, check_choice

Source = Literal["mnist", "digits"]
Digits = tuple[Bytes, npt.NDArray[np.int64]]

SIDE, BOX = 28, 20
_MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
FILES = {
    name: RemoteFile(
        name=name,
        what=f"MNIST file {name}",
        digest=f"md5:{md5}",
        urls=(
            f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}",
            f"https://storage.googleapis.com/cvdf-datasets/mnist/{name}",
        ),
        places=(f"MNIST/raw/{name}", name),
    )
    for name, md5 in _MD5.items()
}


def read_idx(path: Path) -> Bytes:
    """An array of bytes in the idx format, gzipped.

    Raises:
        DataError: the file is not of this format, or damaged.
    """
    try:
        content = gzip.decompress(path.read_bytes())
        zero, kind, dimensions = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
        if (zero, kind) != (0, 8):
            raise ValueError("not an idx file of bytes")
        return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}). Remove it and fetch it again.") from error


def split_mnist(images: Path, labels: Path, split: str) -> Digits:
    """The official test set, or the training set without (`train`) or of (`val`) its last twelfth: 5000 of 60000."""
    pictures, classes = read_idx(images), read_idx(labels)
    if len(pictures) != len(classes):
        raise DataError(
            f"{images.name} has {len(pictures)} pictures but {labels.name} {len(classes)} labels. "
            "Remove both and fetch them again."
        )
    first_val = len(pictures) - round(len(pictures) / 12)
    part = {"train": slice(first_val), "val": slice(first_val, None)}.get(split, slice(None))
    return pictures[part], classes[part].astype(np.int64)


def split_sklearn(split: str) -> Digits:
    """scikit-learn's 1797 digits: 1300 to train, 200 to validate, 297 to test, drawn once and for all."""
    from sklearn.datasets import load_digits  # imported by this source alone

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    part = order[{"train": slice(1300), "val": slice(1300, 1500)}.get(split, slice(1500, None))]
    boxes = [
        Image.fromarray(np.rint(picture * (255 / 16)).astype(np.uint8)).resize((BOX, BOX), Image.Resampling.BILINEAR)
        for picture in data.images[part]
    ]
    margin = (SIDE - BOX) // 2
    pictures = np.pad(np.stack([np.asarray(box) for box in boxes]), ((0, 0), (margin, margin), (margin, margin)))
    return pictures, data.target[part].astype(np.int64)


class DigitsDataModule(ZooDataModule):
    """A dataset made of handwritten digits.

    Args:
        source: `mnist`, or `digits`: the 1797 digits inside scikit-learn, scaled to MNIST's size and place.
        **kwargs: As for every data module, see `ZooDataModule`.
    """

    folder_name: ClassVar[str] = "mnist"

    def __init__(self, source: Source = "mnist", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice("source", source, get_args(Source))
        self.source: Source = source

    def files(self) -> list[RemoteFile]:  # noqa: D102
        return list(FILES.values()) if self.source == "mnist" else []

    def digit_store(self, split: Split, padding: int, size: int) -> Store:
        """The split's digits with their labels.

        Args:
            split: `predict` is `test`.
            padding: Black pixels added on each side of the 28x28 pictures.
            size: Side to which the padded pictures are then resized.
        """
        part = part_of(split)
        kind = "t10k" if part == "test" else "train"
        paths = [self.find(file) for file in self.files() if file.name.startswith(kind)]
        about = {"data": self.source, "part": part, "padding": padding, "image_size": size, "resize": self.resize}

        def fill(writer: StoreWriter) -> None:
            images, classes = split_mnist(paths[0], paths[1], part) if paths else split_sklearn(part)
            images = np.pad(images, ((0, 0), (padding, padding), (padding, padding)))
            add_greys(writer, part, images, classes, size, self.resize)

        return open_store(self.source, about, paths, fill)
