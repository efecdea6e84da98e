"""Image files to small uint8 arrays: decoding, resizing, mask rules.

Geometry is the papers': the shorter side is resized to `size`, then the centre square is cut out; image and mask alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from tiae_zoo.data.errors import DataError
from tiae_zoo.squares import shrunk_size, square_starts

Bytes = npt.NDArray[np.uint8]
Resize = Literal["antialias", "nearest"]
MaskRule = Callable[[Image.Image], Bytes]  # a square mask picture as read -> region indices (size, size)

IGNORE = 255
# A file of another shape than the image cannot be its mask; a small copy's rounding is allowed
ASPECT_TOLERANCE = 0.02


class DamagedImageError(Exception):
    """This one file cannot be read; the others can."""


@dataclass(frozen=True)
class Grey:
    """Images in one channel.

    Attributes:
        value_range: The values in grey files that are black and white; what lies beyond is cut off. None: 0 and the
            highest value that a file of its kind can hold (255; 65535 for 16 bits).
    """

    value_range: tuple[float, float] | None = None

    def __call__(self, image: Image.Image) -> Image.Image:
        """The image in 8-bit grey; of colours their luma, of transparency white."""
        grey = image if image.mode in ("I", "F") or image.mode.startswith("I;16") else as_rgb(image).convert("L")
        return eight_bits(grey) if self.value_range is None else stretched(grey, *self.value_range)


@dataclass(frozen=True)
class Item:
    """One sample as files.

    Attributes:
        name: What reports call it, unique in its split.
        image: The picture.
        mask: Its mask, if it has one.
        label: Its class, if it has one.
    """

    name: str
    image: Path
    mask: Path | None = None
    label: int | None = None


def decode(
    item: Item, size: int, resize: Resize, rule: MaskRule, turn: bool, shades: Grey | None = None
) -> tuple[Bytes, Bytes | None]:
    """Read one sample.

    Args:
        item: Where its files are.
        size: Side of the square result in pixels.
        resize: How the image (never the mask) is interpolated.
        rule: What the mask file's pixels mean.
        turn: Obey the camera's EXIF orientation. Official sets drew their masks on the unturned pixels.
        shades: How the image becomes grey; None: it stays in colour.

    Returns:
        Image (3 or 1, size, size) and mask (size, size), None if the item has none.

    Raises:
        DamagedImageError: the files cannot be decoded, or do not belong together.
        DataError: a file, which may be sound, cannot be read for now.
    """
    image = load_image(item.image, turn)
    small = to_pixels(image, size, resize, shades)
    if item.mask is None:
        return small, None
    mask = load_image(item.mask, turn)
    (width, height), (mask_width, mask_height) = image.size, mask.size
    if abs(width * mask_height - mask_width * height) > ASPECT_TOLERANCE * width * mask_height:
        raise DamagedImageError(f"its mask is {mask_width}x{mask_height} pixels, the image {width}x{height}")
    return small, rule(square(mask, size, "nearest"))


def load_image(path: Path | BinaryIO, turn: bool) -> Image.Image:
    """The file, on disk or in memory, as Pillow reads it; if `turn`, as the camera was held.

    Raises:
        DamagedImageError: it cannot be decoded.
        DataError: it may be sound, but cannot be read for now.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image) if turn else image
    except MemoryError as error:
        raise DataError(
            f"There is not enough memory to decode {path}. Free some, or make that file smaller."
        ) from error
    # Pillow's decoders report broken files by all of these
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system (permission, network), not Pillow's
            raise DataError(
                f"{path} cannot be read ({error.strerror}). See to it that it can be, and start again."
            ) from error
        raise DamagedImageError(f"{path.name}: {error}") from error


def to_pixels(image: Image.Image, size: int, resize: Resize, shades: Grey | None = None) -> Bytes:
    """An image of whatever kind as a square: (1, size, size) in these shades of grey, or (3, size, size) in colour."""
    return _channels_first(square(plain(image, shades), size, resize))


def to_squares(image: Image.Image, size: int, resize: Resize, shades: Grey | None = None) -> Bytes:
    """A whole image of whatever kind as (N, 1 or 3, size, size), see `tiae_zoo.squares`; the middle is `to_pixels`."""
    small = shrunk(plain(image, shades), size, resize)
    starts = square_starts(max(small.size), size)
    corners = [(start, 0) if small.width > small.height else (0, start) for start in starts]
    return np.stack([_channels_first(small.crop((x, y, x + size, y + size))) for x, y in corners])


def plain(image: Image.Image, shades: Grey | None = None) -> Image.Image:
    """An image of whatever kind as 8-bit grey in these shades, or as RGB."""
    return as_rgb(image) if shades is None else shades(image)


def _channels_first(image: Image.Image) -> Bytes:
    return np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)


def as_rgb(image: Image.Image) -> Image.Image:
    """An image of whatever kind (grey, palette, 16 bits, transparent, CMYK) as 8-bit RGB; transparency shows white."""
    image = eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float greys as 8-bit ones (Pillow's own conversion cuts them off at 255)."""
    if image.mode.startswith("I;16"):
        full = 65535.0
    elif image.mode in ("I", "F"):  # no range is declared: take the smallest usual one that holds the values
        highest = float(np.nan_to_num(np.asarray(image), posinf=0).max())
        full = next((limit for limit in (1.0, 255.0) if image.mode == "F" and highest <= limit), 65535.0)
        full = 255.0 if image.mode == "I" and highest <= 255 else full
    else:
        return image
    return stretched(image, 0.0, full)


def stretched(image: Image.Image, low: float, high: float) -> Image.Image:
    """Greys of any depth as 8-bit ones: `low` and what is below it black, `high` and what is above it white.

    What is not a number (float files of depth cameras say so where nothing was measured) is black.
    """
    values = np.nan_to_num(np.asarray(image).astype(np.float64), nan=low, posinf=low, neginf=low)
    return Image.fromarray(np.clip(np.rint((values - low) * (255 / (high - low))), 0, 255).astype(np.uint8))


def square(image: Image.Image, size: int, resize: Resize) -> Image.Image:
    """Resize the shorter side to `size` and cut out the centre (rounding as torchvision's Resize and CenterCrop)."""
    image = shrunk(image, size, resize)
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    return image.crop((left, top, left + size, top + size))


def shrunk(image: Image.Image, size: int, resize: Resize) -> Image.Image:
    """Resize the shorter side to `size`."""
    height, width = shrunk_size(image.height, image.width, size)
    if (width, height) == image.size:
        return image
    # Pillow's bilinear filter widens with the scale: it is the antialiased one
    how = Image.Resampling.NEAREST if resize == "nearest" else Image.Resampling.BILINEAR
    return image.resize((width, height), how)


def votes_mask(mask: Image.Image) -> Bytes:
    """Grey levels = annotators' votes: foreground above one half; of several channels the first counts."""
    pixels = np.asarray(eight_bits(mask))
    return ((pixels[..., 0] if pixels.ndim == 3 else pixels) > 127).astype(np.uint8)


def colours(mask: Image.Image) -> tuple[Bytes, Bytes, Bytes]:
    """Red, green and blue (size, size) of a mask painted in colours."""
    red, green, blue = (np.asarray(band) for band in mask.convert("RGB").split())
    return red, green, blue


@dataclass(frozen=True)
class ThresholdMask:
    """Black and white masks: foreground above one half; pixels of `ignore_value` are not judged."""

    ignore_value: int | None = None

    def __call__(self, mask: Image.Image) -> Bytes:
        """0, 1, and 255 where ignored."""
        grey = np.asarray(eight_bits(mask).convert("L"))
        regions = (grey > 127).astype(np.uint8)
        if self.ignore_value is not None:
            regions[grey == self.ignore_value] = IGNORE
        return regions


@dataclass(frozen=True)
class IndexMask:
    """Pixels that are region indices already (of a palette PNG the index counts, not the colour)."""

    num_classes: int
    ignore_value: int | None = None

    def __call__(self, mask: Image.Image) -> Bytes:
        """0 ... num_classes - 1, and 255 where ignored.

        Raises:
            DataError: a value is neither a class nor ignored.
        """
        pixels = np.asarray(mask)
        pixels = (pixels[..., 0] if pixels.ndim == 3 else pixels).astype(np.int64)
        ignored = (pixels == IGNORE) | (pixels == self.ignore_value)
        highest = int(np.where(ignored, 0, pixels).max())
        if highest >= self.num_classes:
            raise DataError(
                f"A mask holds the value {highest}, but there are only {self.num_classes} classes, 0 to "
                f"{self.num_classes - 1}. Raise --data.num_classes, name the value by --data.ignore_value, or use "
                "--data.mask_rule threshold for black and white masks."
            )
        return np.where(ignored, IGNORE, pixels).astype(np.uint8)
