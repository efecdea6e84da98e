"""PSPNet (Zhao et al. 2017, arXiv 1612.01105)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import get_model

from tiae_zoo.networks.layers import PYRAMID_BINS

DROPOUT = 0.1


class PyramidPoolingModule(nn.Module):
    """Beside the features, their means over 1x1, 2x2, 3x3 and 6x6 cells, each projected and resized back (Figure 3).

    Args:
        channels: C of the features; each of the four levels gets a quarter.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), *convolution(channels, channels // len(PYRAMID_BINS), 1))
            for bins in PYRAMID_BINS
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 2 * C, H, W) for (B, C, H, W)."""
        size = x.shape[-2:]
        levels = [F.interpolate(level(x), size, mode="bilinear", align_corners=False) for level in self.levels]
        return torch.cat([x, *levels], 1)


class PSPNet(nn.Module):
    """A dilated ResNet at an eighth of the image's size, pyramid pooling, and in training an auxiliary prediction.

    Ours: torchvision's ResNet with its one 7x7 convolution at the start; the authors' has three of 3x3.

    Args:
        num_classes: channels of the logits.
        image_channels: channels of the images.
        backbone: which ResNet.
        pretrained: start from torchvision's weights of ImageNet, fetched at the first use; only with three channels.
    """

    def __init__(
        self,
        num_classes: int,
        image_channels: int = 3,
        backbone: Literal["resnet50", "resnet101"] = "resnet50",
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        weights = "DEFAULT" if pretrained else None
        resnet = get_model(backbone, weights=weights, replace_stride_with_dilation=[False, True, True])
        if image_channels != 3:
            resnet.conv1 = nn.Conv2d(image_channels, 64, 7, 2, 3, bias=False)
        self.stem = nn.Sequential(resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool)
        self.early = nn.Sequential(resnet.layer1, resnet.layer2, resnet.layer3)
        self.late = resnet.layer4
        self.head = nn.Sequential(
            PyramidPoolingModule(2048),
            *convolution(4096, 512, 3),
            nn.Dropout2d(DROPOUT),
            nn.Conv2d(512, num_classes, 1),
        )
        self.auxiliary = nn.Sequential(
            *convolution(1024, 256, 3), nn.Dropout2d(DROPOUT), nn.Conv2d(256, num_classes, 1)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return logits (B, C, H, W) for images (B, 3, H, W); in training those of the fourth stage, too."""
        early = self.early(self.stem(images))
        logits = [self.head(self.late(early))]
        if self.training:
            logits.append(self.auxiliary(early))
        return tuple(F.interpolate(each, images.shape[-2:], mode="bilinear", align_corners=False) for each in logits)


def convolution(channels: int, out: int, kernel: int) -> list[nn.Module]:
    """Return a convolution with its normalisation and ReLU."""
    return [nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
