"""SegNet (Badrinarayanan, Kendall, Cipolla 2017, arXiv 1511.00561)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tiae_zoo.networks.segmentation.vgg import (
    load_imagenet,
    mirrored_blocks,
    padded,
    pooled_with_indices,
    scaled,
    vgg_blocks,
)


class SegNet(nn.Module):
    """VGG-16's 13 convolutions and their mirror image; the decoder puts values back where the pooling took them from.

    Nothing else passes from encoder to decoder, and there are no fully connected layers (section 3). The last
    convolution gives the logits.

    Args:
        num_classes: channels of the logits.
        image_channels: channels of the images.
        width: all channels are multiplied by it; 1 is the paper's.
        pretrained: start the encoder from torchvision's weights of ImageNet; only with width 1 and three channels.
    """

    def __init__(self, num_classes: int, image_channels: int = 3, width: float = 1.0, pretrained: bool = False) -> None:
        super().__init__()
        self.encoder = vgg_blocks(image_channels, width)
        if pretrained:
            load_imagenet(self.encoder, normalised=True)
        self.decoder = mirrored_blocks(width, last=1)  # and the logits' own: 13, too
        self.score = nn.Conv2d(scaled(64, width), num_classes, 3, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return logits (B, C, H, W), alone in a tuple, for images (B, 3, H, W) of any size."""
        x, places = padded(images), []
        for block in self.encoder:
            x, indices = pooled_with_indices(block(x))
            places.append(indices)
        for block, indices in zip(self.decoder, reversed(places), strict=True):
            x = block(F.max_unpool2d(x, indices, [2, 2]))
        return (self.score(x)[..., : images.shape[-2], : images.shape[-1]],)
