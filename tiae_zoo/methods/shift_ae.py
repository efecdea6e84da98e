"""The shift-invariant auto-encoder (Matsuo and Shimada, "Transform Invariant Auto-encoder", arXiv 1709.03754)."""

from __future__ import annotations

from typing import cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR
from torchmetrics import MeanMetric

from tiae_zoo.invariance import Shift, TransformFamily
from tiae_zoo.methods.base import Batch
from tiae_zoo.metrics import WithinBetweenVariance
from tiae_zoo.networks.autoencoder import ShapeDecoder, ShapeEncoder
from tiae_zoo.objectives import sparseness

GRID_STEPS = 5  # shifts along either axis at which descriptors are compared: 25 of them


class ShiftInvariantAE(LightningModule):
    """Describes the shape in an image and forgets where it lies.

    Encoder E and decoder D minimise, over images I and shifts T_theta,

        lambda_inv * ||D(E(I)) - D(E(T_theta I))||^2               the code must not depend on theta
      + lambda_res * min over theta of ||D(E(I)) - T_theta I||^2   some shift of I must be restored
      + lambda_spa * ||E(I)||_1^2 / ||E(I)||_2^2                   energy in few descriptor dimensions

    The first term is a mean over a few random shifts; the minimum of the second runs over all (2 max_shift + 1)^2.
    Squared errors are summed over pixels and averaged over images.

    Logged at validation and test, for the images moved to a grid of 25 shifts:
    `variance_ratio`, the variance of the descriptors within an image over that between images (0 is invariant), and
    `restoration_error`, the squared error of D(E(T_theta I)) at the best shift of I, a pixel.

    Args:
        image_size: side of the images in pixels; the slides' is 32.
        image_channels: channels of the images.
        dim_descriptor: length of the descriptor; the slides' is 30.
        max_shift: largest shift along either axis in pixels; the slides' is 8.
        num_shifts: random shifts of each image in a training step (ours: the slides sum over all).
        lambda_inv: weight of the invariance term (ours: the slides print no weights).
        lambda_res: weight of the restoration term (ours).
        lambda_spa: weight of the sparseness term (ours).
        lr: peak learning rate of a one-cycle schedule over the whole training (ours).
    """

    def __init__(
        self,
        image_size: int = 32,
        image_channels: int = 1,
        dim_descriptor: int = 30,
        max_shift: int = 8,
        num_shifts: int = 1,
        lambda_inv: float = 1.0,
        lambda_res: float = 1.0,
        lambda_spa: float = 0.0,
        lr: float = 1e-3,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.num_shifts, self.lr = num_shifts, lr
        self.lambda_inv, self.lambda_res, self.lambda_spa = lambda_inv, lambda_res, lambda_spa
        self.family: TransformFamily = Shift(max_shift)
        self.encoder = ShapeEncoder(image_size, image_channels, dim_descriptor)
        self.decoder = ShapeDecoder(image_size, image_channels, dim_descriptor)
        self.variance_ratio = WithinBetweenVariance(dim_descriptor)
        self.restoration_error = MeanMetric()

    def encode(self, images: Tensor) -> Tensor:
        """Return descriptors (B, D) for images (B, C, S, S) in [0, 1]."""
        return self.encoder(images)

    def forward(self, images: Tensor) -> Tensor:
        """Return restored patterns (B, C, S, S) in [0, 1], wherever the shape lay in the images (B, C, S, S)."""
        return self.decoder(self.encoder(images))

    def losses(self, images: Tensor, shifted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return C_inv, C_res and C_spa, each 0-d.

        Args:
            images: I, (B, C, S, S).
            shifted: T_theta I at N shifts, (N * B, C, S, S), in N blocks of B.
        """
        descriptors = self.encoder(torch.cat([images, shifted]))
        restored, restored_shifted = self.decoder(descriptors).float().tensor_split([len(images)])
        target = self.family.nearest(restored, images).image
        invariance = (restored_shifted.unflatten(0, (-1, len(images))) - restored).square().sum((2, 3, 4)).mean()
        restoration = (restored - target).square().sum((1, 2, 3)).mean()
        return invariance, restoration, sparseness(descriptors[: len(images)].float())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted sum of the three terms."""
        images = batch["image"]
        shifted, _ = self.family.sample(images.repeat(self.num_shifts, 1, 1, 1))
        invariance, restoration, spread = self.losses(images, shifted)
        loss = self.lambda_inv * invariance + self.lambda_res * restoration + self.lambda_spa * spread
        self.log("train/loss", loss, prog_bar=True)
        self.log_dict({"train/loss_inv": invariance, "train/loss_res": restoration, "train/sparseness": spread})
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure invariance and restoration on one batch."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure invariance and restoration on one batch."""
        self._evaluate(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return `descriptor` (B, D) and `restored` (B, C, S, S)."""
        descriptor = self.encode(batch["image"])
        return {"descriptor": descriptor, "restored": self.decoder(descriptor)}

    def _evaluate(self, batch: Batch, stage: str) -> None:
        images = batch["image"]
        grid = self.family.grid(GRID_STEPS).to(images.device)
        descriptors = []
        for theta in grid:
            shifted = self.family.apply(images, theta.expand(len(images), -1))
            descriptors.append(self.encode(shifted))
            restored = self.decoder(descriptors[-1])
            error = (restored - self.family.nearest(restored, images).image).square().mean((1, 2, 3))
            self.restoration_error.update(error)
        self.variance_ratio.update(torch.stack(descriptors, 1))
        self.log(f"{stage}/variance_ratio", self.variance_ratio, prog_bar=True)
        self.log(f"{stage}/restoration_error", self.restoration_error, prog_bar=True)

    def on_train_start(self) -> None:
        """Refuse to resume what the schedule has no steps for; it would stop in the middle.

        Raises:
            MisconfigurationException: the checkpoint's training was planned with another number of steps.
        """
        planned = cast(OneCycleLR, self.lr_schedulers()).total_steps
        steps = int(self.trainer.estimated_stepping_batches)
        if planned != steps:
            raise MisconfigurationException(
                f"The checkpoint's one-cycle schedule was made for {planned} steps, and this training has {steps}. "
                "Resume with the same data, batch size and trainer.max_epochs, or start anew."
            )

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return Adam with a one-cycle schedule stepped every batch."""
        optimiser = Adam(self.parameters(), lr=self.lr)
        schedule = OneCycleLR(optimiser, max_lr=self.lr, total_steps=int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @torch.no_grad()
    def gallery(self, batch: Batch) -> dict[str, Tensor]:
        """Return the columns input, restored, the input shifted, and what is restored of that; (B, C, S, S) each."""
        images = batch["image"]
        shifted, _ = self.family.sample(images, torch.Generator().manual_seed(0))  # the same shifts all along a run
        return {
            "input": images,
            "restored": self(images),
            "shifted input": shifted,
            "restored from it": self(shifted),
        }
