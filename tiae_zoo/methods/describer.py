"""What the methods that describe an image share: judging descriptors the same way, whoever made them."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torchmetrics import MeanMetric

from tiae_zoo.invariance import TransformFamily
from tiae_zoo.methods.base import Batch
from tiae_zoo.metrics import WithinBetweenVariance

GRID_SIZE = 25  # transforms at which the descriptors of an image are compared: 5x5 shifts


class Describer(LightningModule):
    """Base of methods that describe an image by a vector and restore a pattern from it.

    Logged at validation and test, for every image transformed in about 25 ways spread evenly over the family:
    `variance_ratio`, the variance of the descriptors within an image over that between images (0 is invariant), and
    `restoration_error`, the squared error a pixel of what is restored from a transformed image, against the nearest
    transform of the image.

    Args:
        dim_descriptor: D, length of the descriptor.
        family: the transforms T_theta that are asked about.
    """

    def __init__(self, dim_descriptor: int, family: TransformFamily) -> None:
        super().__init__()
        self.family = family
        self.variance_ratio = WithinBetweenVariance(dim_descriptor)
        self.restoration_error = MeanMetric()

    def encode(self, images: Tensor) -> Tensor:
        """Return descriptors (B, D) for images (B, C, S, S) in [0, 1]."""
        raise NotImplementedError

    def decode(self, descriptors: Tensor) -> Tensor:
        """Return patterns (B, C, S, S) in [0, 1] for descriptors (B, D)."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Return restored patterns (B, C, S, S) in [0, 1] for images (B, C, S, S) in [0, 1]."""
        return self.decode(self.encode(images))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Judge one batch."""
        self.evaluate(batch["image"], "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Judge one batch."""
        self.evaluate(batch["image"], "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return `descriptor` (B, D) and `restored` (B, C, S, S)."""
        descriptor = self.encode(batch["image"])
        return {"descriptor": descriptor, "restored": self.decode(descriptor)}

    def evaluate(self, images: Tensor, stage: str) -> None:
        """Score images (B, C, S, S) and log the scores of the stage, `val` or `test`."""
        descriptors = []
        for theta in evaluation_grid(self.family).to(images.device):
            transformed = self.family.apply(images, theta.expand(len(images), -1))
            descriptors.append(self.encode(transformed).float())
            restored = self.decode(descriptors[-1]).float()
            target = self.family.nearest(restored, images).image
            self.restoration_error.update((restored - target).square().mean((1, 2, 3)))
        self.variance_ratio.update(torch.stack(descriptors, 1))
        self.log(f"{stage}/variance_ratio", self.variance_ratio, prog_bar=True)
        self.log(f"{stage}/restoration_error", self.restoration_error, prog_bar=True)

    @torch.no_grad()
    def gallery(self, batch: Batch) -> dict[str, Tensor]:
        """Return columns (B, C, S, S): an image somewhere, what is restored of it; the same, elsewhere."""
        columns = {}
        for seed, (image, pattern) in enumerate([("input", "restored"), ("elsewhere", "restored from it")]):
            # the same transforms all along a run
            columns[image], _ = self.family.sample(batch["image"], torch.Generator().manual_seed(seed))
            columns[pattern] = self(columns[image]).clamp(0, 1)
        return columns


def evaluation_grid(family: TransformFamily) -> Tensor:
    """Return about 25 thetas (N, P) spread evenly over a family, however many parameters it has."""
    return family.grid(max(2, round(GRID_SIZE ** (1 / len(family.parameters)))))
