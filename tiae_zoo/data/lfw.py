"""Labeled Faces in the Wild, funneled, with part labels (Kae et al., CVPR 2013)."""

import zlib
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from PIL import Image

from tiae_zoo.data.archives import RemoteFile
from tiae_zoo.data.datasets import Split, part_of
from tiae_zoo.data.decode import Bytes, Item, MaskRule, colours
from tiae_zoo.data.errors import DataError, check_choice
from tiae_zoo.data.files import FilesDataModule
from tiae_zoo.data.labelmaps import LabelMaps, Value
from tiae_zoo.data.sources import redo_list

IMAGES = RemoteFile(
    name="lfw-funneled.tgz",
    what="funneled LFW photos",
    digest="sha256:b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
    urls=("https://ndownloader.figshare.com/files/5976015",),
    places=("lfw_funneled",),
)
PARTS = RemoteFile(  # was at vis-www.cs.umass.edu/lfw/part_labels/, a host that is gone
    name="parts_lfw_funneled_gt_images.tgz",
    what="LFW part labels",
    digest="md5:3e7e26e801c3081d651c8c2ef3c45cfc",
    urls=(),
    places=("parts_lfw_funneled_gt_images",),
)
LISTS = {
    "train": redo_list("lfw-funneled/train.txt", "7cd40edcbc0e415b1a25a3e4b3c8e55c54b3b92edc5b784f10c1f8cac901b5c6"),
    "val": redo_list("lfw-funneled/val.txt", "ce3e39030a29250b91ea3679a30627f17cd714aa0a5eef9e9cb1bb7cb726fcaf"),
    "test": redo_list("lfw-funneled/test.txt", "21f1c06bf543fb7b96cf9c1a7fdc641b97eb19be84f1f889fcda5467be019afb"),
}


LFWProtocol = Literal["redo", "supervised"]


def parts_mask(mask: Image.Image) -> Bytes:
    """Hair (red) and face (green) are foreground, blue is background (ReDO, section 5.1)."""
    _, _, blue = colours(mask)
    return (blue < 128).astype(np.uint8)


def person_split(name: str) -> Split:
    """The split of everybody of this name: by a checksum, a tenth of the persons validates and another tests."""
    held_out: dict[int, Split] = {0: "test", 1: "val"}
    return held_out.get(zlib.crc32(name.encode()) % 10, "train")


class LFW(FilesDataModule):
    """Faces: foreground = face and hair.

    Args:
        protocol: `redo`, the split of the ReDO paper: 10306 photos to train on, without masks, 1327 to validate, 1600
            to test. `supervised` (ours), for methods that learn from masks: four fifths of those 1327 to train on, the
            others to validate, and the same 1600 to test.
        **kwargs: `with_masks`, see `FilesDataModule`; the others as for every data module, see `ZooDataModule`.
    """

    folder_name: ClassVar[str] = "lfw"
    images_file = IMAGES
    masks_file = PARTS
    rule: MaskRule = staticmethod(parts_mask)

    def __init__(self, protocol: LFWProtocol = "redo", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice("protocol", protocol, get_args(LFWProtocol))
        self.protocol: LFWProtocol = protocol

    def lists(self) -> list[RemoteFile]:  # noqa: D102
        return list(LISTS.values())

    def items(self, split: Split) -> list[Item]:  # noqa: D102
        part = part_of(split)
        if self.protocol == "redo":
            return self._listed(part, masked=part != "train")
        items = self._listed("test" if part == "test" else "val", masked=True)
        if part == "test":
            return items
        order = np.random.default_rng(0).permutation(len(items))
        first = round(len(items) * 4 / 5)
        return [items[i] for i in sorted(order[:first] if part == "train" else order[first:])]

    def _listed(self, part: Split, masked: bool) -> list[Item]:
        photos, listing = self.find(IMAGES), self.find(LISTS[part])
        parts = self.find_masks(part) if masked else None
        items = []
        for line in listing.read_text(encoding="utf-8").split("\n"):
            if not line.strip():
                continue
            try:
                person, name = line.split()
            except ValueError as error:
                raise DataError(
                    f"{listing} has a line {line!r}, not a person and a picture. Remove the file and fetch it again."
                ) from error
            mask = parts / f"{name}.ppm" if parts else None
            items.append(Item(name, photos / person / f"{name}.jpg", mask))
        return items


class LFWParts(LabelMaps):
    """Shapes of faces: the part labels alone as images of two channels, hair and face.

    All 2927 labelled photos: 2304 to train, 294 to validate, 329 to test. Nobody is in two splits: a checksum of the
    person's name says which. Arguments are those of `LabelMaps`.
    """

    folder_name: ClassVar[str] = "lfw"
    images_file = PARTS
    channels = 2
    classes: Mapping[str, Value] = {"hair": (255, 0, 0), "face": (0, 255, 0)}

    def items(self, split: Split) -> list[Item]:  # noqa: D102
        part = part_of(split)
        paths = sorted(self.find(PARTS).glob("*.ppm"))
        return [Item(path.stem, path) for path in paths if person_split(path.stem.rpartition("_")[0]) == part]
