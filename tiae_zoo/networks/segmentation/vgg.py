"""VGG-16 (Simonyan and Zisserman 2015, arXiv 1409.1556, configuration D), as segmentation networks take it apart."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import VGG16_BN_Weights, VGG16_Weights, vgg16, vgg16_bn

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions between poolings
Layer = type[nn.Conv2d] | type[nn.ConvTranspose2d]
STRIDE = 2 ** len(BLOCKS)  # px of the image for one of the last map
LAST_SIDE = 7  # of the last map at the paper's 224 px, which the fully connected layers see


def vgg_blocks(image_channels: int = 3, width: float = 1.0, normalised: bool = True) -> nn.ModuleList:
    """Return the five groups of 3x3 convolutions, without the poolings behind them.

    Args:
        image_channels: channels of the images.
        width: all channels are multiplied by it; 1 is the paper's.
        normalised: put batch normalisation behind each convolution.
    """
    widths = [image_channels, *(scaled(channels, width) for channels, _ in BLOCKS)]
    return nn.ModuleList(
        nn.Sequential(*convolutions([before, *[out] * count], normalised))
        for (before, out), (_, count) in zip(pairwise(widths), BLOCKS, strict=True)
    )


def mirrored_blocks(width: float, last: int, layer: Layer = nn.Conv2d) -> nn.ModuleList:
    """Return the five groups that lead back from the last map to the image's size, each after an unpooling.

    A group ends with the channels of the map that it is unpooled to next; batch normalisation behind each convolution.

    Args:
        width: all channels are multiplied by it.
        last: convolutions of the last group.
        layer: the kind of convolution.
    """
    groups = []
    for place in reversed(range(len(BLOCKS))):
        channels, count = BLOCKS[place]
        inner = scaled(channels, width)
        widths = [inner] * count + [scaled(BLOCKS[place - 1][0], width)] if place else [inner] * (last + 1)
        groups.append(nn.Sequential(*convolutions(widths, normalised=True, layer=layer)))
    return nn.ModuleList(groups)


def convolutions(widths: list[int], normalised: bool, layer: Layer = nn.Conv2d) -> list[nn.Module]:
    """Return 3x3 convolutions from each width to the next, with ReLU."""
    layers: list[nn.Module] = []
    for before, out in pairwise(widths):
        layers.append(layer(before, out, 3, padding=1))
        layers += [nn.BatchNorm2d(out)] if normalised else []
        layers.append(nn.ReLU(inplace=True))
    return layers


def initialise_kaiming(module: nn.Module) -> None:
    """Give every convolution in `module` weights that keep the spread of gradients through ReLU, and zero biases.

    As torchvision's VGG (He et al. 2015, arXiv 1502.01852, equation 14). Without normalisation PyTorch's own
    initialisation shrinks maps and gradients at each layer, to nothing behind thirteen.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def scaled(channels: int, width: float) -> int:
    """Return a channel count multiplied by `width`, at least 1."""
    return max(1, round(channels * width))


def load_imagenet(blocks: nn.ModuleList, normalised: bool, dense: nn.Sequential | None = None) -> None:
    """Copy torchvision's weights of ImageNet into layers of the paper's width; fetched at the first use.

    Args:
        blocks: of :func:`vgg_blocks`.
        normalised: whether they have batch normalisation.
        dense: layers with a 7x7 and a 1x1 convolution, which take the first two fully connected ones.
    """
    network = vgg16_bn(weights=VGG16_BN_Weights.DEFAULT) if normalised else vgg16(weights=VGG16_Weights.DEFAULT)
    kinds = (nn.Conv2d, nn.BatchNorm2d)
    sources = [layer for layer in network.features if isinstance(layer, kinds)]
    targets = [layer for block in blocks for layer in block.children() if isinstance(layer, kinds)]
    for source, target in zip(sources, targets, strict=True):
        target.load_state_dict(source.state_dict())
    if dense is not None:
        kernels = [layer for layer in dense if isinstance(layer, nn.Conv2d)]
        fully_connected = [layer for layer in network.classifier if isinstance(layer, nn.Linear)]
        for linear, convolution in zip(fully_connected[:-1], kernels, strict=True):  # the last names classes
            weight = linear.weight.unflatten(1, convolution.weight.shape[1:])  # (4096, 25088) -> (4096, 512, 7, 7)
            convolution.load_state_dict({"weight": weight, "bias": linear.bias})


def pooled_with_indices(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest of each 2x2 pixels of x (B, C, H, W), and where they lie; (B, C, H / 2, W / 2) each."""
    pooled, indices = F.max_pool2d(x, 2, return_indices=True)
    return pooled, indices


def padded(images: Tensor, least: int = STRIDE) -> Tensor:
    """Return images with zeros at the right and at the bottom: sides are then multiples of 32, and at least `least`."""
    height, width = (max(least, -(-side // STRIDE) * STRIDE) for side in images.shape[-2:])
    return F.pad(images, (0, width - images.shape[-1], 0, height - images.shape[-2]))


def bilinear_kernel(channels: int, factor: int) -> Tensor:
    """Return the weight (C, C, 2 F, 2 F) of a transposed convolution of stride F that resizes bilinearly."""
    line = 1 - ((torch.arange(2 * factor) + 0.5) / factor - 1).abs()
    return torch.eye(channels)[:, :, None, None] * line[:, None] * line
