"""The ordinary auto-encoder: what the invariant ones are compared to."""

from __future__ import annotations

from torch import Tensor

from tiae_zoo.invariance import Shift, TransformFamily
from tiae_zoo.methods.base import Batch
from tiae_zoo.methods.describer import Describer
from tiae_zoo.methods.one_cycle import OneCycle
from tiae_zoo.networks.autoencoder import ShapeDecoder, ShapeEncoder


class AutoEncoder(OneCycle, Describer):
    """Restores transformed images where they are: the same networks and images, without invariance.

    Encoder E and decoder D minimise ||D(E(T_theta I)) - T_theta I||^2 over images I and random transforms T_theta,
    summed over pixels and averaged over images.

    Logged at validation and test: see :class:`Describer`.

    Args:
        family: the transforms of the training images; shifts by up to 8 px, the slides', if None.
        image_size: side of the images in pixels; the slides' is 32.
        image_channels: channels of the images.
        dim_descriptor: length of the descriptor; the slides' is 30.
        lr: peak learning rate of a one-cycle schedule over the whole training (ours).
    """

    def __init__(
        self,
        family: TransformFamily | None = None,
        image_size: int = 32,
        image_channels: int = 1,
        dim_descriptor: int = 30,
        lr: float = 1.2e-2,
    ) -> None:
        super().__init__(dim_descriptor, family or Shift())
        self.save_hyperparameters()
        self.lr = lr
        self.encoder = ShapeEncoder(image_size, image_channels, dim_descriptor)
        self.decoder = ShapeDecoder(image_size, image_channels, dim_descriptor)

    def encode(self, images: Tensor) -> Tensor:
        """Return descriptors (B, D) for images (B, C, S, S) in [0, 1]."""
        return self.encoder(images)

    def decode(self, descriptors: Tensor) -> Tensor:
        """Return images (B, C, S, S) in [0, 1] for descriptors (B, D)."""
        return self.decoder(descriptors)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the squared error of transformed images."""
        images, _ = self.family.sample(batch["image"])
        loss = (self(images).float() - images).square().sum((1, 2, 3)).mean()
        self.log("train/loss", loss, prog_bar=True)
        return loss
