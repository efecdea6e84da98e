"""Principal component analysis: the linear baseline of the auto-encoders."""

from __future__ import annotations

from typing import cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.optim import SGD, Optimizer

from tiae_zoo.invariance import Shift, TransformFamily
from tiae_zoo.methods.base import Batch
from tiae_zoo.methods.describer import Describer


class PCA(Describer):
    """Describes transformed images by their first principal components, and restores them linearly.

    One pass over the training images, each transformed at random, feeds scikit-learn's IncrementalPCA; nothing is
    learned by gradients, so one epoch is enough and every further one adds new transforms.

    Logged at validation and test: see :class:`Describer`. Restorations are linear and may leave [0, 1].

    Args:
        family: the transforms of the training images; shifts by up to 8 px, the slides', if None.
        image_size: side of the images in pixels.
        image_channels: channels of the images.
        dim_descriptor: number of components.
    """

    mean: Tensor
    components: Tensor

    def __init__(
        self,
        family: TransformFamily | None = None,
        image_size: int = 32,
        image_channels: int = 1,
        dim_descriptor: int = 30,
    ) -> None:
        from sklearn.decomposition import IncrementalPCA  # takes half a second, for this method alone

        super().__init__(dim_descriptor, family or Shift())
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.shape = (image_channels, image_size, image_size)
        pixels = image_channels * image_size**2
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("components", torch.zeros(dim_descriptor, pixels))
        self.solver = IncrementalPCA(dim_descriptor)

    def encode(self, images: Tensor) -> Tensor:
        """Return descriptors (B, D) for images (B, C, S, S) in [0, 1]."""
        return (images.flatten(1) - self.mean) @ self.components.T

    def decode(self, descriptors: Tensor) -> Tensor:
        """Return images (B, C, S, S), which may leave [0, 1], for descriptors (B, D)."""
        return (descriptors @ self.components + self.mean).unflatten(1, self.shape)

    def setup(self, stage: str) -> None:
        """Refuse a data module of small batches before anything is done.

        Raises:
            MisconfigurationException: its batches have fewer images than there are components.
        """
        if stage == "fit":
            data = getattr(self.trainer, "datamodule", None)
            self._refuse_fewer_than_components(getattr(data, "batch_size", len(self.components)))

    def on_fit_start(self) -> None:
        """Refuse several processes, each of which would see a part of the images, and to go on from a checkpoint.

        Raises:
            MisconfigurationException: there are several processes, or a checkpoint.
        """
        if self.trainer.ckpt_path:
            raise MisconfigurationException(
                "PCA cannot go on from a checkpoint: what it learns from is all images together. Leave out --ckpt_path."
            )
        if self.trainer.world_size > 1:
            raise MisconfigurationException(
                f"PCA was started in {self.trainer.world_size} processes and needs all images in one. "
                "Set --trainer.devices 1."
            )

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Feed one batch to the solver.

        Raises:
            MisconfigurationException: there are fewer images than components.
        """
        images, _ = self.family.sample(batch["image"])
        self._refuse_fewer_than_components(len(images))
        self.solver.partial_fit(images.flatten(1).float().numpy(force=True))
        self.mean = self.mean.new_tensor(self.solver.mean_)
        self.components = self.components.new_tensor(self.solver.components_)
        cast(LightningOptimizer, self.optimizers()).step()

    def _refuse_fewer_than_components(self, images: int) -> None:
        if images < len(self.components):
            raise MisconfigurationException(
                f"PCA needs at least as many images in a batch as components, {len(self.components)}, and gets "
                f"{images}. Raise --data.batch_size, or lower --model.dim_descriptor."
            )

    def configure_optimizers(self) -> Optimizer:
        """Return an optimiser of nothing: its steps are counted, and logs and checkpoints go by the count."""
        return SGD([torch.zeros(0)])
