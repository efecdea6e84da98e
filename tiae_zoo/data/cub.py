"""Caltech-UCSD Birds 200-2011 with its segmentations."""

from pathlib import Path
from typing import Any, ClassVar, get_args

from tiae_zoo.data.archives import RemoteFile
from tiae_zoo.data.datasets import Split, part_of
from tiae_zoo.data.decode import Item, MaskRule, votes_mask
from tiae_zoo.data.errors import DataError, check_choice
from tiae_zoo.data.files import FilesDataModule, Protocol
from tiae_zoo.data.sources import redo_list

IMAGES = RemoteFile(
    name="CUB_200_2011.tgz",
    what="bird photos and lists",
    digest="sha256:0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
    urls=("https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",),
    places=("CUB_200_2011/images",),
)
MASKS = RemoteFile(
    name="segmentations.tgz",
    what="bird masks",
    digest="sha256:dc77f6cffea0cbe2e41d4201115c8f29a6320ecb04fffd2444f51b8066e4b84f",
    urls=("https://data.caltech.edu/records/w9d68-gec53/files/segmentations.tgz",),
    places=("segmentations", "CUB_200_2011/segmentations"),
)
REDO_SPLIT = redo_list(
    "cub/train_val_test_split.txt",
    "7620961c0d472a9721d9f2e5541a6dba2a6009e21caadb3861c5c7b64270764c",
    places=("CUB_200_2011/train_val_test_split.txt", "train_val_test_split.txt"),
)
HELD_OUT = 10  # one in ten


class CUB(FilesDataModule):
    """Birds of 200 kinds, with labels and masks; masks are annotators' votes, foreground above one half.

    Args:
        protocol: `redo`: 10000 to train, 788 to validate, 1000 to test, by the authors' list. `official`: 5794 to
            test; the official list has no validation set, so every tenth of its 5994 training photos becomes that.
        **kwargs: `with_masks`, see `FilesDataModule`; the others as for every data module, see `ZooDataModule`.
    """

    folder_name: ClassVar[str] = "cub"
    images_file = IMAGES
    masks_file = MASKS
    rule: MaskRule = staticmethod(votes_mask)

    def __init__(self, protocol: Protocol = "redo", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice("protocol", protocol, get_args(Protocol))
        self.protocol: Protocol = protocol

    def lists(self) -> list[RemoteFile]:  # noqa: D102
        return [REDO_SPLIT] if self.protocol == "redo" else []

    def items(self, split: Split) -> list[Item]:  # noqa: D102
        photos = self.find(IMAGES)
        paths = _read_list(photos.parent / "images.txt")
        labels = _read_list(photos.parent / "image_class_labels.txt")
        masks = self.find_masks(split)
        part = part_of(split)
        return [
            Item(
                name=Path(paths[number]).stem,
                image=photos / paths[number],
                mask=(masks / paths[number]).with_suffix(".png") if masks else None,
                label=int(labels[number]) - 1,
            )
            for number in self._numbers(part, photos.parent)
        ]

    def _numbers(self, part: str, lists: Path) -> list[str]:
        """The official picture numbers of a part."""
        if self.protocol == "redo":
            assigned = _read_list(self.find(REDO_SPLIT))
            code = {"train": "0", "val": "1", "test": "2"}[part]
            return [number for number, value in assigned.items() if value == code]
        is_training = _read_list(lists / "train_test_split.txt")
        if part == "test":
            return [number for number, value in is_training.items() if value == "0"]
        training = [number for number, value in is_training.items() if value == "1"]
        if part == "val":
            return training[HELD_OUT - 1 :: HELD_OUT]
        return [number for i, number in enumerate(training, 1) if i % HELD_OUT]


def _read_list(path: Path) -> dict[str, str]:
    """Lines of a picture number and one value."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return dict(line.split(maxsplit=1) for line in lines if line.strip())
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. Unpack {IMAGES.name} again; it brings this list.") from error
    except ValueError as error:
        raise DataError(f"{path} is not a list of picture numbers and values ({error}). Fetch it again.") from error
