"""Fully convolutional networks (Long, Shelhamer, Darrell 2015, arXiv 1411.4038)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiae_zoo.networks.layers import awaits_weights
from tiae_zoo.networks.segmentation.vgg import (
    BLOCKS,
    LAST_SIDE,
    bilinear_kernel,
    initialise_kaiming,
    load_imagenet,
    padded,
    scaled,
    vgg_blocks,
)

HIDDEN = 4096  # of VGG-16's fully connected layers, here a 7x7 and a 1x1 convolution


class FCN8s(nn.Module):
    """VGG-16 whose fully connected layers are convolutions, and the scores of three depths added: FCN-8s (section 4.2).

    Scores of the deepest map are upsampled by 2 and added to those of pool4, the sum is upsampled by 2 and added to
    those of pool3, and that by 8. The transposed convolutions start as bilinear interpolation; the last stays so, the
    others learn ("Dense Prediction" in section 4.3; the authors' later programs fix all three). All scores start at
    zero.

    Ours: the 7x7 convolution is padded by 3 where the authors pad the image by 100 pixels.

    Args:
        num_classes: channels of the logits.
        image_channels: channels of the images.
        width: all channels are multiplied by it; 1 is the paper's.
        pretrained: start from torchvision's weights of ImageNet, of the fully connected layers, too; only with width 1
            and three channels.
    """

    def __init__(self, num_classes: int, image_channels: int = 3, width: float = 1.0, pretrained: bool = False) -> None:
        super().__init__()
        self.blocks = vgg_blocks(image_channels, width, normalised=False)
        hidden = scaled(HIDDEN, width)
        pool3, pool4, pool5 = (scaled(BLOCKS[place][0], width) for place in (2, 3, 4))
        self.dense = nn.Sequential(
            nn.Conv2d(pool5, hidden, LAST_SIDE, padding=LAST_SIDE // 2),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.5),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.5),
        )
        if pretrained:
            load_imagenet(self.blocks, normalised=False, dense=self.dense)
        elif not awaits_weights():
            initialise_kaiming(self.blocks)
            initialise_kaiming(self.dense)
        self.score = nn.Conv2d(hidden, num_classes, 1)
        self.score_pool4 = nn.Conv2d(pool4, num_classes, 1)
        self.score_pool3 = nn.Conv2d(pool3, num_classes, 1)
        for layer in (self.score, self.score_pool4, self.score_pool3):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
        self.up2 = upsampling(num_classes, 2)
        self.up4 = upsampling(num_classes, 2)
        self.up32 = upsampling(num_classes, 8).requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return logits (B, C, H, W), alone in a tuple, for images (B, 3, H, W) of any size."""
        x, pools = padded(images), []
        for block in self.blocks:
            x = F.max_pool2d(block(x), 2)
            pools.append(x)
        logits = self.up2(self.score(self.dense(x))) + self.score_pool4(pools[3])
        logits = self.up4(logits) + self.score_pool3(pools[2])
        return (self.up32(logits)[..., : images.shape[-2], : images.shape[-1]],)


def upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """Return a transposed convolution that multiplies both sides by `factor` and starts as bilinear interpolation."""
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, factor, factor // 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(bilinear_kernel(channels, factor))
    return layer
