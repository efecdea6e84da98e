"""Torchvision's weights of ImageNet without a connection: random ones, the same every time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import Tensor
from torchvision.models import WeightsEnum, get_model

State = dict[str, Tensor]


def random_weights(name: str) -> State:
    """Return a state of torchvision's model of this name, all values positive: variances are among them."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = get_model(name).state_dict()
    return {
        key: 0.05 * torch.rand(value.shape, generator=generator) if value.is_floating_point() else torch.tensor(7)
        for key, value in shapes.items()
    }


def serve_random_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision find random weights where it would fetch its own."""
    _serve(monkeypatch, lambda weights: random_weights(type(weights).__name__.removesuffix("_Weights").lower()))


def cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision find nothing, as without a network."""

    def fail(weights: WeightsEnum) -> State:
        raise URLError("Name or service not known")

    _serve(monkeypatch, fail)


def _serve(monkeypatch: pytest.MonkeyPatch, give: Callable[[WeightsEnum], State]) -> None:
    def get_state_dict(self: WeightsEnum, *args: Any, **kwargs: Any) -> State:
        return give(self)

    monkeypatch.setattr(WeightsEnum, "get_state_dict", get_state_dict)
