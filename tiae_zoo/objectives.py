"""Loss functions: pure functions of tensors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def hinge_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the hinge loss of a discriminator (Lim and Ye 2017, arXiv 1705.02894), to be minimised.

    Args:
        real: scores of real images, any shape.
        fake: scores of generated images, any shape.

    Returns:
        mean(max(0, 1 - real)) + mean(max(0, 1 + fake)), 0-d.
    """
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def sparseness(descriptors: Tensor) -> Tensor:
    """Return how far the energy is spread over descriptor dimensions: C_spa of the transform invariant auto-encoder.

    ||e||_1^2 / ||e||_2^2 (Matsuo and Shimada 2017, arXiv 1709.03754) lies between 1, one dimension holds all energy,
    and D, all hold the same. An all-zero descriptor counts as 0.

    Args:
        descriptors: (B, D).

    Returns:
        The mean over the batch, 0-d.
    """
    l1 = descriptors.abs().sum(1)
    energy = descriptors.square().sum(1)
    return (l1.square() / energy.clamp_min(torch.finfo(energy.dtype).tiny)).mean()


def judged_cross_entropy(logits: Tensor, truth: Tensor, class_weights: Tensor | None, ignored: int) -> Tensor:
    """Return the cross entropy of each pixel's class, averaged over the pixels that are to be judged.

    That of :func:`torch.nn.functional.cross_entropy`, but 0 instead of NaN where nothing is to be judged.

    Args:
        logits: (B, K, H, W).
        truth: int64 (B, H, W).
        class_weights: (K,), above 0; all the same if None.
        ignored: the truth of pixels that are not judged.

    Returns:
        The mean, in which pixels weigh as their classes do, 0-d.
    """
    total = F.cross_entropy(logits, truth, class_weights, ignore_index=ignored, reduction="sum")
    weight = (truth != ignored).to(logits.dtype)
    if class_weights is not None:
        weight = weight * class_weights[truth.where(truth != ignored, 0)]
    return total / weight.sum().clamp_min(torch.finfo(logits.dtype).tiny)
