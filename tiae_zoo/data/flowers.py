"""102 Flowers (Nilsback and Zisserman, 2008) with the automatic masks of its authors."""

from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import scipy.io
from PIL import Image

from tiae_zoo.data.archives import RemoteFile
from tiae_zoo.data.datasets import Split, part_of
from tiae_zoo.data.decode import Bytes, Item, MaskRule, colours
from tiae_zoo.data.errors import DataError, check_choice
from tiae_zoo.data.files import FilesDataModule, Protocol


def _official(name: str, what: str, md5: str, *places: str) -> RemoteFile:
    url = f"https://www.robots.ox.ac.uk/~vgg/data/flowers/102/{name}"
    return RemoteFile(name=name, what=what, digest=f"md5:{md5}", urls=(url,), places=places)


IMAGES = _official("102flowers.tgz", "flower photos", "52808999861908f626f3c1f4e79d11fa", "jpg")
MASKS = _official("102segmentations.tgz", "flower masks", "51375996b6c4f367a4b9f4492d7ecef5", "segmim")
SPLITS = _official("setid.mat", "flower splits", "a5357ecc9cb78c4bef273ce3793fc85c", "setid.mat")
LABELS = _official("imagelabels.mat", "flower labels", "e0620be6f572b9609742df49c70aed4d", "imagelabels.mat")

# setid.mat's names of the parts. ReDO trains on the largest part, the official test set.
PARTS: dict[Protocol, dict[str, str]] = {
    "redo": {"train": "tstid", "val": "valid", "test": "trnid"},
    "official": {"train": "trnid", "val": "valid", "test": "tstid"},
}


def segmim_mask(mask: Image.Image) -> Bytes:
    """Flowers cut out on blue; background where red = 0, green = 0 or blue = 254 (ReDO's rule)."""
    red, green, blue = colours(mask)
    return (~((red == 0) | (green == 0) | (blue == 254))).astype(np.uint8)


class Flowers(FilesDataModule):
    """Flowers of 102 kinds, with labels and masks.

    Args:
        protocol: `redo`: 6149 to train (the official test set), 1020 to validate, 1020 to test (the official training
            set), as in the ReDO paper. `official`: 1020, 1020 and 6149.
        **kwargs: `with_masks`, see `FilesDataModule`; the others as for every data module, see `ZooDataModule`.
    """

    folder_name: ClassVar[str] = "flowers"
    images_file = IMAGES
    masks_file = MASKS
    rule: MaskRule = staticmethod(segmim_mask)

    def __init__(self, protocol: Protocol = "redo", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice("protocol", protocol, get_args(Protocol))
        self.protocol: Protocol = protocol

    def lists(self) -> list[RemoteFile]:  # noqa: D102
        return [SPLITS, LABELS]

    def items(self, split: Split) -> list[Item]:  # noqa: D102
        photos = self.find(IMAGES)
        part = PARTS[self.protocol][part_of(split)]
        numbers = _read_mat(self.find(SPLITS), part)
        labels = _read_mat(self.find(LABELS), "labels")
        masks = self.find_masks(split)
        if numbers.min() < 1 or numbers.max() > len(labels):
            raise DataError(
                f"{SPLITS.name} names picture {numbers.max()}, but {LABELS.name} has {len(labels)} labels. "
                "Remove both and fetch them again."
            )
        return [
            Item(
                name=f"image_{number:05d}",
                image=photos / f"image_{number:05d}.jpg",
                mask=masks / f"segmim_{number:05d}.jpg" if masks else None,
                label=int(labels[number - 1]) - 1,
            )
            for number in sorted(int(number) for number in numbers)
        ]


def _read_mat(path: Path, key: str) -> np.ndarray:
    """One vector of a MATLAB file."""
    try:
        return scipy.io.loadmat(path)[key].ravel()
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, scipy.io.matlab.MatReadError) as error:
        raise DataError(f"{path} cannot be read as the official {path.name} ({error!r}). Fetch it again.") from error
