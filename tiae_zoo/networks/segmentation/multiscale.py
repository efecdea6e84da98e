"""Scene labelling by one convolutional network at three scales (Farabet, Couprie, Najman, LeCun 2013, TPAMI 35)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALES = 3
WIDTHS = (16, 64, 256)
NORMALISED = 15  # px: side of the neighbourhood whose mean and deviation are taken out of each channel of each level
HIDDEN = 1024


class MultiScaleNet(nn.Module):
    """The same convolutions on each level of a Laplacian pyramid; all their features classify a pixel.

    Two 7x7 convolutions, each with tanh and 2x2 pooling behind it, and a bare third one give 256 features a level
    (sections 3.1 and 5); the levels are resized to the finest and classified by a network with one hidden layer.

    Ours: every map of a layer sees all maps of the one before, where the authors' see a random choice; RGB, where
    theirs is YUV; the hidden layer's place is the paper's "simple classifier", without superpixels or trees behind it.

    Args:
        num_classes: channels of the logits.
        image_channels: channels of the images.
    """

    def __init__(self, num_classes: int, image_channels: int = 3) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.shared = nn.Sequential(
            nn.Conv2d(image_channels, first, 7, padding=3),
            nn.Tanh(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 7, padding=3),
            nn.Tanh(),
            nn.MaxPool2d(2),
            nn.Conv2d(second, third, 7, padding=3),
        )
        self.classifier = nn.Sequential(
            nn.Conv2d(SCALES * third, HIDDEN, 1), nn.Tanh(), nn.Conv2d(HIDDEN, num_classes, 1)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return logits (B, C, H, W), alone in a tuple, for images (B, 3, H, W) of at least 32 px."""
        features = [self.shared(locally_normalised(level)) for level in laplacian_pyramid(images, SCALES)]
        size = features[0].shape[-2:]
        together = [F.interpolate(each, size, mode="bilinear", align_corners=False) for each in features]
        logits = self.classifier(torch.cat(together, 1))
        return (F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False),)


def laplacian_pyramid(images: Tensor, levels: int) -> list[Tensor]:
    """Return what each scale adds to the next coarser one, the finest first; the last is the coarsest image itself.

    Args:
        images: (B, C, H, W).
        levels: how many; each has half the side of the one before.
    """
    pyramid = []
    for _ in range(levels - 1):
        coarse = F.avg_pool2d(images, 2, ceil_mode=True)
        pyramid.append(images - F.interpolate(coarse, images.shape[-2:], mode="bilinear", align_corners=False))
        images = coarse
    return [*pyramid, images]


def locally_normalised(images: Tensor) -> Tensor:
    """Return images (B, C, H, W) with the mean of each pixel's neighbourhood taken out, in units of its deviation.

    Each channel by itself, as the authors' Y, U and V (section 5). A flat neighbourhood stays near 0 (ours).
    """
    pad = NORMALISED // 2
    mean = F.avg_pool2d(images, NORMALISED, 1, pad, count_include_pad=False)
    centred = images - mean
    variance = F.avg_pool2d(centred.square(), NORMALISED, 1, pad, count_include_pad=False)
    return centred / (variance.sqrt() + 0.01)
