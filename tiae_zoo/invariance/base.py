"""The interface of a family of transforms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor


class Nearest(NamedTuple):
    """The member of {T_theta I} that lies nearest to a restoration of I."""

    image: Tensor
    """T_theta I, (B, C, H, W)."""
    theta: Tensor
    """The parameters of that transform, float32 (B, P)."""


class TransformFamily(ABC):
    """What a transform invariant auto-encoder asks of a family T_theta with P parameters.

    Every theta is float32 (N, P).
    """

    parameters: tuple[str, ...]
    """The P names of theta's columns."""

    @abstractmethod
    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Return T_theta I (B, C, H, W) for images (B, C, H, W) and theta (B, P)."""

    @abstractmethod
    def sample(self, images: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return T_theta I (B, C, H, W) and theta (B, P), a random one for each image."""

    @abstractmethod
    def grid(self, steps: int) -> Tensor:
        """Return thetas (N, P) spread evenly over the family, with `steps` values a parameter."""

    @abstractmethod
    def candidates(self) -> Tensor:
        """Return the thetas (N, P) that `nearest` searches, the identity among them."""

    @abstractmethod
    def nearest(self, restored: Tensor, images: Tensor) -> Nearest:
        """Return argmin over the candidates of ||restored - T_theta I||^2, without gradients; both are (B, C, H, W)."""
