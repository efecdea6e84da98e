"""The slides' architecture."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tiae_zoo.networks.autoencoder import ShapeDecoder, ShapeEncoder


def test_sizes_are_the_slides() -> None:
    encoder, decoder = ShapeEncoder(), ShapeDecoder()
    images = torch.rand(2, 1, 32, 32)
    assert encoder.features(images).shape == (2, 16, 12, 12)
    widths = [layer.out_features for layer in encoder.modules() if isinstance(layer, nn.Linear)]
    assert widths == [1500, 150, 30]
    widths = [layer.out_features for layer in decoder.modules() if isinstance(layer, nn.Linear)]
    assert widths == [150, 1500, 1024]
    assert decoder(encoder(images)).shape == images.shape


def test_other_sizes_channels_and_descriptors() -> None:
    images = torch.rand(2, 2, 20, 20)
    descriptors = ShapeEncoder(20, 2, 7)(images)
    restored = ShapeDecoder(20, 2, 7)(descriptors)
    assert descriptors.shape == (2, 7)
    assert restored.shape == images.shape
    assert restored.min() >= 0
    assert restored.max() <= 1


def test_too_small_images_are_refused() -> None:
    with pytest.raises(ValueError, match="Set image_size to 10 or more"):
        ShapeEncoder(9)
