"""A user's own pictures."""

from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from tiae_zoo.data.backgrounds import Backgrounds
from tiae_zoo.data.cache import StoreWriter
from tiae_zoo.data.datasets import Split
from tiae_zoo.data.decode import Grey, IndexMask, Item, MaskRule, ThresholdMask
from tiae_zoo.data.errors import DataError, check_choice
from tiae_zoo.data.files import UNLABELLED, FilesDataModule
from tiae_zoo.data.partition import Partition, counted
from tiae_zoo.data.places import SUFFIXES, find_folder, find_pictures, pictures, places

DARK = 0.25  # of what files can hold: 16 bits for the 10 m a depth camera sees, in millimetres, use 0.15
MaskKind = Literal["threshold", "index"]

ADVICE: dict[MaskKind, str] = {  # where a rule tells nothing apart
    "threshold": "If their pixels are region numbers (0 and 1, for instance) add --data.mask_rule index; else save "
    "them as black and white pictures without transparency.",
    "index": "If they are black and white pictures use --data.mask_rule threshold; else check that their pixels are "
    "region numbers.",
}


class Folder(FilesDataModule):
    """All pictures below a folder, with optional masks of the same name below another.

    Pictures of any kind Pillow reads are taken; cameras' EXIF orientation is obeyed. A relative path is looked for in
    the working directory, then in the data root.

    Training, validation and test take a part each; if only some pictures have masks, validation and test are drawn from
    these. Prediction covers all pictures and reads no masks. A path with `{split}` in it stands for folders that are
    split already: it is replaced by `train`, `val` or `test`, and the fractions do not matter; prediction then covers
    `test`.

    Args:
        images: Folder of the pictures, subfolders included; or one file, or a pattern such as `photos/*.jpg`.
        masks: Folder of the masks: same subfolder and name as the picture, whatever the suffix. None: no masks.
        mask_rule: `threshold`: grey, foreground above one half. `index`: pixels are region indices, 255 is ignored.
        num_classes: Regions in the masks, background included.
        ignore_value: A pixel value of the mask files that means "not judged".
        val_fraction: Part of the pictures for validation.
        test_fraction: Part of the pictures for the test.
        seed: Decides which pictures go where.
        channels: 3 for images in colour, 1 for grey ones, such as depth maps.
        value_range: With `channels: 1`, the values in the files that are black (0 in the batch) and white (1); what
            lies beyond is cut off; what is no finite number counts as black. None: 0 and the highest value a file of
            its kind can hold (255; 65535 for 16 bits).
        backgrounds: What a method may put behind the objects, see `tiae_zoo.data.backgrounds`.
        **kwargs: As for every data module, see `ZooDataModule`.
    """

    folder_name: ClassVar[str] = "folder"
    turn = True

    def __init__(
        self,
        images: str,
        masks: str | None = None,
        mask_rule: MaskKind = "threshold",
        num_classes: int = 2,
        ignore_value: int | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        channels: Literal[1, 3] = 3,
        value_range: tuple[float, float] | None = None,
        backgrounds: Backgrounds | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(with_masks=masks is not None, **kwargs)
        check_choice("mask_rule", mask_rule, get_args(MaskKind))
        if channels not in (1, 3):
            raise DataError(f"channels={channels} is neither 1, images in grey, nor 3, in colour. Give one of them.")
        if mask_rule == "threshold" and num_classes != 2:
            raise DataError(
                f"mask_rule='threshold' gives 2 classes, not num_classes={num_classes}. Use mask_rule='index'."
            )
        if masks is not None and backgrounds is not None:
            raise DataError(
                "Masks are those of whole photos, and backgrounds are put behind objects on black. Give one of them; "
                "--data.backgrounds null takes out those of a config."
            )
        if value_range is not None and (channels != 1 or value_range[0] >= value_range[1]):
            raise DataError(
                f"value_range={tuple(value_range)} is for images with channels=1, and from a lower to a higher value. "
                "Give such values and --data.channels 1, or leave it out."
            )
        self.images = images
        self.masks = masks
        self.num_classes = num_classes
        self.rule: MaskRule = (
            ThresholdMask(ignore_value) if mask_rule == "threshold" else IndexMask(num_classes, ignore_value)
        )
        self.mask_advice = ADVICE[mask_rule]
        self.partition = Partition(val_fraction, test_fraction, seed)
        self.channels = channels
        self.shades = Grey(value_range) if channels == 1 else None
        self.backgrounds = backgrounds

    def items(self, split: Split) -> list[Item]:  # noqa: D102
        if split == "predict":
            return self._find_items("test", with_masks=False)
        found = self._find_items(split, with_masks=True)
        if "{split}" in self.images:
            return found
        return self._part(found, split)

    def recipe(self) -> dict[str, object]:  # noqa: D102
        return {**super().recipe(), "shades": repr(self.shades)}

    def check(self, writer: StoreWriter, split: Split) -> None:
        """Refuse grey images that are dark throughout: their values are not those the files could hold."""
        super().check(writer, split)
        if self.shades == Grey() and writer.highest[0] < DARK * 255:
            raise DataError(
                f"All pictures of {self.folder_name}/{split} are nearly black: no value in them reaches a quarter of "
                "what their files could hold. Give the lowest and highest value that matter, such as "
                "--data.value_range '[0, 4000]' for depths in millimetres."
            )

    def _find_items(self, split: str, with_masks: bool) -> list[Item]:
        """All pictures, with the masks that exist."""
        folder, paths = find_pictures(self.images.replace("{split}", split), self.data_root, "--data.images")
        masks = self._masks_folder(split, needed=with_masks)
        if masks is not None and folder.resolve() in masks.resolve().parents:  # a folder among the pictures
            paths = [path for path in paths if masks.resolve() not in path.resolve().parents]
        if not paths:
            raise DataError(
                f"There are no pictures in {folder}. Copy some there (any of {', '.join(SUFFIXES)}), or point "
                "--data.images to another folder."
            )
        relative = [path.relative_to(folder) for path in paths]
        if masks is None or not with_masks:
            return [Item(name.as_posix(), path) for name, path in zip(relative, paths, strict=True)]
        stems = {path.relative_to(masks).with_suffix(""): path for path in pictures(masks)}
        if not any(name.with_suffix("") in stems for name in relative):
            raise DataError(
                f"None of the {len(paths)} pictures in {folder} has a mask in {masks}; the first should be "
                f"{relative[0].with_suffix('.png')}. Name masks like their pictures, or leave out --data.masks and "
                f"add {UNLABELLED} to train without scores."
            )
        return [
            Item(name.as_posix(), path, stems.get(name.with_suffix("")))
            for name, path in zip(relative, paths, strict=True)
        ]

    def _masks_folder(self, split: str, needed: bool) -> Path | None:
        if self.masks is None:
            return None
        given = self.masks.replace("{split}", split)
        if needed:
            return find_folder(given, self.data_root, "--data.masks", "masks")
        return next((place for place in places(given, self.data_root) if place.is_dir()), None)

    def _part(self, found: list[Item], split: Split) -> list[Item]:
        """Draw a split; validation and test, if they are scored, from what has masks."""
        self.partition.check(len(found), self.images, "--data.images")
        if not self.scored:
            return self.partition.part(found, split)
        masked = [item for item in found if item.mask is not None]
        if len(masked) < 2:
            raise DataError(
                f"{self.masks} has {counted(len(masked), 'mask')} for the {len(found)} pictures, but validation and "
                "test need one each: at least 2. Draw more, or leave out --data.masks and add "
                f"{UNLABELLED} to train without scores."
            )
        return self.partition.part(found, split, drawable=masked)
