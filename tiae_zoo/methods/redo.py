"""ReDO: unsupervised object segmentation by redrawing (Chen, Artières, Denoyer, NeurIPS 2019, arXiv 1905.13539)."""

from __future__ import annotations

from typing import Any, Literal, cast, get_args

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from tiae_zoo.methods.base import Batch, Segmenter, mask_picture
from tiae_zoo.networks.redo import INIT_GAIN, Discriminator, LatentEncoder, MaskNetwork, RegionGenerator
from tiae_zoo.objectives import hinge_discriminator_loss

Redraw = Literal["all", "one", "each"]
NARROWEST = {"mask_width": 4, "generator_width": 1, "discriminator_width": 1}  # channels: every layer has some
UNTRAINED = "untrained"  # in checkpoints


class ReDO(Segmenter):
    """Finds regions such that redrawing one of them leaves a realistic image.

    A mask network F cuts the image I into n regions; a generator per region draws it anew from noise z_k; the rest of
    the image stays (equations of section 3.3):

        I~_k = M_k * G_k(M_k, z_k) + (1 - M_k) * I,    M = F(I)
        D:        min  mean(max(0, 1 - D(I))) + mean(max(0, 1 + D(I~)))
        F, G, d:  min  -mean(D(I~)) + lambda_z * mean((d(I~) - z)^2)

    A training batch is split in two: the first half is redrawn, the second shows the discriminator what is real.

    Args:
        num_regions: n, background included.
        num_classes: classes of the ground truth, background included; as many as regions if None.
        image_size: side of the training images, 2^n of at least 32; the paper's is 128.
        image_channels: channels of the images.
        mask_width: channels of F's residual blocks (Table 2: 64).
        mask_scale: how many times larger F sees the images (ours), see :class:`MaskNetwork`.
        generator_width: `ch` of Table 3: 64 for LFW and MNIST, 32 for CUB and Flowers.
        discriminator_width: channels of the first block of D and d (Table 4: 64).
        dim_z: length of z: 32, and 16 for colored-2-MNIST (section 4).
        lambda_z: weight of the recovery of z: 5 (supplementary).
        redraw: "all" redraws every region in turn, each in an image of its own, and recovers all z from the sum of the
            generated regions, as the authors' program does; "one" redraws a single region drawn uniformly for the step
            and recovers its z from the redrawn image, as the paper says (section 3.3); "each" (ours) redraws every
            region in turn and recovers its z from the image it is redrawn in: the mean of "one" over the regions.
        centring_iterations: for how long F's scores of a region have a mean of zero over each image (ours), see
            :class:`MaskNetwork`; at its end their mean over the batch goes into F's bias.
        lr: learning rate of G, d and D (section 4).
        mask_lr: learning rate of F (section 4).
        mask_weight_decay: weight decay of F, which has no spectral normalisation (supplementary).
        init_gain: gain of the orthogonal initialisation (supplementary: about 0.8 to 1).

    Attributes:
        untrained: networks that the file of weights did not hold, such as `generators`.

    Raises:
        ValueError: `image_size` is not a power of two of at least 32, there are fewer than two regions, `redraw` is
            none of the words, `centring_iterations` is negative, `mask_scale` is below 1, z has no length, or a network
            is narrower than `NARROWEST`.
    """

    def __init__(
        self,
        num_regions: int = 2,
        num_classes: int | None = None,
        image_size: int = 128,
        image_channels: int = 3,
        mask_width: int = 64,
        mask_scale: int = 1,
        generator_width: int = 64,
        discriminator_width: int = 64,
        dim_z: int = 32,
        lambda_z: float = 5.0,
        redraw: Redraw = "all",
        centring_iterations: int = 0,
        lr: float = 1e-4,
        mask_lr: float = 1e-5,
        mask_weight_decay: float = 1e-4,
        init_gain: float = INIT_GAIN,
    ) -> None:
        if num_regions < 2:
            raise ValueError(f"{num_regions} region is the whole image. Set num_regions to 2 or more.")
        if redraw not in get_args(Redraw):
            raise ValueError(f"redraw={redraw!r} is unknown. Set it to 'all', 'one' or 'each'.")
        if centring_iterations < 0:
            raise ValueError(f"centring_iterations is {centring_iterations}. Set it to 0 or more.")
        if dim_z < 1:
            raise ValueError(f"dim_z is the length of z, not {dim_z}. Set it to 1 or more.")
        widths = (mask_width, generator_width, discriminator_width)
        for (name, least), width in zip(NARROWEST.items(), widths, strict=True):
            if width < least:
                raise ValueError(f"{name} is {width} channels. Set it to {least} or more.")
        super().__init__(num_regions, num_classes)
        self.save_hyperparameters()
        self.automatic_optimization = False  # two players: each moves in every step
        self.dim_z, self.lambda_z, self.redraw = dim_z, lambda_z, redraw
        self.centring_iterations, self._centring = centring_iterations, False
        self.lr, self.mask_lr, self.mask_weight_decay = lr, mask_lr, mask_weight_decay
        self.untrained: list[str] = []
        self.mask_network = MaskNetwork(
            num_regions, mask_width, image_channels, init_gain, centring_iterations > 0, mask_scale
        )
        self.generators = nn.ModuleList(
            RegionGenerator(image_size, generator_width, dim_z, image_channels, init_gain) for _ in range(num_regions)
        )
        self.encoder = LatentEncoder(num_regions, image_size, discriminator_width, dim_z, image_channels, init_gain)
        self.discriminator = Discriminator(image_size, discriminator_width, image_channels, init_gain)
        self.to(memory_format=torch.channels_last)  # the order in which convolutions and poolings are fast

    def segment(self, images: Tensor) -> Tensor:
        """Return soft masks (B, R, H, W) that sum to one over R, for images (B, C, H, W) in [0, 1]."""
        return self.mask_network(to_signed(images))

    def draw(self, masks: Tensor, z: Tensor) -> Tensor:
        """Draw every region from noise.

        Args:
            masks: (B, R, S, S).
            z: (B, R, dim_z).

        Returns:
            The regions M_k * G_k(M_k, z_k) (B, R, C, S, S), in [-1, 1], zero outside of their masks.
        """
        return torch.stack(
            [generate(masks[:, k : k + 1], z[:, k]) for k, generate in enumerate(self.generators)], dim=1
        )

    def redraw_images(self, images: Tensor, masks: Tensor, z: Tensor, region: int | None) -> tuple[Tensor, Tensor]:
        """Redraw regions of images, each in an image of its own.

        Args:
            images: (B, C, S, S) in [-1, 1].
            masks: (B, R, S, S).
            z: (B, R, dim_z).
            region: the region to redraw, or None for each of them in turn.

        Returns:
            The redrawn images, (B, C, S, S), or (B * R, C, S, S) with the regions of an image in a row, and what the
            encoder sees of them (B, C, S, S).
        """
        if region is not None:
            mask = masks[:, region : region + 1]
            redrawn = self.generators[region](mask, z[:, region]) + (1 - mask) * images
            return redrawn, redrawn
        regions = self.draw(masks, z)
        redrawn = regions + (1 - masks.unsqueeze(2)) * images.unsqueeze(1)
        return redrawn.flatten(0, 1), regions.sum(1)

    def generator_losses(self, images: Tensor, z: Tensor, region: int | None) -> tuple[Tensor, Tensor]:
        """Return the adversarial loss of F and G and the mean squared error of the recovered z, both 0-d."""
        masks = self.mask_network(images)
        redrawn, seen = self.redraw_images(images, masks, z, region)
        if region is not None:
            recovered, z = self.encoder(seen)[:, region], z[:, region]
        elif self.redraw == "each":
            every = self.encoder(redrawn).unflatten(0, masks.shape[:2])  # (B, redrawn region, region, dim_z)
            recovered = every.diagonal(dim1=1, dim2=2).transpose(1, 2)
        else:
            recovered = self.encoder(seen)
        return -self.discriminator(redrawn).mean(), (recovered - z).square().mean()

    def discriminator_loss(self, images: Tensor, z: Tensor, region: int | None, real: Tensor) -> Tensor:
        """Return the hinge loss of D on `real` and on redrawn `images`, 0-d; no gradient reaches F and G."""
        with torch.no_grad():
            redrawn, _ = self.redraw_images(images, self.mask_network(images), z, region)
        scores = self.discriminator(torch.cat([real, redrawn]))
        return hinge_discriminator_loss(scores[: len(real)], scores[len(real) :])

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Let F, G and d move, then D (Algorithm 1)."""
        images = to_signed(batch["image"])
        half = len(images) // 2
        if half == 0:
            raise MisconfigurationException(
                "ReDO splits a batch into images to redraw and real images, and this batch holds one image only. "
                "Set data.batch_size to 2 or more."
            )
        if self._centring and self.global_step // 2 >= self.centring_iterations:  # both optimisers count
            mean = self.mask_network.mean_scores(images)
            self.mask_network.stop_centring(self.trainer.strategy.reduce(mean, reduce_op="mean"))  # the global batch's
            self._centring = False
        source, real = images[:half], images[half:]
        z = self._draw_noise(half)
        region = int(torch.randint(self.num_regions, ())) if self.redraw == "one" else None
        optimiser_g, optimiser_d = cast(list[LightningOptimizer], self.optimizers())

        self.toggle_optimizer(optimiser_g)  # D stays frozen: no gradients for its weights
        adversarial, recovery = self.generator_losses(source, z, region)
        optimiser_g.zero_grad()
        self.manual_backward(adversarial + self.lambda_z * recovery)
        optimiser_g.step()
        self.untoggle_optimizer(optimiser_g)

        self.toggle_optimizer(optimiser_d)
        loss_d = self.discriminator_loss(source, z, region, real)  # same z, redrawn by the networks just updated
        optimiser_d.zero_grad()
        self.manual_backward(loss_d)
        optimiser_d.step()
        self.untoggle_optimizer(optimiser_d)

        # sync_dist: the losses of the global batch, as one process would log them
        self.log_dict({"train/loss_d": loss_d, "train/loss_z": recovery}, prog_bar=True, sync_dist=True)
        self.log("train/loss_adversarial", adversarial, sync_dist=True)

    def _draw_noise(self, count: int) -> Tensor:
        """Return z (count, R, dim_z): this rank's share of the noise that one process would draw for all ranks."""
        share = slice(self.global_rank * count, (self.global_rank + 1) * count)
        whole = torch.randn(self.trainer.world_size * count, self.num_regions, self.dim_z, device=self.device)
        return whole[share]

    def configure_optimizers(self) -> list[Optimizer]:
        """Return one Adam for F, G and d, with a group for F, and one for D."""
        betas = (0.0, 0.9)  # section 4
        drawing = [*self.generators.parameters(), *self.encoder.parameters()]
        masking: dict[str, Any] = {
            "params": list(self.mask_network.parameters()),
            "lr": self.mask_lr,
            "weight_decay": self.mask_weight_decay,
        }
        return [
            Adam([{"params": drawing}, masking], lr=self.lr, betas=betas, fused=True),
            Adam(self.discriminator.parameters(), lr=self.lr, betas=betas, fused=True),
        ]

    def on_train_start(self) -> None:
        """Train all networks, and go on with centred masks if F has them still."""
        self.untrained = []
        self._centring = self.mask_network.centred and bool(self.mask_network.centring)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep, beside the class of each region, which networks are untrained."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[UNTRAINED] = self.untrained

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take from a checkpoint what :meth:`on_save_checkpoint` kept."""
        super().on_load_checkpoint(checkpoint)
        self.untrained = checkpoint.get(UNTRAINED, [])

    @torch.no_grad()
    def gallery(self, batch: Batch) -> dict[str, Tensor]:
        """Return the columns of Figure 2: input, truth, masks, and each region redrawn twice; z is one for the column.

        Each column is (B, 1 or C, S, S) in [0, 1]. Untrained generators, which would draw noise, draw nothing.
        """
        columns = {"input": batch["image"]}
        if "mask" in batch:
            columns["truth"] = mask_picture(batch["mask"], self.num_classes)
        images = to_signed(batch["image"])
        masks = self.mask_network(images)
        for k in range(1 if self.num_regions == 2 else 0, self.num_regions):
            columns[f"mask {k}"] = masks[:, k : k + 1]
        if "generators" in self.untrained:
            return columns
        generator = torch.Generator().manual_seed(0)  # the same z in every picture of a run
        for k in range(self.num_regions):
            for draw in range(2):
                z = torch.randn(1, self.num_regions, self.dim_z, generator=generator).to(images)
                redrawn, _ = self.redraw_images(images, masks, z.expand(len(images), -1, -1), region=k)
                columns[f"region {k}, z {draw + 1}"] = (redrawn + 1) / 2
        return columns


def to_signed(images: Tensor) -> Tensor:
    """Map images from [0, 1] to the networks' [-1, 1]."""
    return images * 2 - 1
