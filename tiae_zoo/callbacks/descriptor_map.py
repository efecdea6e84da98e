"""A map of the descriptors of transformed images: one tight cluster per image, or a cloud."""

import csv
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from tiae_zoo.callbacks.descriptors import NEEDED, describe_transformed, offers_descriptors
from tiae_zoo.callbacks.drawing import GAP, INK, enlarged, numbered_colour
from tiae_zoo.callbacks.pictures import FirstImages, free_path, pictures_folder, publish
from tiae_zoo.metrics.invariance import descriptor_moments, variance_ratio

DPI = 100
PLOT = 560  # px: side of the scatter plot
THUMBNAIL = 64  # px: about the side of an image beside it

Points = NDArray[np.float64]
Colour = tuple[float, float, float]


class DescriptorMap(Callback):
    """Draw the descriptors of randomly transformed test images in the plane of their two first principal components.

    An invariant descriptor gives one tight cluster for each image; an ordinary auto-encoder gives a cloud (Matsuo and
    Shimada, "Transform Invariant Auto-encoder", arXiv 1709.03754).

    A method takes part by offering `encode(images (B, C, H, W)) -> (B, D)` and a transform family
    `family.sample(images, generator) -> (transformed images, theta)`. At the end of a test,
    `pictures/descriptor_map.png` and `.csv` (image, label, transform, x, y) are written to the run's folder, by the
    first process, never over an older file, and not in a `fast_dev_run`.

    Args:
        num_images: the first images of the test set that are drawn.
        num_transforms: random transforms of each.
        seed: of the transforms.

    Raises:
        ValueError: for a number below 1.
    """

    def __init__(self, num_images: int = 12, num_transforms: int = 32, seed: int = 0) -> None:
        if num_images < 1 or num_transforms < 1:
            raise ValueError(
                f"DescriptorMap got num_images={num_images} and num_transforms={num_transforms}. "
                "Give whole numbers of at least 1."
            )
        self.num_images = num_images
        self.num_transforms = num_transforms
        self.seed = seed
        self._folder: Path | None = None
        self._due: FirstImages | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder, or say that there is nothing to draw."""
        self._folder = None
        if stage != "test" or getattr(trainer, "fast_dev_run", False):
            return
        if not offers_descriptors(pl_module):
            rank_zero_warn(
                f"DescriptorMap draws nothing: {type(pl_module).__name__} lacks {NEEDED}. "
                "Add both, or take the callback out."
            )
            return
        self._folder = pictures_folder(trainer)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to collect."""
        self._due = FirstImages(self.num_images) if self._folder is not None else None

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect images until there are enough."""
        if self._due is not None and dataloader_idx == 0:
            self._due.add(batch)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Describe the transformed images and draw the map."""
        batch = self._due.take() if self._due is not None else {}
        self._due = None
        if not batch or self._folder is None:
            return
        repeated = batch["image"].repeat_interleave(self.num_transforms, 0)
        descriptors = describe_transformed(pl_module, repeated, torch.Generator().manual_seed(self.seed))
        descriptors = descriptors.unflatten(0, (-1, self.num_transforms))  # (B, S, D)
        if trainer.is_global_zero:
            points, shares = principal_plane(descriptors)
            path = free_path(self._folder / "descriptor_map.png")
            ratio = variance_ratio(descriptor_moments(descriptors)).item()  # the class would wait for the others
            figure = descriptor_figure(batch["image"], points, shares, ratio)
            figure.savefig(path, bbox_inches="tight", pad_inches=0.16)
            publish(trainer, path, "descriptor_map")
            write_csv(path.with_suffix(".csv"), points, batch.get("index"), batch.get("label"))


def principal_plane(descriptors: Tensor) -> tuple[Points, NDArray[np.float64]]:
    """Project descriptors on the plane in which they vary most.

    Args:
        descriptors: (B, S, D).

    Returns:
        Points (B, S, 2), and the share (2,) of the whole variance along each axis, in [0, 1]. An axis that does not
        exist, for a single dimension or descriptor, is 0.
    """
    from sklearn.decomposition import PCA  # takes half a second, for this picture alone

    flat = descriptors.flatten(0, 1).double().numpy()
    pca = PCA(min(2, *flat.shape), svd_solver="full")  # with signs that depend on the descriptors alone
    with np.errstate(invalid="ignore"):  # no variance has no shares
        points, missing = pca.fit_transform(flat), 2 - pca.n_components
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    points = np.pad(points, ((0, 0), (0, missing))).reshape(*descriptors.shape[:2], 2)
    return points, np.pad(shares, (0, missing))


def descriptor_figure(images: Tensor, points: Points, shares: NDArray[np.float64], ratio: float) -> Figure:
    """Draw a scatter plot and, in the frame of its colour, each image it shows; to be saved with a tight box.

    Args:
        images: (B, C, H, W) in [0, 1].
        points: (B, S, 2), the descriptors of S transforms of each image, in the plane.
        shares: (2,), share of the whole variance along each axis, in [0, 1].
        ratio: within / between variance of these descriptors.
    """
    figure = Figure((PLOT / DPI, PLOT / DPI), DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    colours = image_colours(len(images))
    for cluster, colour in zip(points, colours, strict=True):
        axes.scatter(cluster[:, 0], cluster[:, 1], s=18, color=colour, alpha=0.8, linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")  # distances on the map are distances between descriptors
    axes.set_xlabel(f"first principal component ({shares[0]:.0%} of the variance)", color=INK)
    axes.set_ylabel(f"second ({shares[1]:.0%})", color=INK)
    axes.tick_params(labelsize="small", colors="#666666")
    axes.set_axisbelow(True)
    axes.grid(color="#eeeeee")
    axes.spines[:].set_color("#bbbbbb")
    heading = f"Descriptors of {len(images)} test images, {points.shape[1]} random transforms of each"
    note = (
        f"Within / between variance of these descriptors, in all dimensions: {ratio:.3g}\n"
        "The logged variance_ratio is that of the whole test set at fixed transforms."
    )
    axes.set_title(heading, loc="left", color=INK, pad=38)
    axes.annotate(note, (0, 1), (0, 6), "axes fraction", "offset points", va="bottom", color=INK, size="small")
    legend = OffsetImage(np.asarray(image_legend(images, colours)), dpi_cor=False, interpolation="nearest")
    axes.add_artist(AnnotationBbox(legend, (1.03, 1), xycoords="axes fraction", box_alignment=(0, 1), frameon=False))
    return figure


def image_legend(images: Tensor, colours: list[Colour]) -> Image.Image:
    """Arrange small images, each in the frame of its colour, in columns not much higher than the plot.

    Args:
        images: (B, C, H, W) in [0, 1].
        colours: one for each.
    """
    tiles = []
    for picture, colour in zip(enlarged(images, THUMBNAIL), colours, strict=True):
        small = picture.reduce(max(1, round(max(picture.size) / THUMBNAIL)))
        tiles.append(ImageOps.expand(small, 4, tuple(round(255 * part) for part in colour)))
    width, height = (side + GAP for side in tiles[0].size)
    columns = ceil(len(tiles) * height / (PLOT + GAP))
    rows = ceil(len(tiles) / columns)
    page = Image.new("RGB", (columns * width - GAP, rows * height - GAP), "white")
    for number, tile in enumerate(tiles):
        page.paste(tile, (number // rows * width, number % rows * height))
    return page


def image_colours(count: int) -> list[Colour]:
    """Return one RGB colour in [0, 1] for each image: well apart for up to 20, along the rainbow beyond."""
    if count <= 20:
        return [numbered_colour(number) for number in range(count)]
    return [colormaps["turbo"](number / (count - 1))[:3] for number in range(count)]


def write_csv(path: Path, points: Points, index: Tensor | None, label: Tensor | None) -> None:
    """Write a row for each descriptor: image, label (empty if unknown), transform, x, y.

    Args:
        path: of the file.
        points: (B, S, 2).
        index: (B,), the number of each image in its set; counted from 0 if `None`.
        label: (B,) or `None`.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "transform", "x", "y"])
        for number, cluster in enumerate(points):
            image = number if index is None else int(index[number])
            name = "" if label is None else int(label[number])
            rows.writerows([image, name, version, f"{x:.6g}", f"{y:.6g}"] for version, (x, y) in enumerate(cluster))
