"""The networks of the transform invariant auto-encoder (Matsuo and Shimada 2017, arXiv 1709.03754).

The sizes of encoder and decoder are those of the authors' slides. They print no activations: ReLU, GELU, the final
sigmoid, and batch normalisation, with which training is faster, are ours. Of the shift regressor they print nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

KERNEL = 9  # 9x9 valid filters and 2x2 pooling give the slides' 12x12x16 from 32x32
FILTERS = 16
HIDDEN = (1500, 150)


def hidden_layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    """Return a fully connected layer with its normalisation and activation."""
    return nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.GELU()


class ShapeFeatures(nn.Sequential):
    """Convolution and max-pooling: image (B, C, S, S) -> (B, size).

    Args:
        image_size: side of the image in pixels, at least 10; the slides' is 32.
        image_channels: channels of the image.

    Attributes:
        size: number of features; the slides' 12 * 12 * 16.

    Raises:
        ValueError: the image is too small.
    """

    def __init__(self, image_size: int, image_channels: int) -> None:
        if image_size <= KERNEL:
            raise ValueError(
                f"Images of {image_size} px are too small for the encoder's {KERNEL}x{KERNEL} filters. "
                f"Set image_size to {KERNEL + 1} or more."
            )
        convolution = nn.Conv2d(image_channels, FILTERS, KERNEL)
        convolution.to(memory_format=torch.channels_last)  # faster with the pooling, on a CPU too
        # ReLU after the pooling: the same values, on a quarter of the pixels
        super().__init__(convolution, nn.MaxPool2d(2), nn.ReLU(), nn.Flatten())
        self.size = FILTERS * ((image_size - KERNEL + 1) // 2) ** 2


class ShapeEncoder(nn.Module):
    """E: image -> descriptor. Convolution, max-pooling, then 1500 - 150 - descriptor.

    Args:
        image_size: side of the image in pixels, at least 10; the slides' is 32.
        image_channels: channels of the image.
        dim_descriptor: length of the descriptor; the slides' is 30.
    """

    def __init__(self, image_size: int = 32, image_channels: int = 1, dim_descriptor: int = 30) -> None:
        super().__init__()
        self.features = ShapeFeatures(image_size, image_channels)
        self.descriptor = nn.Sequential(
            *hidden_layer(self.features.size, HIDDEN[0]),
            *hidden_layer(HIDDEN[0], HIDDEN[1]),
            nn.Linear(HIDDEN[1], dim_descriptor),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return descriptors (B, D) for images (B, C, S, S) in [0, 1]."""
        return self.descriptor(self.features(images))


class ShapeDecoder(nn.Module):
    """D: descriptor -> image. Fully connected, descriptor - 150 - 1500 - pixels.

    Args:
        image_size: side of the image in pixels.
        image_channels: channels of the image.
        dim_descriptor: length of the descriptor.
    """

    def __init__(self, image_size: int = 32, image_channels: int = 1, dim_descriptor: int = 30) -> None:
        super().__init__()
        self.pixels = nn.Sequential(
            *hidden_layer(dim_descriptor, HIDDEN[1]),
            *hidden_layer(HIDDEN[1], HIDDEN[0]),
            nn.Linear(HIDDEN[0], image_channels * image_size**2),
            nn.Sigmoid(),
            nn.Unflatten(1, (image_channels, image_size, image_size)),
        )

    def forward(self, descriptors: Tensor) -> Tensor:
        """Return images (B, C, S, S) in [0, 1] for descriptors (B, D)."""
        return self.pixels(descriptors)


class ShiftRegressor(nn.Module):
    """R: image -> where the pattern lies. The slides print no network for it: the encoder's features, then 150 - 2.

    Args:
        image_size: side of the image in pixels, at least 10.
        image_channels: channels of the image.
    """

    def __init__(self, image_size: int = 32, image_channels: int = 1) -> None:
        super().__init__()
        self.image_size = image_size
        self.features = ShapeFeatures(image_size, image_channels)
        self.shift = nn.Sequential(
            *hidden_layer(self.features.size, HIDDEN[1]),
            nn.Linear(HIDDEN[1], 2),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return (dx, dy) in pixels, (B, 2), for images (B, C, S, S) in [0, 1]."""
        return self.image_size / 2 * self.shift(self.features(images)).float()  # the layers speak of about [-1, 1]
