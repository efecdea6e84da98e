"""DeconvNet (Noh, Hong, Han 2015, arXiv 1505.04366)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tiae_zoo.networks.segmentation.vgg import (
    BLOCKS,
    LAST_SIDE,
    STRIDE,
    load_imagenet,
    mirrored_blocks,
    padded,
    pooled_with_indices,
    scaled,
    vgg_blocks,
)

HIDDEN = 4096


class DeconvNet(nn.Module):
    """VGG-16 down to one vector, and its mirror image back: unpooling by the pooling's indices, and deconvolutions.

    Batch normalisation is behind every convolution (section 4.1). The bottleneck is as large as the last map of
    an image of `image_size`: 7x7 for the paper's 224 px. Larger images get a map of vectors.

    Args:
        num_classes: channels of the logits.
        image_size: side in pixels of the images that the bottleneck sees as a whole, a multiple of 32; smaller images
            are padded to it.
        image_channels: channels of the images.
        width: all channels are multiplied by it; 1 is the paper's.
        pretrained: start the encoder from torchvision's weights of ImageNet, and the bottleneck from its fully
            connected layers where it is as large as theirs, at 224 px; only with width 1 and three channels.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int = 224,
        image_channels: int = 3,
        width: float = 1.0,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        self.least = -(-image_size // STRIDE) * STRIDE
        side = self.least // STRIDE
        self.encoder = vgg_blocks(image_channels, width)
        channels, hidden = scaled(BLOCKS[-1][0], width), scaled(HIDDEN, width)
        self.bottleneck = nn.Sequential(
            nn.Conv2d(channels, hidden, side),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 1),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(hidden, channels, side),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
        if pretrained:
            load_imagenet(self.encoder, normalised=True, dense=self.bottleneck if side == LAST_SIDE else None)
        self.decoder = mirrored_blocks(width, last=2, layer=nn.ConvTranspose2d)
        self.score = nn.Conv2d(scaled(BLOCKS[0][0], width), num_classes, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return logits (B, C, H, W), alone in a tuple, for images (B, 3, H, W) of any size."""
        x, places = padded(images, self.least), []
        for block in self.encoder:
            x, indices = pooled_with_indices(block(x))
            places.append(indices)
        x = self.bottleneck(x)
        for block, indices in zip(self.decoder, reversed(places), strict=True):
            x = block(F.max_unpool2d(x, indices, [2, 2]))
        return (self.score(x)[..., : images.shape[-2], : images.shape[-1]],)
