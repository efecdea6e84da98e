"""Label maps as images: one channel a class, 1 where the class is and 0 elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tiae_zoo.data.cache import StoreWriter
from tiae_zoo.data.datasets import Split
from tiae_zoo.data.decode import Bytes, DamagedImageError, Item, Resize, colours, load_image, square
from tiae_zoo.data.errors import DataError
from tiae_zoo.data.files import FilesDataModule
from tiae_zoo.messages import listed

Colour = tuple[int, int, int]  # red, green, blue, 0 to 255
Value = int | Colour  # of a class in the files: the number its pixels have, or their colour
Codes = npt.NDArray[np.int64]  # one number a pixel: the pixel's own, or its colour as one

MOST_CLASSES = 32  # more values than these are a photo's, or a map's that was saved with loss
LOOK_AT = 64  # files, to find the classes: all of them would take long at every start
VOID = 255  # beside other numbers: by the custom of Pascal VOC no class, but "not judged"
EXAMPLE = "'{cup: 1, hand: 2}' by number or '{cup: [255, 0, 0]}' by colour"


@dataclass(frozen=True)
class LabelRule:
    """What the pixels of label maps mean.

    Attributes:
        values: Of the classes, in the order of their channels; numbers only, or colours only.
        alone: Whether no other values than these and 0 (black) may occur.
    """

    values: tuple[Value, ...]
    alone: bool = False

    def __call__(self, label_map: Image.Image, size: int, resize: Resize) -> Bytes:
        """One channel a class, (C, size, size): 255 where the class is, else 0.

        Raises:
            DataError: the map has colours where numbers are wanted, or other values than these.
        """
        in_colour = not isinstance(self.values[0], int)
        if not in_colour and is_coloured(label_map):
            raise DataError(
                "The label maps are in colour, but --data.classes gives numbers. Give colours, [RED, GREEN, BLUE]."
            )
        codes = to_codes(label_map, in_colour)
        wanted = [_code(value) for value in self.values]
        if self.alone and (others := set(np.unique(codes).tolist()) - {0, *wanted}):
            raise DataError(
                f"A label map holds {_values(others, in_colour)}, but the first {LOOK_AT} hold none but "
                f"{_values(wanted, in_colour)}. Name all classes by --data.classes."
            )
        layers = [codes == code for code in wanted]
        layers.append(~np.logical_or.reduce(layers))  # what is in no class competes, too
        cover = [square(Image.fromarray(layer.astype(np.uint8) * 255), size, resize) for layer in layers]
        winner = np.stack([np.asarray(part) for part in cover]).argmax(axis=0)
        return ((winner == np.arange(len(wanted))[:, None, None]) * 255).astype(np.uint8)


def to_codes(label_map: Image.Image, in_colour: bool) -> Codes:
    """The numbers of the pixels (of a palette the index), or their colours as 0xRRGGBB; int64 (H, W)."""
    if in_colour:
        red, green, blue = (band.astype(np.int64) for band in colours(label_map))
        return red << 16 | green << 8 | blue
    if label_map.mode in ("RGB", "RGBA"):  # greys saved as colours
        return colours(label_map)[0].astype(np.int64)
    pixels = np.asarray(label_map)
    return (pixels[..., 0] if pixels.ndim == 3 else pixels).astype(np.int64)


def is_coloured(label_map: Image.Image) -> bool:
    """Whether it has colours; a palette's do not count."""
    if label_map.mode not in ("RGB", "RGBA"):
        return False
    red, green, blue = colours(label_map)
    return not (np.array_equal(red, green) and np.array_equal(green, blue))


def _code(value: Value) -> int:
    return value if isinstance(value, int) else value[0] << 16 | value[1] << 8 | value[2]


def _value(code: int, in_colour: bool) -> Value:
    return (code >> 16, code >> 8 & 255, code & 255) if in_colour else code


def _values(codes: Sequence[int] | set[int], in_colour: bool) -> str:
    return listed([str(_value(code, in_colour)) for code in sorted(codes)])


def find_classes(paths: Sequence[Path]) -> dict[str, Value]:
    """The values in the first label maps, 0 (black) excepted, each as the class of that name.

    Raises:
        DataError: the files leave open what a class is.
    """
    found, in_colour, palettes = _contents(paths[:LOOK_AT])
    others = sorted(found - {0})
    reason = ""
    if palettes > 1:
        reason = "their palettes differ, so numbers and colours do not agree"
    elif len(others) > MOST_CLASSES:
        reason = f"they hold more than {MOST_CLASSES} values, as photos do, and maps that were saved with loss"
    elif not others:
        reason = "all their pixels are 0"
    elif 0 not in found:
        reason = f"they hold {_values(found, in_colour)}, and no black (0) that would be the ground"
    elif not in_colour and VOID in others and len(others) > 1:
        reason = f"they hold {_values(found, in_colour)}, and {VOID} may be a class or mean 'not judged'"
    if reason:
        raise _ambiguous(paths[0].parent, reason)
    values = [_value(code, in_colour) for code in others]
    return {str(value) if isinstance(value, int) else "#{:02x}{:02x}{:02x}".format(*value): value for value in values}


def _contents(paths: Sequence[Path]) -> tuple[set[int], bool, int]:
    """All values of the files, whether these are colours, and how many palettes there are."""
    numbers: set[int] = set()
    shades: set[int] = set()
    palettes: set[bytes] = set()
    in_colour = False
    for path in paths:
        try:
            label_map = load_image(path, turn=False)
        except DamagedImageError:
            continue  # decoding will count and name it
        in_colour = in_colour or is_coloured(label_map)
        numbers.update(np.unique(to_codes(label_map, in_colour=False)).tolist())
        shades.update(np.unique(to_codes(label_map, in_colour=True)).tolist())
        if min(len(numbers), len(shades)) > MOST_CLASSES + 1:
            break  # photos have millions
        if label_map.palette is not None:
            palettes.add(bytes(label_map.palette.palette))
    return (shades if in_colour else numbers), in_colour, len(palettes)


def _ambiguous(folder: Path, reason: str) -> DataError:
    return DataError(
        f"What the classes of the label maps in {folder} are is not clear: {reason}. Name them: add "
        f"--data.classes {EXAMPLE}."
    )


class LabelMaps(FilesDataModule):
    """Label maps as images, one channel a class, without masks and labels.

    A pixel of the small image belongs to what covers most of it, a class or none; with `resize: nearest` to what is in
    the file at the nearest pixel. No pixel is in two channels.

    Args:
        image_size: Side of the square images in pixels.
        **kwargs: As for every data module, see `ZooDataModule`.
    """

    num_classes = 0
    whole = False
    alone = False

    def __init__(self, image_size: int = 32, **kwargs: Any) -> None:
        super().__init__(with_masks=False, image_size=image_size, **kwargs)

    @property
    def classes(self) -> Mapping[str, Value]:
        """What the channels are called, in order, with their values in the files."""
        raise NotImplementedError

    @property
    def label_rule(self) -> LabelRule:
        """What the pixels of the files mean."""
        return LabelRule(tuple(self.classes.values()), self.alone)

    def read(self, item: Item) -> tuple[Bytes, None]:  # noqa: D102
        return self.label_rule(load_image(item.image, turn=False), self.image_size, self.resize), None

    def recipe(self) -> dict[str, object]:  # noqa: D102
        return {"label_rule": repr(self.label_rule)}

    def check(self, writer: StoreWriter, split: Split) -> None:
        """Refuse a class that no training picture shows: its value is a wrong one."""
        absent = [name for name, highest in zip(self.classes, writer.highest, strict=True) if highest == 0]
        if split == "train" and absent:
            found, in_colour, _ = _contents([item.image for item in self.items("train")[:LOOK_AT]])
            raise DataError(
                f"No training picture shows {absent[0]} = {self.classes[absent[0]]}; the first of them hold "
                f"{_values(found, in_colour)}. Correct that value in "
                "--data.classes, or leave the class out; files saved with loss, such as JPEGs, do not keep values."
            )
