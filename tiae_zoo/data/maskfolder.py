"""A user's own label maps."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from lightning.pytorch.utilities import rank_zero_info

from tiae_zoo.data.datasets import Split, part_of
from tiae_zoo.data.decode import Item
from tiae_zoo.data.errors import DataError
from tiae_zoo.data.labelmaps import EXAMPLE, LabelMaps, Value, find_classes
from tiae_zoo.data.partition import Partition
from tiae_zoo.data.places import SUFFIXES, find_folder, pictures


class MaskFolder(LabelMaps):
    """All label maps below a folder as images, one channel a class: PNG files of numbers, palettes or colours.

    Training, validation and test take a part each, prediction all. A path with `{split}` in it stands for folders that
    are split already: it is replaced by `train`, `val` or `test`; prediction then covers `test`. A relative path is
    looked for in the working directory, then in the data root.

    Args:
        folder: Folder of the label maps, subfolders included.
        classes: What is a channel, in order: a name of your choice with its number in the files (of a palette file the
            index), or its colour, [RED, GREEN, BLUE]. None: every value but 0 (black) of the first 64
            training files.
        val_fraction: Part of the label maps for validation.
        test_fraction: Part of the label maps for the test.
        seed: Decides which label maps go where.
        image_size: Side of the square images in pixels.
        **kwargs: As for every data module, see `ZooDataModule`.
    """

    folder_name: ClassVar[str] = "maskfolder"

    def __init__(
        self,
        folder: str,
        classes: dict[str, int | tuple[int, int, int]] | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        image_size: int = 32,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_size=image_size, **kwargs)
        if classes is not None:
            check_classes(classes)
        self.maps = folder
        self.alone = classes is None
        self.partition = Partition(val_fraction, test_fraction, seed)
        self._given = classes

    @cached_property
    def classes(self) -> dict[str, Value]:
        """What is a channel, as given or as found in the files."""
        if self._given is not None:
            return dict(self._given)
        found = find_classes([item.image for item in self.items("train")])
        rank_zero_info(f"Channels of {self.maps}: {', '.join(found)}.")
        return found

    @property
    def channels(self) -> int:  # type: ignore[override]
        """Number of classes."""
        return len(self.classes)

    def items(self, split: Split) -> list[Item]:  # noqa: D102
        found = self._find_items(part_of(split))
        if "{split}" in self.maps or split == "predict":
            return found
        self.partition.check(len(found), self.maps, "--data.folder")
        return self.partition.part(found, split)

    def _find_items(self, split: str) -> list[Item]:
        folder = find_folder(self.maps.replace("{split}", split), self.data_root, "--data.folder", "label maps")
        found = [Item(path.relative_to(folder).as_posix(), path) for path in pictures(folder)]
        if not found:
            raise DataError(
                f"There are no label maps in {folder}. Copy some there (any of {', '.join(SUFFIXES)}), or point "
                "--data.folder to another folder."
            )
        return found


def check_classes(classes: Mapping[str, Value]) -> None:
    """Refuse classes that cannot be told apart.

    Raises:
        DataError: there are none, two are the same, numbers and colours are mixed, or one is impossible.
    """
    values = list(classes.values())
    colours = [value for value in values if not isinstance(value, int)]
    wrong = ""
    if not values:
        wrong = "names no class"
    elif 0 < len(colours) < len(values):
        wrong = "mixes numbers and colours"
    elif any(len(colour) != 3 or min(colour) < 0 or max(colour) > 255 for colour in colours):
        wrong = "has a colour that is not three numbers from 0 to 255"
    elif len({str(value) for value in values}) < len(values):
        wrong = "gives two classes the same value"
    if wrong:
        raise DataError(f"--data.classes {wrong}: {dict(classes)}. Give {EXAMPLE}.")
