"""Rotations about the centre of the frame."""

from __future__ import annotations

import torch
from torch import Tensor

from tiae_zoo.invariance.linear import LinearFamily


class Rotation(LinearFamily):
    """All rotations by up to `max_angle` degrees either way, bilinear; what enters the frame is zero.

    theta is float32 (B, 1), the angle in degrees: positive turns the picture anticlockwise, as it is seen.

    Args:
        max_angle: the largest angle, in degrees, at most 180.
        num_angles: the angles that `nearest` tries, evenly spread; odd, so that 0 is one of them.

    Raises:
        ValueError: `max_angle` is not between 0 and 180, or `num_angles` is even or below 1.

    >>> Rotation(max_angle=30, num_angles=5).candidates().flatten().tolist()
    [-30.0, -15.0, 0.0, 15.0, 30.0]
    """

    parameters = ("angle",)

    def __init__(self, max_angle: float = 30.0, num_angles: int = 13) -> None:
        if not 0 <= max_angle <= 180:
            raise ValueError(f"Rotation got max_angle={max_angle}. Set it to between 0 and 180 degrees.")
        if num_angles < 1 or num_angles % 2 == 0:
            raise ValueError(
                f"Rotation got num_angles={num_angles}, which leaves out 0 degrees. Set it to an odd number above 0."
            )
        self._circle = max_angle == 180
        steps = torch.arange(num_angles) - num_angles // 2
        gaps = num_angles if self._circle else max(num_angles - 1, 1)  # on the full circle -180 is 180
        super().__init__(-max_angle, max_angle, steps * (2 * max_angle / gaps))

    def grid(self, steps: int) -> Tensor:
        """Return thetas (steps, 1) spread evenly, both ends included; on the full circle, which has none, from -180."""
        return super().grid(steps + 1)[:-1] if self._circle else super().grid(steps)

    def matrix(self, theta: Tensor) -> Tensor:
        """Return the rotations (B, 2, 2) by theta (B, 1); x points right and y down."""
        cosine, sine = theta[:, 0].deg2rad().cos(), theta[:, 0].deg2rad().sin()
        return torch.stack([torch.stack([cosine, sine], 1), torch.stack([-sine, cosine], 1)], 1)
