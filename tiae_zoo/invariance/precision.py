"""Full precision where faster settings would cost it."""

from __future__ import annotations

import torch
from torch import Tensor


def precise(images: Tensor) -> Tensor:
    """Return half precision as float32, everything else as it is."""
    return images.to(torch.promote_types(torch.float32, images.dtype))


def exact_matmul(left: Tensor, right: Tensor) -> Tensor:
    """Return left @ right with all digits of their type, whatever autocast and the settings of products allow."""
    device, dtype = right.device.type, right.dtype
    settings = torch.backends.cuda.matmul if device == "cuda" else torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    with torch.autocast(device, enabled=False):
        if device != "mps" and settings.fp32_precision not in ("none", "ieee"):  # which do not touch float64
            return (left.double() @ right.double()).to(dtype)
        return left @ right
