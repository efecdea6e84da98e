"""The interface of a family of transforms."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
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
    _arguments: tuple[Any, ...]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # a family is a hyperparameter of its method: checkpoints that keep one are opened without unpickling code
        super().__init_subclass__(**kwargs)
        kinds = {parameter.kind for parameter in inspect.signature(cls.__init__).parameters.values()}
        if inspect.Parameter.KEYWORD_ONLY in kinds:
            raise TypeError(f"{cls.__name__} has keyword-only arguments, which checkpoints cannot keep. Remove the *.")
        torch.serialization.add_safe_globals([cls])

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments: they are what is kept, and compared."""
        family = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind(family, *args, **kwargs)
        bound.apply_defaults()
        family._arguments = bound.args[1:]
        return family

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), self._arguments

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TransformFamily) and _alike(self.__reduce__(), other.__reduce__())

    def __hash__(self) -> int:
        return hash(type(self))

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

    def reach(self, side: int) -> int:
        """Return by how many pixels, at most, T_theta moves ink out of a square frame of this side.

        What is not moved but spread out, as by a blur, does not count.
        """
        return 0

    def bare(self, theta: Tensor) -> Tensor:
        """Return theta (B, P) with the backgrounds, which are not searched, black as `nearest` has them."""
        return theta


def best_error(restored: Tensor, images: Tensor, family: TransformFamily) -> Tensor:
    """Return min over theta of ||restored - T_theta I||^2 (B,), with gradients for `restored` alone.

    What T_theta moves out of the frame is an error: the frame gets a margin as wide as the family reaches.

    Args:
        restored: patterns (B, C, S, S).
        images: I, (B, C, S, S).
        family: the transforms T_theta.
    """
    margin = [family.reach(max(images.shape[-2:]))] * 4
    restored = F.pad(restored, margin)
    return (restored - family.nearest(restored, F.pad(images, margin)).image).square().sum((1, 2, 3))


def _alike(one: Any, other: Any) -> bool:
    """Compare arguments; tensors have no `==` of their own."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)
