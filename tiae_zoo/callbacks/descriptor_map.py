"""A map of the descriptors of transformed images: one tight cluster per image, or a cloud."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor

from tiae_zoo.callbacks.drawing import save_png
from tiae_zoo.callbacks.map_drawing import descriptor_figure
from tiae_zoo.callbacks.pictures import FirstImages, free_path, pictures_folder
from tiae_zoo.metrics.invariance import descriptor_moments, variance_ratio


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
        num_shifts: random transforms of each.
        seed: of the transforms.

    Raises:
        ValueError: for a number below 1.
    """

    def __init__(self, num_images: int = 12, num_shifts: int = 32, seed: int = 0) -> None:
        if num_images < 1 or num_shifts < 1:
            raise ValueError(
                f"DescriptorMap got num_images={num_images} and num_shifts={num_shifts}. "
                "Give whole numbers of at least 1."
            )
        self.num_images = num_images
        self.num_shifts = num_shifts
        self.seed = seed
        self._folder: Path | None = None
        self._due: FirstImages | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder, or say that there is nothing to draw."""
        self._folder = None
        if stage != "test" or getattr(trainer, "fast_dev_run", False):
            return
        if not callable(getattr(pl_module, "encode", None)) or not hasattr(pl_module, "family"):
            rank_zero_warn(
                f"DescriptorMap draws nothing: {type(pl_module).__name__} lacks `encode(images)` or a transform "
                "`family`. Add both, or take the callback out."
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
        if self._due is not None and dataloader_idx == 0 and self._due.missing > 0:
            self._due.add(batch)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Describe the transformed images and draw the map."""
        batch = self._due.take() if self._due is not None else {}
        self._due = None
        if not batch or self._folder is None:
            return
        descriptors = describe(pl_module, batch["image"], self.num_shifts, self.seed)  # (B, S, D)
        if trainer.is_global_zero:
            points, shares = principal_plane(descriptors)
            path = free_path(self._folder / "descriptor_map.png")
            ratio = variance_ratio(descriptor_moments(descriptors)).item()  # the class would wait for the others
            save_png(descriptor_figure(batch["image"], points, shares, ratio), path)
            write_csv(path.with_suffix(".csv"), points, batch.get("index"), batch.get("label"))


def describe(method: Any, images: Tensor, num_versions: int, seed: int) -> Tensor:
    """Encode random transforms of images, image by image to bound the memory.

    Args:
        method: offers `encode` and `family.sample`.
        images: (B, C, H, W).
        num_versions: S, transforms of each image.
        seed: of the transforms.

    Returns:
        float32 (B, S, D) on the CPU.

    Raises:
        ValueError: if `encode` does not give one vector for each image.
    """
    generator = torch.Generator().manual_seed(seed)
    described = []
    with torch.no_grad():
        for image in images:
            transformed, _ = method.family.sample(image.expand(num_versions, -1, -1, -1), generator)
            descriptors = method.encode(transformed)
            if descriptors.ndim != 2 or len(descriptors) != num_versions:
                raise ValueError(
                    f"encode gave shape {tuple(descriptors.shape)} for {num_versions} images. "
                    "Return one descriptor (D,) for each image."
                )
            described.append(descriptors.float().cpu())
    return torch.stack(described)


def principal_plane(descriptors: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project descriptors on the plane in which they vary most.

    Args:
        descriptors: (B, S, D).

    Returns:
        Points (B, S, 2), and the share (2,) of the whole variance along each axis, in [0, 1]. The sign of an axis is
        chosen so that its largest coefficient is positive: the same descriptors give the same map.
    """
    images, versions, features = descriptors.shape
    flat = descriptors.reshape(-1, features).numpy().astype(np.float64)
    centred = flat - flat.mean(0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    axes, shares = axes[:2], lengths[:2] ** 2 / max((lengths**2).sum(), np.finfo(np.float64).tiny)
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    points = centred @ axes.T
    missing = 2 - len(axes)  # one dimension, or one descriptor
    points = np.pad(points, ((0, 0), (0, missing)))
    return points.reshape(images, versions, 2), np.pad(shares, (0, missing))


def write_csv(path: Path, points: NDArray[np.float64], index: Tensor | None, label: Tensor | None) -> None:
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
