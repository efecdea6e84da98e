"""Plain references of the transforms and searches, and the pictures they are tried on."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as tv
from sklearn.datasets import load_digits
from torch import Tensor

from tiae_zoo.invariance import TransformFamily


def digits(count: int, side: int = 32, width: int | None = None) -> Tensor:
    """Handwritten digits (count, 1, side, width or side) in [0, 1] that reach every edge of the frame."""
    images = torch.from_numpy(load_digits().images[:count]).float().unsqueeze(1) / 16
    return tv.resize(images, [side, width or side], antialias=True).clamp(0, 1)


def shift_slowly(images: Tensor, dx: int, dy: int) -> Tensor:
    """Each pixel moved by itself."""
    moved = torch.zeros_like(images)
    height, width = images.shape[-2:]
    for row in range(height):
        for column in range(width):
            if 0 <= row + dy < height and 0 <= column + dx < width:
                moved[:, :, row + dy, column + dx] = images[:, :, row, column]
    return moved


def shift_distances_slowly(restored: Tensor, images: Tensor, max_shift: int) -> Tensor:
    """Every shift is cut out of padded images and compared, (B, S, S)."""
    span = range(-max_shift, max_shift + 1)
    height, width = images.shape[-2:]
    padded = F.pad(images, [max_shift] * 4)
    rows = []
    for dy in span:
        top = max_shift - dy
        lefts = [max_shift - dx for dx in span]
        windows = [padded[..., top : top + height, left : left + width] for left in lefts]
        rows.append(torch.stack([(restored - window).square().sum((1, 2, 3)) for window in windows], 1))
    return torch.stack(rows, 1)


def distances_slowly(family: TransformFamily, restored: Tensor, images: Tensor) -> Tensor:
    """Every candidate is applied and compared, (B, N)."""
    return torch.stack(
        [
            (restored - family.apply(images, theta.expand(len(images), -1))).square().sum((1, 2, 3))
            for theta in family.candidates()
        ],
        1,
    )


def map_slowly(image: Tensor, matrix: np.ndarray) -> Tensor:
    """One image (C, H, W) moved by scipy: (x, y) from the centre goes to matrix @ (x, y)."""
    swap = np.array([[0, 1], [1, 0]])  # scipy's first axis is y
    inverse = swap @ np.linalg.inv(matrix) @ swap
    centre = (np.array(image.shape[1:]) - 1) / 2
    offset = centre - inverse @ centre
    moved = [scipy.ndimage.affine_transform(c, inverse, offset, order=1, mode="grid-constant") for c in image.numpy()]
    return torch.from_numpy(np.stack(moved))


def rotation_matrix(angle: float) -> np.ndarray:
    """The rotation by degrees, anticlockwise as seen where y points down."""
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return np.array([[cosine, sine], [-sine, cosine]])


def blur_slowly(image: Tensor, sigma: float) -> Tensor:
    """One image (C, H, W) blurred by scipy."""
    blurred = [scipy.ndimage.gaussian_filter(c, sigma, mode="constant", truncate=8) for c in image.numpy()]
    return torch.from_numpy(np.stack(blurred))
