"""Changes of size about the centre of the frame."""

from __future__ import annotations

import torch
from torch import Tensor

from tiae_zoo.invariance.linear import LinearFamily


class Scale(LinearFamily):
    """All changes of size between two factors, bilinear; what enters the frame is zero.

    theta is float32 (B, 1), the factor: above 1 the picture grows. Below about 0.5 bilinear sampling skips pixels.

    Args:
        min_scale: the smallest factor, above 0 and at most 1.
        max_scale: the largest factor, at least 1.
        num_scales: the factors that `nearest` tries, evenly spread; the one next to 1 is moved to 1.

    Raises:
        ValueError: 1 is not between the factors, a factor is not above 0, or `num_scales` is below 1.

    >>> Scale(min_scale=0.5, max_scale=2, num_scales=4).candidates().flatten().tolist()
    [0.5, 1.0, 1.5, 2.0]
    """

    parameters = ("scale",)

    def __init__(self, min_scale: float = 0.8, max_scale: float = 1.2, num_scales: int = 5) -> None:
        if not 0 < min_scale <= 1 <= max_scale < float("inf"):
            raise ValueError(
                f"Scale got factors from {min_scale} to {max_scale}. Set min_scale above 0 and at most 1, and "
                "max_scale to at least 1."
            )
        if num_scales < 1:
            raise ValueError(f"Scale got num_scales={num_scales}. Set it to 1 or more.")
        factors = torch.linspace(min_scale, max_scale, num_scales)
        factors[(factors - 1).abs().argmin()] = 1
        super().__init__(min_scale, max_scale, factors)

    def matrix(self, theta: Tensor) -> Tensor:
        """Return the multiples (B, 2, 2) of the identity by theta (B, 1)."""
        return theta[:, :, None] * torch.eye(2, dtype=theta.dtype, device=theta.device)
