"""The slides' architecture."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tiae_zoo.networks.autoencoder import ShapeDecoder, ShapeEncoder, ShiftRegressor


def test_sizes_are_the_slides() -> None:
    encoder, decoder = ShapeEncoder(), ShapeDecoder()
    images = torch.rand(2, 1, 32, 32)
    assert nn.Sequential(*list(encoder.features)[:-1])(images).shape == (2, 16, 12, 12)
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


def test_shifts_are_in_pixels() -> None:
    regressor = ShiftRegressor(20, 2)
    with torch.no_grad():
        regressor.shift[-1].weight.zero_()
        regressor.shift[-1].bias.copy_(torch.tensor([1.0, -0.5]))
    assert regressor(torch.rand(3, 2, 20, 20)).tolist() == [[10.0, -5.0]] * 3
