"""Blur against scipy's Gaussian filter."""

from __future__ import annotations

import pytest
import torch
from slow_transforms import blur_slowly, digits

from tiae_zoo.invariance import Blur


@pytest.mark.parametrize("sigma", [0.3, 0.8, 1, 2.5, 9])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (9, 14)])
def test_blur_is_scipys(sigma: float, height: int, width: int) -> None:
    images = digits(4, height, width).view(2, 2, height, width)
    blurred = Blur(9).apply(images, torch.full((2, 1), sigma))
    for image, result in zip(images, blurred, strict=True):
        torch.testing.assert_close(result, blur_slowly(image, sigma), rtol=0, atol=1e-6)


def test_no_blur_is_the_identity_to_the_last_digit() -> None:
    images = digits(2, 12)
    assert torch.equal(Blur(1).apply(images, torch.zeros(2, 1)), images)


def test_what_stays_in_the_frame_keeps_its_sum() -> None:
    image = torch.zeros(1, 1, 33, 33)
    image[..., 16, 16] = 1
    for sigma in (0.4, 0.999, 1.001, 2.0):
        assert Blur(2).apply(image, torch.tensor([[sigma]])).sum() == pytest.approx(1, abs=1e-5)


def test_impossible_blurs_are_refused() -> None:
    with pytest.raises(ValueError, match="0 pixels or more"):
        Blur(max_sigma=-1)
    with pytest.raises(ValueError, match="1 or more"):
        Blur(num_sigmas=0)
