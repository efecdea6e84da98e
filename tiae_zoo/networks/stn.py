"""Spatial transformers (Jaderberg et al. 2015, arXiv 1506.02025) and the classifiers they are put in front of.

The recurrent ones are those of Sønderby et al. 2015 (arXiv 1509.05329).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiae_zoo.networks.warps import WARPS, Warp, WarpName


class SpatialTransformer(nn.Module):
    """Looks at an image, decides where to look closer, and gives what is to be seen there.

    Goes in front of any network, or between its layers. At the start it gives the image as it is, resized to
    `out_size`.

    Args:
        localisation: images (B, C, H, W) -> features (B, F); any network, for any image size it takes.
        num_features: F.
        warp: the family of maps: "affine", "attention" (scale and shift), "projective", "thin_plate_spline" (16 control
            points), or a :class:`Warp` of one's own.
        out_size: side or (height, width) of the output in pixels; that of the input if None.

    Example:
        >>> from torchvision.models import resnet18
        >>> localisation = nn.Sequential(nn.Conv2d(3, 8, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten())
        >>> transformer = SpatialTransformer(localisation, num_features=8 * 4 * 4, out_size=64)
        >>> classifier = nn.Sequential(transformer, resnet18(num_classes=10))
        >>> classifier(torch.rand(2, 3, 100, 120)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        localisation: nn.Module,
        num_features: int,
        warp: WarpName | Warp = "affine",
        out_size: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.localisation = localisation
        self.warp = warp if isinstance(warp, Warp) else WARPS[warp]()
        self.theta = start_at_identity(nn.Linear(num_features, self.warp.num_parameters), self.warp)
        self.out_size = out_size

    def forward(self, images: Tensor) -> Tensor:
        """Return what is seen (B, C, h, w) of images (B, C, H, W); outside of them all is 0."""
        return self.sample(images, self.locate(images))

    def locate(self, images: Tensor) -> Tensor:
        """Return theta (B, P), where to look in images (B, C, H, W)."""
        return self.theta(self.localisation(images))

    def sample(self, images: Tensor, theta: Tensor) -> Tensor:
        """Return what is seen (B, C, h, w) of images (B, C, H, W) by theta (B, P)."""
        return look(images, theta, self.warp, self.out_size)


class RecurrentTransformer(nn.Module):
    """Looks at an image several times, each time remembering where it has looked: a GRU decides (Sønderby et al.).

    The GRU reads the same features of the image in every step. With feedback it reads those of what it has just seen,
    too: the whole transformer becomes recurrent, as the lecture proposes. The same localisation gives both, so what is
    seen is shown to it at the image's size.

    Args:
        localisation: images (B, C, H, W) -> features (B, F).
        num_features: F.
        num_glimpses: T, how often to look.
        hidden: units of the GRU; 256 in section 4 of Sønderby et al.
        warp: as in :class:`SpatialTransformer`.
        out_size: as in :class:`SpatialTransformer`.
        feedback: whether what is seen decides where to look next.
    """

    def __init__(
        self,
        localisation: nn.Module,
        num_features: int,
        num_glimpses: int,
        hidden: int = 256,
        warp: WarpName | Warp = "affine",
        out_size: int | Sequence[int] | None = None,
        feedback: bool = False,
    ) -> None:
        super().__init__()
        self.localisation = localisation
        self.warp = warp if isinstance(warp, Warp) else WARPS[warp]()
        self.num_glimpses, self.out_size, self.feedback = num_glimpses, out_size, feedback
        self.memory = nn.GRUCell(num_features * (1 + feedback), hidden)
        self.theta = start_at_identity(nn.Linear(hidden, self.warp.num_parameters), self.warp)

    def forward(self, images: Tensor) -> Tensor:
        """Return the glimpses (B, T, C, h, w) of images (B, C, H, W)."""
        image_features = self.localisation(images)
        read = torch.cat([image_features, image_features], 1) if self.feedback else image_features  # the first glimpse
        state, glimpses = None, []
        for step in range(self.num_glimpses):
            state = self.memory(read, state)
            theta = self.theta(state)
            glimpses.append(look(images, theta, self.warp, self.out_size))
            if self.feedback and step + 1 < self.num_glimpses:
                seen = look(images, theta, self.warp, None)
                read = torch.cat([image_features, self.localisation(seen)], 1)
        return torch.stack(glimpses, 1)


def look(images: Tensor, theta: Tensor, warp: Warp, out_size: int | Sequence[int] | None) -> Tensor:
    """Return what is seen (B, C, h, w) of images (B, C, H, W) by theta (B, P), bilinearly, in the images' type."""
    height, width = images.shape[-2:] if out_size is None else _pair(out_size)
    exact = torch.promote_types(images.dtype, torch.float32)  # half precision would move the points by pixels
    with torch.autocast(images.device.type, enabled=False):
        grid = warp(theta.to(exact), (height, width))
        return F.grid_sample(images.to(exact), grid, align_corners=False).to(images.dtype)


def start_at_identity(layer: nn.Linear, warp: Warp) -> nn.Linear:
    """Let a layer give the identity of `warp`, whatever its input, and return it."""
    nn.init.zeros_(layer.weight)
    with torch.no_grad():
        layer.bias.copy_(warp.identity())
    return layer


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


class DenseLocalisation(nn.Sequential):
    """Three fully connected layers of 32 on the pixels: the localisation of ST-FCN (appendix A.4).

    Args:
        image_size: side of the images in pixels.
        image_channels: channels of the images.
    """

    num_features = 32

    def __init__(self, image_size: int, image_channels: int = 1) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = image_channels * image_size**2
        for _ in range(3):
            layers += [nn.Linear(inputs, 32), nn.ReLU()]
            inputs = 32
        super().__init__(*layers)


class ConvolutionalLocalisation(nn.Sequential):
    """Two 5x5 convolutions of 20 filters on the image at half its side, and 20 units: that of ST-CNN (appendix A.4).

    Args:
        image_size: side of the images in pixels, at least 28.
        image_channels: channels of the images.
    """

    num_features = 20

    def __init__(self, image_size: int, image_channels: int = 1) -> None:
        side = (image_size // 2 - 4) // 2 - 4
        if side < 1:
            raise ValueError(f"Images of {image_size} px are too small to be localised. Set image_size to 28 or more.")
        super().__init__(
            nn.MaxPool2d(2),
            nn.Conv2d(image_channels, 20, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(20, 20, 5),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(20 * side**2, 20),
            nn.ReLU(),
        )


class DenseClassifier(nn.Sequential):
    """The FCN: two fully connected layers and one of logits.

    Args:
        image_size: side of the images in pixels.
        num_outputs: logits.
        width: units of each hidden layer.
        image_channels: channels of the images.
        dropout: share of what the logits are made of that is left out in training.
    """

    smallest = 1  # px of the side of an image

    def __init__(
        self,
        image_size: int,
        num_outputs: int = 10,
        width: int = 256,
        image_channels: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            nn.Flatten(),
            nn.Linear(image_channels * image_size**2, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.Sequential(nn.ReLU(), nn.Dropout(dropout)),  # one entry: the names of older weights stay
            nn.Linear(width, num_outputs),
        )


class ConvolutionalClassifier(nn.Sequential):
    """The CNN: 9x9 convolution, pooling, 7x7 convolution, pooling, logits (appendix A.4).

    Args:
        image_size: side of the images in pixels, at least 24.
        num_outputs: logits.
        width: filters of each convolution.
        image_channels: channels of the images.
        dropout: share of what the logits are made of that is left out in training.
    """

    smallest = 24  # px of the side of an image, of which one is left before the logits

    def __init__(
        self,
        image_size: int,
        num_outputs: int = 10,
        width: int = 64,
        image_channels: int = 1,
        dropout: float = 0.0,
    ) -> None:
        if image_size < self.smallest:
            raise ValueError(
                f"Images of {image_size} px are too small for the CNN. Set image_size to {self.smallest} or more."
            )
        side = ((image_size - 8) // 2 - 6) // 2
        super().__init__(
            nn.Conv2d(image_channels, width, 9),
            nn.MaxPool2d(2),
            nn.ReLU(),  # after the pooling: the same numbers, a quarter of the work
            nn.Conv2d(width, width, 7),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Sequential(nn.Flatten(), nn.Dropout(dropout)),  # one entry: the names of older weights stay
            nn.Linear(width * side**2, num_outputs),
        )


def of_size(build: Callable[[int], nn.Module], num_parameters: int) -> nn.Module:
    """Return the network whose parameter count is nearest to `num_parameters`.

    Args:
        build: width -> network; wider ones have more parameters.
        num_parameters: the paper's networks have about 400 000 each.

    Raises:
        ValueError: the narrowest network has more.
    """
    if (least := _count(build, 1)) > num_parameters:
        raise ValueError(f"{num_parameters} parameters are too few for the network: its narrowest has {least}.")
    low, high = 1, 2
    while _count(build, high) < num_parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _count(build, middle) < num_parameters else (low, middle)
    return build(min((low, high), key=lambda width: abs(_count(build, width) - num_parameters)))


def _count(build: Callable[[int], nn.Module], width: int) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(width).parameters())
