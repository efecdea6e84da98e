"""Descriptors of randomly transformed images, as the callbacks ask a method for them."""

from typing import Any

import torch
from torch import Tensor

CHUNK = 500  # images described at once: bounds the memory, and random transforms must not depend on a batch size
NEEDED = "`encode(images)` and a transform `family`"


def offers_descriptors(method: Any) -> bool:
    """Tell whether a method has what :func:`describe_transformed` asks for."""
    return callable(getattr(method, "encode", None)) and hasattr(method, "family")


def describe_transformed(method: Any, images: Tensor, generator: torch.Generator) -> Tensor:
    """Encode images, each after a random transform of the method's family.

    Args:
        method: offers `encode(images (B, C, H, W)) -> (B, D)` and
            `family.sample(images, generator) -> (transformed images, theta)`.
        images: (B, C, H, W), on the method's device.
        generator: of the transforms, on the CPU: the same ones on every device.

    Returns:
        float32 (B, D) on the CPU.

    Raises:
        ValueError: if `encode` does not give one vector for each image.
    """
    described = []
    with torch.no_grad():
        for chunk in images.split(CHUNK):
            transformed, _ = method.family.sample(chunk, generator)
            descriptors = method.encode(transformed)
            if descriptors.ndim != 2 or len(descriptors) != len(chunk):
                raise ValueError(
                    f"encode gave shape {tuple(descriptors.shape)} for {len(chunk)} images. "
                    "Return one descriptor (D,) for each image."
                )
            described.append(descriptors.float().cpu())
    return torch.cat(described)
