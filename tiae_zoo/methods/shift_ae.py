"""The shift-invariant auto-encoder (Matsuo and Shimada, "Transform Invariant Auto-encoder", arXiv 1709.03754)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanMetric

from tiae_zoo.invariance import Shift, TransformFamily, best_error
from tiae_zoo.methods.base import Batch
from tiae_zoo.methods.describer import Describer, evaluation_grid
from tiae_zoo.methods.one_cycle import OneCycle
from tiae_zoo.networks.autoencoder import ShapeDecoder, ShapeEncoder, ShiftRegressor
from tiae_zoo.objectives import sparseness


class ShiftInvariantAE(OneCycle, Describer):
    """Describes the shape in an image, and apart from it the place where it lies.

    The training images are images I at random shifts a, b, ... Encoder E and decoder D minimise

        lambda_inv * ||D(E(T_a I)) - D(E(T_b I))||^2                   the code must not depend on the shift
      + lambda_res * min over theta of ||D(E(T_a I)) - T_theta I||^2   some shift of I must be restored
      + lambda_spa * ||E(T_a I)||_1^2 / ||E(T_a I)||_2^2               energy in few descriptor dimensions

    as means over the shifts of an image, or pairs of them; the minimum runs over all (2 max_shift + 1)^2. Squared
    errors are summed over pixels and averaged over images; what a shift moves out of the frame counts as not restored,
    or else patterns settle where they are cut off. The regressor R learns beside them, and its teacher is the
    shift that moves the restored pattern onto the image: T_{R(I)} D(E(I)) ~ I.

    The formulas hold for any family of transforms; only R speaks of shifts, whatever else the family does.

    Logged at validation and test: see :class:`Describer`; and for the family of shifts `shift_error`, the mean length
    of R(T_theta I) - R(I) - theta in pixels.

    Args:
        family: the transforms that the descriptor ignores; shifts by up to 8 px, the slides', if None.
        image_size: side of the images in pixels; the slides' is 32.
        image_channels: channels of the images.
        dim_descriptor: length of the descriptor; the slides' is 30.
        num_transforms: N, random transforms of each image in a step, at least 2 (ours: the slides sum over all).
        lambda_inv: weight of the invariance term (ours: the slides print no weights).
        lambda_res: weight of the restoration term (ours).
        lambda_spa: weight of the sparseness term (ours).
        lr: peak learning rate of a one-cycle schedule over the whole training (ours).

    Raises:
        ValueError: there are fewer than two transforms to compare.
    """

    def __init__(
        self,
        family: TransformFamily | None = None,
        image_size: int = 32,
        image_channels: int = 1,
        dim_descriptor: int = 30,
        num_transforms: int = 2,
        lambda_inv: float = 1.5,
        lambda_res: float = 1.0,
        lambda_spa: float = 0.0,
        lr: float = 1.2e-2,
    ) -> None:
        super().__init__(dim_descriptor, family or Shift())
        if num_transforms < 2:
            raise ValueError(f"num_transforms={num_transforms} leaves nothing to compare. Give at least 2.")
        self.save_hyperparameters()
        self.num_transforms, self.lr = num_transforms, lr
        self.lambda_inv, self.lambda_res, self.lambda_spa = lambda_inv, lambda_res, lambda_spa
        self.encoder = ShapeEncoder(image_size, image_channels, dim_descriptor)
        self.decoder = ShapeDecoder(image_size, image_channels, dim_descriptor)
        self.regressor = ShiftRegressor(image_size, image_channels)
        self.placement = Shift(image_size // 2)  # I and its pattern may both lie off the middle, on opposite sides
        self.shift_error = MeanMetric()

    def encode(self, images: Tensor) -> Tensor:
        """Return descriptors (B, D) for images (B, C, S, S) in [0, 1]."""
        return self.encoder(images)

    def decode(self, descriptors: Tensor) -> Tensor:
        """Return patterns (B, C, S, S) in [0, 1] for descriptors (B, D)."""
        return self.decoder(descriptors)

    def estimate_shift(self, images: Tensor) -> Tensor:
        """Return R(I), (B, 2): (dx, dy) in pixels, right and down positive, that move the restored pattern onto I."""
        return self.regressor(images)

    def losses(self, images: Tensor, transformed: Tensor, theta: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return C_inv, C_res, C_spa and the loss of R, each 0-d.

        Args:
            images: I, (B, C, S, S).
            transformed: T_theta I for N thetas of each image, (N * B, C, S, S), in N blocks of B.
            theta: these thetas, (N * B, P).
        """
        descriptors = self.encoder(transformed)
        restored = self.decoder(descriptors).float()
        restoration = best_error(restored, images.repeat(len(restored) // len(images), 1, 1, 1), self.family).mean()
        # the mean of a squared difference over all pairs is twice the unbiased variance; torch.var is slower
        blocks = restored.unflatten(0, (-1, len(images)))
        invariance = 2 / (len(blocks) - 1) * (blocks - blocks.mean(0)).square().sum((0, 2, 3, 4)).mean()
        one = slice(len(images))  # R learns fast: one block
        bare = self.family.apply(images, self.family.bare(theta[one]))
        placement = placement_loss(self.regressor(transformed[one]), restored[one], bare, self.placement)
        return invariance, restoration, sparseness(descriptors.float()), placement

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted sum of the three terms, and the loss of R."""
        images = batch["image"]
        transformed, theta = self.family.sample(images.repeat(self.num_transforms, 1, 1, 1))
        invariance, restoration, spread, placement = self.losses(images, transformed, theta)
        loss = self.lambda_inv * invariance + self.lambda_res * restoration + self.lambda_spa * spread
        self.log("train/loss", loss, prog_bar=True)
        self.log_dict({"train/loss_inv": invariance, "train/loss_res": restoration, "train/sparseness": spread})
        self.log("train/loss_shift", placement)
        return loss + placement

    def evaluate(self, images: Tensor, stage: str) -> None:
        """Score images (B, C, S, S) as any descriptor, and R."""
        super().evaluate(images, stage)
        if not isinstance(self.family, Shift):
            return
        here = self.estimate_shift(images)
        for theta in evaluation_grid(self.family).to(images.device):
            moved = self.estimate_shift(self.family.apply(images, theta.expand(len(images), -1)))
            self.shift_error.update((moved - here - theta).norm(dim=1))
        self.log(f"{stage}/shift_error", self.shift_error)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return `descriptor` (B, D), `restored` (B, C, S, S) and `shift` (B, 2) in pixels."""
        return super().predict_step(batch, batch_idx) | {"shift": self.estimate_shift(batch["image"])}

    @torch.no_grad()
    def gallery(self, batch: Batch) -> dict[str, Tensor]:
        """Return columns (B, C, S, S): a transformed image, what is restored, and that moved onto the image; twice."""
        columns = {}
        titles = [("input", "restored", "in its place"), ("elsewhere", "restored from it", "in that place")]
        for seed, (image, pattern, placed) in enumerate(titles):
            # the same transforms all along a run
            columns[image], _ = self.family.sample(batch["image"], torch.Generator().manual_seed(seed))
            columns[pattern] = self(columns[image])
            columns[placed] = self.placement.apply(columns[pattern], self.estimate_shift(columns[image]))
        return columns


def placement_loss(estimate: Tensor, restored: Tensor, images: Tensor, shifts: Shift) -> Tensor:
    """Return how far R is from the best shift, 0-d; it trains R alone.

    Args:
        estimate: R(I), (B, 2).
        restored: D(E(I)), (B, C, S, S).
        images: I, or the object in it alone, on black; (B, C, S, S).
        shifts: those among which the best is searched.
    """
    teacher = shifts.nearest(images, restored).theta  # moves the pattern: the opposite of C_res's argmin
    return F.smooth_l1_loss(estimate, teacher)
