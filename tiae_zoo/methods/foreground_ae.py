"""The foreground-extraction auto-encoder (Matsuo and Shimada, "Transform Invariant Auto-encoder", arXiv 1709.03754)."""

from __future__ import annotations

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torchmetrics import MeanMetric
from torchmetrics.image import PeakSignalNoiseRatio

from tiae_zoo.invariance import Background, Shift, best_error
from tiae_zoo.methods.base import Batch, Scored, Segmenter, mask_picture
from tiae_zoo.methods.describer import evaluation_grid
from tiae_zoo.methods.one_cycle import OneCycle
from tiae_zoo.methods.shift_ae import placement_loss
from tiae_zoo.metrics import WithinBetweenVariance
from tiae_zoo.networks.autoencoder import ShapeDecoder, ShapeEncoder, ShiftRegressor
from tiae_zoo.objectives import sparseness

# Versions of an object over which its descriptors are compared: other backgrounds, flipped, and others of the 25 shifts
FLIPS: tuple[list[int], ...] = ([], [2], [3], [2, 3])
SHIFT_STRIDE = 7  # from one shift of the grid to one that differs in x and y


class ForegroundAE(OneCycle, Segmenter):
    """Describes the object in an image and forgets what is behind it; draws it alone, on black.

    Training images I show an object on black. T_theta puts something behind it, I + (1 - max_c I) * background, after a
    shift of up to `max_shift`. Encoder E and decoder D minimise, over images and two such transforms a, b of each,

        lambda_inv * ||D(E(T_a I)) - D(E(T_b I))||^2     the code must not depend on the background, nor the shift
      + lambda_res * min over shifts of ||D(E(T_a I)) - T_shift I||^2           the object on black must be restored
      + lambda_spa * ||E(T_a I)||_1^2 / ||E(T_a I)||_2^2                        energy in few descriptor dimensions

    Backgrounds are not searched: the target's is black. Squared errors are summed over pixels and averaged over images.
    With shifts a regressor R learns where the restored pattern lies in the image, as in :class:`ShiftInvariantAE`;
    without, it lies where it is restored.

    Masks are the restoration in its place, brightest channel, and its complement. Logged at validation and test, where
    the data has backgrounds: the scores of :class:`Segmenter` against objects brighter than one half; `foreground_iou`,
    the same without matching; `psnr` of the restoration in its place in dB; and `variance_ratio` of descriptors over
    backgrounds and shifts. Data without backgrounds are scored as they are, against their masks.

    Args:
        max_shift: largest shift along either axis in pixels; the slides' is 8 where they shift, 0 is none.
        image_size: side of the images in pixels; the slides' is 32.
        image_channels: channels of the images.
        dim_descriptor: length of the descriptor; the slides' is 30.
        lambda_inv: weight of the invariance term (ours: the slides print no weights).
        lambda_res: weight of the restoration term (ours).
        lambda_spa: weight of the sparseness term (ours).
        lr: peak learning rate of a one-cycle schedule over the whole training (ours).
    """

    names_regions = True

    def __init__(
        self,
        max_shift: int = 0,
        image_size: int = 32,
        image_channels: int = 1,
        dim_descriptor: int = 30,
        lambda_inv: float = 0.5,
        lambda_res: float = 1.0,
        lambda_spa: float = 0.0,
        lr: float = 1.2e-2,
    ) -> None:
        super().__init__(num_regions=2)
        self.save_hyperparameters()
        self.lr = lr
        self.lambda_inv, self.lambda_res, self.lambda_spa = lambda_inv, lambda_res, lambda_spa
        self.shift = Shift(max_shift)
        self.placement = Shift(image_size // 2)
        self.encoder = ShapeEncoder(image_size, image_channels, dim_descriptor)
        self.decoder = ShapeDecoder(image_size, image_channels, dim_descriptor)
        self.regressor = ShiftRegressor(image_size, image_channels) if max_shift else None
        self.foreground_iou = MeanMetric()
        self.psnr = PeakSignalNoiseRatio(data_range=1.0)
        self.variance_ratio = WithinBetweenVariance(dim_descriptor)

    def encode(self, images: Tensor) -> Tensor:
        """Return descriptors (B, D) for images (B, C, S, S) in [0, 1]."""
        return self.encoder(images)

    def restore(self, images: Tensor) -> Tensor:
        """Return the object alone, on black, in a place that does not depend on its own; (B, C, S, S) in [0, 1]."""
        return self.decoder(self.encoder(images))

    def extract(self, images: Tensor) -> Tensor:
        """Return the object alone, on black, where it is; (B, C, S, S) in [0, 1]."""
        restored = self.restore(images)
        return restored if self.regressor is None else self.placement.apply(restored, self.regressor(images))

    def segment(self, images: Tensor) -> Tensor:
        """Return soft masks (B, 2, S, S), background and object, for images (B, C, S, S) in [0, 1]."""
        foreground = self.extract(images).float().amax(1)
        return torch.stack([1 - foreground, foreground], 1)

    def losses(self, images: Tensor, composed: Tensor, shifts: Tensor) -> tuple[Tensor, ...]:
        """Return C_inv, C_res, C_spa and the loss of R, each 0-d.

        Args:
            images: I, the objects on black, (B, C, S, S).
            composed: T_a I and T_b I, (2 * B, C, S, S), in two blocks.
            shifts: the shifts (dx, dy) in a and b, in pixels, (2 * B, 2).
        """
        images = images.repeat(2, 1, 1, 1)
        descriptors = self.encoder(composed)
        restored = self.decoder(descriptors).float()
        first, second = restored.chunk(2)
        invariance = (first - second).square().sum((1, 2, 3)).mean()
        if self.regressor is None:
            restoration = (restored - images).square().sum((1, 2, 3)).mean()
            placement = restoration.new_zeros(())
        else:
            restoration = best_error(restored, images, self.shift).mean()
            moved = self.shift.apply(images[: len(first)], shifts[: len(first)])
            placement = placement_loss(self.regressor(composed[: len(first)]), first, moved, self.placement)
        return invariance, restoration, sparseness(descriptors.float()), placement

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted sum of the three terms, and the loss of R."""
        images = batch["image"]
        moved, shifts = self.shift.sample(images.repeat(2, 1, 1, 1))
        composed, _ = Background(self.backgrounds(batch)).sample(moved)
        invariance, restoration, spread, placement = self.losses(images, composed, shifts)
        loss = self.lambda_inv * invariance + self.lambda_res * restoration + self.lambda_spa * spread
        self.log("train/loss", loss, prog_bar=True)
        self.log_dict({"train/loss_inv": invariance, "train/loss_res": restoration, "train/sparseness": spread})
        if self.regressor is not None:
            self.log("train/loss_shift", placement)
        return loss + placement

    def backgrounds(self, batch: Batch) -> Tensor:
        """Return the backgrounds of a batch, (B, C, S, S).

        Raises:
            MisconfigurationException: it has none.
        """
        if "background" not in batch:
            raise MisconfigurationException(
                "ForegroundAE learns from objects on black and backgrounds to put behind them, and the data gives no "
                "backgrounds. Choose some, for example --data.backgrounds NoiseBackgrounds."
            )
        return batch["background"]

    def validation_step(self, batch: Batch, batch_idx: int) -> Scored | None:
        """Score one batch."""
        return self._evaluate(batch, "val") if "background" in batch else super().validation_step(batch, batch_idx)

    def test_step(self, batch: Batch, batch_idx: int) -> Scored | None:
        """Score one batch."""
        return self._evaluate(batch, "test") if "background" in batch else super().test_step(batch, batch_idx)

    def _evaluate(self, batch: Batch, stage: str) -> Scored:
        images, truth = self.compose(batch)
        extracted = self.extract(images).float()
        foreground = extracted.amax(1)
        mask, found = truth.amax(1) > 0.5, foreground > 0.5
        scores = self.val_scores if stage == "val" else self.test_scores
        scored = self.score(scores, images, torch.stack([1 - foreground, foreground], 1), mask.long())
        union = (mask | found).sum((1, 2))
        self.foreground_iou.update(((mask & found).sum((1, 2)) / union)[union > 0])
        self.psnr.update(extracted, truth)
        others = [self.compose(batch, version)[0] for version in range(1, len(FLIPS))]
        descriptors = [self.encode(version).float() for version in (images, *others)]
        self.variance_ratio.update(torch.stack(descriptors, 1))
        self.log(f"{stage}/foreground_iou", self.foreground_iou, prog_bar=True)
        self.log(f"{stage}/psnr", self.psnr)
        self.log(f"{stage}/variance_ratio", self.variance_ratio, prog_bar=True)
        return scored

    def compose(self, batch: Batch, version: int = 0) -> tuple[Tensor, Tensor]:
        """Return images to be scored, and the same on black; (B, C, S, S) each.

        Each object gets a shift and its own background, the same in every run, whatever the batch size. In another
        version it gets another shift and the background of another image of the batch, flipped.
        """
        images = batch["image"]
        number = torch.arange(len(images), device=images.device)
        grid = evaluation_grid(self.shift).to(images.device)
        moved = self.shift.apply(images, grid[(batch.get("index", number) + SHIFT_STRIDE * version) % len(grid)])
        background = Background(self.backgrounds(batch).roll(version, 0).flip(FLIPS[version]))
        return background.apply(moved, number[:, None].float()), moved

    @torch.no_grad()
    def gallery(self, batch: Batch) -> dict[str, Tensor]:
        """Return columns (B, C, S, S): input, restored pattern, the same in its place, and truth where there is one."""
        if "background" in batch:
            images, truth = self.compose(batch)
            known = {"truth": truth}
        else:
            images = batch["image"]
            known = {"truth": mask_picture(batch["mask"], self.num_classes)} if "mask" in batch else {}
        columns = {"input": images, "restored": self.restore(images)}
        if self.regressor is not None:
            columns["in its place"] = self.extract(images)
        return columns | known
