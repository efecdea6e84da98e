"""Small real pictures that need no file."""

from __future__ import annotations

import torch
import torchvision.transforms.v2.functional as tv
from sklearn.datasets import load_digits
from torch import Tensor


def digits(count: int) -> Tensor:
    """Return the first of scikit-learn's digits, 20 px high in the middle of (N, 1, 32, 32), in [0, 1]."""
    images = torch.tensor(load_digits().images[:count]).float().unsqueeze(1) / 16
    return tv.pad(tv.resize(images, [20, 20], antialias=True).clamp(0, 1), [6, 6, 6, 6])
