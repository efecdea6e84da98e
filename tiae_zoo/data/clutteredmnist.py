"""The public file of cluttered digits on which spatial transformers are often tried: 40x40, 10000 / 1000 / 1000."""

import zlib
from pathlib import Path
from typing import Any, ClassVar
from zipfile import BadZipFile

import numpy as np

from tiae_zoo.data.archives import RemoteFile
from tiae_zoo.data.base import ZooDataModule
from tiae_zoo.data.cache import StoreWriter, add_greys, open_store
from tiae_zoo.data.datasets import Split, StoreDataset, part_of
from tiae_zoo.data.errors import DataError

SIDE = 40
PARTS = {"train": "train", "val": "valid", "test": "test"}
FILE = RemoteFile(
    name="mnist_sequence1_sample_5distortions5x5.npz",
    what="cluttered digits",
    digest="sha256:951f81b297226e1ed81a96a544ee14cbf50a5523b4f3cd45f0e99d9565425e3b",
    urls=(
        "https://github.com/daviddao/spatial-transformer-tensorflow/raw/master/data/"
        "mnist_sequence1_sample_5distortions5x5.npz",
    ),
    places=("mnist_sequence1_sample_5distortions5x5.npz",),
)


def read_part(path: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 (N, 40, 40) and labels int64 (N) of one part of the file.

    Raises:
        DataError: the file is another one, or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            pictures, labels = arrays[f"X_{part}"], arrays[f"y_{part}"]
        return np.rint(255 * pictures.reshape(-1, SIDE, SIDE)).astype(np.uint8), labels.ravel().astype(np.int64)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}). Remove it and fetch it again.") from error


class ClutteredMNIST(ZooDataModule):
    """One digit among five pieces of others, one channel, with labels and no masks.

    Args:
        image_size: Side of the square images in pixels; the file's is 40.
        **kwargs: As for every data module, see `ZooDataModule`.
    """

    folder_name: ClassVar[str] = "mnist_cluttered"
    scored = False
    channels = 1
    num_classes = 0

    def __init__(self, image_size: int = SIDE, **kwargs: Any) -> None:
        super().__init__(image_size=image_size, **kwargs)

    def files(self) -> list[RemoteFile]:  # noqa: D102
        return [FILE]

    def load(self, split: Split) -> StoreDataset:  # noqa: D102
        part = part_of(split)
        path = self.find(FILE)

        def fill(writer: StoreWriter) -> None:
            add_greys(writer, part, *read_part(path, PARTS[part]), self.image_size, self.resize)

        about = {"part": part, "image_size": self.image_size, "resize": self.resize}
        store = open_store("mnist_cluttered", about, [path], fill)
        return StoreDataset(store, self.transform if split == "train" else None)
