"""Gaussian blur."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tiae_zoo.invariance.interval import Interval
from tiae_zoo.invariance.precision import exact_matmul, precise

SHARP = 1e-3  # pixels: below this sigma a Gaussian has no second pixel
SUMMED_UP_TO = 8  # pixels to either side: beyond, a Gaussian of sigma 1 is below 1e-14


class Blur(Interval):
    """All Gaussian blurs up to `max_sigma`, not truncated; outside the frame the picture is zero.

    theta is float32 (B, 1), the standard deviation in pixels; 0 leaves the picture as it is.

    Args:
        max_sigma: the largest standard deviation, in pixels.
        num_sigmas: the standard deviations that `nearest` tries, evenly spread from 0.

    Raises:
        ValueError: `max_sigma` is negative or infinite, or `num_sigmas` is below 1.

    >>> Blur(max_sigma=1.5, num_sigmas=4).candidates().flatten().tolist()
    [0.0, 0.5, 1.0, 1.5]
    """

    parameters = ("sigma",)

    def __init__(self, max_sigma: float = 1.5, num_sigmas: int = 4) -> None:
        if not 0 <= max_sigma < float("inf"):
            raise ValueError(f"Blur got max_sigma={max_sigma}. Set it to 0 pixels or more.")
        if num_sigmas < 1:
            raise ValueError(f"Blur got num_sigmas={num_sigmas}. Set it to 1 or more.")
        super().__init__(0.0, max_sigma, torch.linspace(0, max_sigma, num_sigmas))

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Return the blurred images (B, C, H, W) for images (B, C, H, W) and theta (B, 1)."""
        exact = precise(images)
        sigma = theta.to(exact.dtype)
        down, across = (_weights(sigma, side)[:, None] for side in images.shape[-2:])
        return exact_matmul(exact_matmul(down, exact), across).to(images.dtype)


def _weights(sigma: Tensor, side: int) -> Tensor:
    """Return what each pixel of a line gives to each other, symmetric (B, side, side), for sigma (B, 1)."""
    sigma = sigma.clamp_min(SHARP)[:, :, None]
    place = torch.arange(side, dtype=sigma.dtype, device=sigma.device)
    near = torch.arange(-SUMMED_UP_TO, SUMMED_UP_TO + 1, dtype=sigma.dtype, device=sigma.device)
    # The sum over all whole pixels; from sigma 1 on it is the integral, to 1e-8.
    total = torch.where(sigma < 1, _bell(near / sigma).sum(-1, keepdim=True), sigma * math.sqrt(2 * math.pi))
    return _bell((place - place[:, None]) / sigma) / total


def _bell(deviations: Tensor) -> Tensor:
    return (-deviations.square() / 2).exp()
