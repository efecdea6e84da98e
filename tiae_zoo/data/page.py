"""Patches of one page: text, formulas, drawings; ink is bright on black, as the digits are."""

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage, stats
from torch import Tensor
from torchvision.transforms.v2 import Transform

from tiae_zoo.data.base import ZooDataModule
from tiae_zoo.data.datasets import DrawnDataset, Sample, Split, part_of
from tiae_zoo.data.decode import DamagedImageError, as_rgb, load_image
from tiae_zoo.data.errors import DataError, check_choice
from tiae_zoo.data.places import all_places, places
from tiae_zoo.data.seeding import check_seed

Ink = npt.NDArray[np.float32]
InkTone = Literal["auto", "dark", "bright"]

DEFAULT_PAGE = "documents/page.png"
PAPER_WINDOW = 33  # px: larger than a stroke is wide, smaller than a shadow
FULL_INK = 95  # percentile of the darkening of inked pixels that counts as full ink
NO_INK = 0.25  # of full ink: grain and stains of the paper below
LEAST_CONTRAST = 0.1  # of the paper's brightness: what is less dark is paper
LEAST_COVER = 0.02  # mean ink of a patch: about one letter in 32x32


def find_page(given: str, data_root: Path) -> Path:
    """The file itself: as it is, relative to the working directory, or below the root of all data.

    Raises:
        DataError: there is none; the message says where it was looked for.
    """
    for candidate in places(given, data_root):
        if candidate.is_file():
            return candidate
    raise DataError(
        f"There is no page {all_places(given, data_root)}. Give the picture file of a scanned or photographed page."
    )


def read_page(path: Path, patch_size: int, ink_tone: InkTone = "auto") -> Ink:
    """The ink on a page, float32 (H, W) in [0, 1].

    Args:
        path: A picture of any kind; colours count as grey, the camera's orientation is obeyed.
        patch_size: Side in pixels of the patches it is to be cut into.
        ink_tone: As in :func:`ink_of`.

    Raises:
        DataError: the file is no picture, smaller than a patch, or blank.
    """
    check_choice("ink_tone", ink_tone, get_args(InkTone))
    try:
        picture = as_rgb(load_image(path, turn=True)).convert("L")
    except DamagedImageError as error:
        raise DataError(f"The page {path} cannot be read as a picture ({error}). Give a PNG, JPEG or TIFF.") from error
    if min(picture.size) < patch_size:
        raise DataError(
            f"The page {path} has {picture.width}x{picture.height} pixels, less than one patch of {patch_size} px. "
            "Give a larger picture of it."
        )
    try:
        return ink_of(np.asarray(picture, np.float32) / np.float32(255), ink_tone)
    except DataError as error:
        raise DataError(f"The page {path}: {error}") from error


def ink_of(grey: npt.NDArray[np.float32], ink_tone: InkTone = "auto") -> Ink:
    """Tell ink from paper, whatever the light: how much darker a pixel is than the paper around it.

    The paper's brightness is the closing of the picture by a square of `PAPER_WINDOW` pixels, smoothed. Of the
    darkening 1 - grey / paper, the `FULL_INK` percentile of what is above `LEAST_CONTRAST` is 1, and what is below
    `NO_INK` of that is 0.

    Args:
        grey: (H, W) in [0, 1].
        ink_tone: `dark` on bright paper or `bright` on dark. `auto` decides by the skewness of the picture over its
            local mean: ink is the longer tail, however little of it there is.

    Returns:
        (H, W) in [0, 1], ink bright.

    Raises:
        DataError: nothing stands out from the paper.
    """
    if ink_tone == "bright" or (ink_tone == "auto" and not _is_paper_bright(grey)):
        return ink_of(1 - grey, "dark")
    paper = ndimage.uniform_filter(ndimage.grey_closing(grey, (PAPER_WINDOW, PAPER_WINDOW)), PAPER_WINDOW)
    darkening = (paper - grey) / np.maximum(paper, 1 / 255)
    inked = darkening[darkening > LEAST_CONTRAST]
    if not len(inked):
        raise DataError("Nothing on it stands out from the paper. Give a page with text or drawings in clear contrast.")
    return ((darkening / np.percentile(inked, FULL_INK) - NO_INK) / (1 - NO_INK)).clip(0, 1).astype(np.float32)


def _is_paper_bright(grey: npt.NDArray[np.float32]) -> bool:
    light = ndimage.uniform_filter(grey, 2 * PAPER_WINDOW)
    return not stats.skew(grey / np.maximum(light, 1 / 255), axis=None) > 0  # a blank page has none


def inked_corners(ink: Ink, size: int) -> npt.NDArray[np.bool_]:
    """Where a patch is not nearly empty: its mean ink is at least `LEAST_COVER`.

    Args:
        ink: (H, W) in [0, 1].
        size: Side S of the patches, at most H and W.

    Returns:
        (H - S + 1, W - S + 1), for the upper left corner of each patch.
    """
    sums = np.pad(ink.cumsum(0, np.float64).cumsum(1), ((1, 0), (1, 0)))  # (H + 1, W + 1), zero first
    cover = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return cover >= LEAST_COVER * size**2


class Patches:
    """The square patches of a page, each around a pixel of it; beyond the page there is no ink.

    Args:
        ink: the page, (H, W) in [0, 1].
        size: side S of the patches in pixels.
    """

    def __init__(self, ink: Ink, size: int) -> None:
        self.ink = ink
        self.size = size
        self._padded = np.pad(ink, size // 2)

    def centres(self, stride: int) -> npt.NDArray[np.int64]:
        """Return (x, y) of a grid of patches (N, 2) all over the page, without the nearly empty ones.

        A patch may reach beyond the edge by a quarter of its side, so that patterns there get votes from all sides.

        Args:
            stride: distance of the patches along either axis in pixels.
        """
        height, width = self.ink.shape
        first = self.size // 2 - self.size // 4
        y, x = np.mgrid[first : height - first + 1 : stride, first : width - first + 1 : stride]
        inked = inked_corners(self._padded, self.size)[y, x]
        return np.stack([x[inked], y[inked]], 1)

    def cut(self, centres: npt.NDArray[np.int64]) -> Tensor:
        """Return the patches (N, 1, S, S) around `centres` (N, 2), whose pixel is at [S // 2, S // 2]."""
        views = np.lib.stride_tricks.sliding_window_view(self._padded, (self.size, self.size))
        return torch.from_numpy(views[centres[:, 1], centres[:, 0]])[:, None]


class PagePatchesDataset(DrawnDataset):
    """Random patches of a page, nearly empty ones left out: each a pure function of (seed, split, index).

    Args:
        ink: The page, (H, W) in [0, 1].
        split: `train`, `val` or `test`.
        length: Patches in the split.
        size: Side of the patches in pixels.
        seed: Another seed gives other patches.
        transform: Random transform of a patch.

    Raises:
        DataError: every patch is nearly empty.
    """

    def __init__(
        self, ink: Ink, split: str, length: int, size: int, seed: int, transform: Transform | None = None
    ) -> None:
        super().__init__(split, length, seed, transform)
        self.ink, self.size = ink, size
        inked = inked_corners(ink, size)
        self.width = inked.shape[1]
        self.corners = np.flatnonzero(inked).astype(np.uint32)  # half the memory: a large scan has millions
        if not len(self.corners):
            raise DataError(f"All patches of {size} px are nearly empty. Give a page with more on it.")

    def draw(self, index: int, rng: np.random.Generator) -> Sample:  # noqa: D102
        top, left = divmod(int(self.corners[rng.integers(len(self.corners))]), self.width)
        patch = self.ink[top : top + self.size, left : left + self.size]
        return {"image": torch.from_numpy(patch.copy())[None]}


class PagePatches(ZooDataModule):
    """Random patches of a page, one channel, ink bright on black; no masks, no labels.

    The three splits are drawn from the same page with different randomness, so their patches overlap: validation and
    test measure a method on this page, not on others. Prediction covers the test patches.

    Args:
        page: The picture of a page; a relative path is looked for in the working directory, then in the data root.
        ink_tone: `dark` on bright paper or `bright` on dark; `auto` finds out.
        image_size: Side of the patches in pixels. The page is not scaled.
        num_train: Training patches in an epoch.
        num_val: Validation patches.
        num_test: Test patches.
        seed: Another seed gives other patches.
        **kwargs: As for every data module, see `ZooDataModule`.
    """

    folder_name: ClassVar[str] = "documents"
    scored = False
    channels = 1
    num_classes = 0

    def __init__(
        self,
        page: str = DEFAULT_PAGE,
        ink_tone: InkTone = "auto",
        image_size: int = 32,
        num_train: int = 20000,
        num_val: int = 1000,
        num_test: int = 1000,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_size=image_size, **kwargs)
        check_choice("ink_tone", ink_tone, get_args(InkTone))
        if min(num_train, num_val, num_test) < 1:
            raise DataError("PagePatches needs patches in every split; give num_train, num_val, num_test at least 1.")
        check_seed("seed", seed)
        self.page = page
        self.ink_tone: InkTone = ink_tone
        self.lengths = {"train": num_train, "val": num_val, "test": num_test}
        self.seed = seed

    @property
    def path(self) -> Path:
        """Where the page is."""
        return find_page(self.page, self.data_root)

    @cached_property
    def ink(self) -> Ink:
        """The page, (H, W) in [0, 1]."""
        return read_page(self.path, self.image_size, self.ink_tone)

    def load(self, split: Split) -> PagePatchesDataset:  # noqa: D102
        part = part_of(split)
        transform = self.transform if split == "train" else None
        return PagePatchesDataset(self.ink, part, self.lengths[part], self.image_size, self.seed, transform)
