"""Segmentation learnt from masks: what the methods without labels are compared to (Chen et al. 2019, section 5.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from tiae_zoo.messages import UserError
from tiae_zoo.methods.base import Batch, Segmenter, mask_picture
from tiae_zoo.methods.one_cycle import OneCycle
from tiae_zoo.metrics import IGNORED
from tiae_zoo.networks.layers import awaits_weights
from tiae_zoo.networks.redo import MaskNetwork
from tiae_zoo.networks.segmentation import DeconvNet, FCN8s, MultiScaleNet, PSPNet, SegNet, covering_windows, stitched
from tiae_zoo.objectives import judged_cross_entropy

NetworkName = Literal["redo", "pspnet", "pspnet101", "fcn8s", "deconvnet", "segnet", "multiscale"]
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision's weights expect
SMALLEST = 32  # px of an image's side; every network still sees something of it
AUXILIARY = 0.4  # weight of PSPNet's auxiliary loss (Zhao et al. 2017, section 5.2)


class SupervisedSegmenter(OneCycle, Segmenter):
    """Names each pixel by a network that was shown masks: the cross entropy of the truth is minimised.

    Logged at validation and test: the scores of :class:`Segmenter`. Its regions are the classes of the truth, in their
    order, so the figures ending in `_dataset` need no matching to be fair.

    Args:
        network: "redo" (the mask network F of ReDO, the paper's baseline), "pspnet" (with ResNet-50), "pspnet101",
            "fcn8s", "deconvnet", "segnet" or "multiscale".
        num_classes: classes of the truth, background included.
        image_size: side of the training images in pixels, at least 32; others may be segmented.
        image_channels: channels of the images.
        width: channels are multiplied by it, for machines without a GPU; 1 is the paper's. Not for "pspnet",
            "pspnet101" and "multiscale".
        pretrained: start from torchvision's weights of ImageNet, fetched at the first use and never for a checkpoint.
            Not for "redo" and "multiscale".
        class_weights: weight of each class in the loss, above 0; the same for all if None.
        windows: sides of square windows, as shares of the image's. Validation, test and prediction then segment each
            window by itself, enlarged to the image's size, and take the largest score of a class at each pixel: the
            instance-wise inference of DeconvNet, with windows everywhere for object proposals. The whole image at once
            if None.
        lr: peak learning rate of a one-cycle schedule over the whole training (ours).

    Raises:
        ValueError: the settings contradict each other.
        UserError: the weights of ImageNet are not here and cannot be fetched.
    """

    names_regions = True
    mean: Tensor
    deviation: Tensor
    class_weights: Tensor | None

    def __init__(
        self,
        network: NetworkName = "pspnet",
        num_classes: int = 2,
        image_size: int = 128,
        image_channels: int = 3,
        width: float = 1.0,
        pretrained: bool = False,
        class_weights: Sequence[float] | None = None,
        windows: Sequence[float] | None = None,
        lr: float = 1e-3,
    ) -> None:
        super().__init__(num_regions=num_classes)
        # where the weights started and how they are used: nothing that a checkpoint of them needs
        self.save_hyperparameters(ignore=["pretrained", "windows"])
        if class_weights is not None and len(class_weights) != num_classes:
            raise ValueError(
                f"class_weights has {len(class_weights)} numbers for {num_classes} classes. Give one for each."
            )
        if class_weights is not None and not all(0 < weight < math.inf for weight in class_weights):
            raise ValueError(
                f"class_weights={list(class_weights)} are to be finite and above 0. To leave pixels out, set them to "
                f"{IGNORED} in the masks."
            )
        if windows is not None and not (windows and all(0 < side <= 1 for side in windows)):
            raise ValueError(
                f"windows={list(windows)} are to be shares of the image's side. Give numbers above 0, up to 1, and "
                "at least one, or null for the whole image at once."
            )
        self.lr, self.windows = lr, windows
        try:
            self.network = build(network, num_classes, image_size, image_channels, width, pretrained)
        except OSError as error:
            raise UserError(
                f"The weights of ImageNet could not be fetched: {error}. Put their file, named above, into "
                f"{Path(torch.hub.get_dir(), 'checkpoints')}, or set pretrained to false."
            ) from error
        self.to(memory_format=torch.channels_last)  # the order in which convolutions and poolings are fast
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)

    def predictions(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return logits (B, K, H, W), in training with auxiliary ones, for images (B, C, H, W) in [0, 1]."""
        if isinstance(self.network, MaskNetwork):
            return (self.network.logits(images * 2 - 1),)
        if images.shape[1] == 3:
            return self.network((images - self.mean) / self.deviation)
        return self.network(images * 2 - 1)

    def segment(self, images: Tensor) -> Tensor:
        """Return soft masks (B, K, H, W) that sum to one over K, for images (B, C, H, W) in [0, 1]."""
        if self.windows is None:
            return self.predictions(images)[0].float().softmax(1)
        places = covering_windows(images.shape[-2:], self.windows)
        return stitched(lambda views: self.predictions(views)[0].float(), images, places).softmax(1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the cross entropy, with that of auxiliary predictions."""
        if "mask" not in batch:
            raise MisconfigurationException(
                "SupervisedSegmenter learns from masks, and the training data have none. Choose data whose training "
                "pictures have masks, for example --data Folder with --data.masks, or a method that needs no labels."
            )
        losses = [
            judged_cross_entropy(logits.float(), batch["mask"], self.class_weights, IGNORED)
            for logits in self.predictions(batch["image"])
        ]
        self.log("train/loss", losses[0], prog_bar=True)
        return losses[0] + AUXILIARY * sum(losses[1:], losses[0].new_zeros(()))

    @torch.no_grad()
    def gallery(self, batch: Batch) -> dict[str, Tensor]:
        """Return columns (B, 1 or C, H, W): input, truth where there is one, and the class of each pixel."""
        columns = {"input": batch["image"]}
        if "mask" in batch:
            columns["truth"] = mask_picture(batch["mask"], self.num_classes)
        return columns | {"classes": mask_picture(self.segment(batch["image"]).argmax(1), self.num_classes)}


def build(
    network: NetworkName, num_classes: int, image_size: int, image_channels: int, width: float, pretrained: bool
) -> nn.Module:
    """Return the network of this name.

    Raises:
        ValueError: it has no such width, no such weights, or the images are too small for it.
        OSError: the weights cannot be fetched.
    """
    if image_size < SMALLEST:
        raise ValueError(
            f"Images of {image_size} px are too small to be segmented. Set image_size to {SMALLEST} or more."
        )
    if width != 1 and network in ("pspnet", "pspnet101", "multiscale"):
        raise ValueError(f"{network} has one width. Leave width at 1.")
    if pretrained and (network in ("redo", "multiscale") or width != 1 or image_channels != 3):
        raise ValueError(
            "There are weights of ImageNet for pspnet, pspnet101, fcn8s, deconvnet and segnet with width 1 and three "
            "channels. Set pretrained to false."
        )
    pretrained = pretrained and not awaits_weights()
    match network:
        case "redo":
            return MaskNetwork(num_classes, max(4, 4 * round(16 * width)), image_channels)
        case "pspnet":
            return PSPNet(num_classes, image_channels, "resnet50", pretrained)
        case "pspnet101":
            return PSPNet(num_classes, image_channels, "resnet101", pretrained)
        case "fcn8s":
            return FCN8s(num_classes, image_channels, width, pretrained)
        case "deconvnet":
            return DeconvNet(num_classes, image_size, image_channels, width, pretrained)
        case "segnet":
            return SegNet(num_classes, image_channels, width, pretrained)
        case "multiscale":
            return MultiScaleNet(num_classes, image_channels)
