"""Layers and initialisation that several families of networks share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class Residual(nn.Module):
    """The sum of two paths through the same input: `main(x) + shortcut(x)`."""

    def __init__(self, main: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.main = main
        self.shortcut = shortcut if shortcut is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) of the paths' common output shape."""
        return self.main(x) + self.shortcut(x)


class SelfAttention(nn.Module):
    """Self-attention over space, in the form of SAGAN (Zhang et al. 2019, arXiv 1805.08318, section 3).

    Keys and values are max-pooled by two, the softmax is not scaled, and the result enters through a gate that starts
    at zero, so that the layer starts as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // 8, 1)
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, max(channels // 2, 1), 1, bias=False)
        self.out = nn.Conv2d(max(channels // 2, 1), channels, 1, bias=False)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) for (B, C, H, W) with even H and W."""
        height, width = x.shape[-2:]
        query = self.query(x).flatten(2).transpose(1, 2)  # (B, HW, C/8)
        key = F.max_pool2d(self.key(x), 2).flatten(2).transpose(1, 2)  # (B, HW/4, C/8)
        value = F.max_pool2d(self.value(x), 2).flatten(2).transpose(1, 2)  # (B, HW/4, C/2)
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)  # (B, HW, C/2)
        return x + self.gate * self.out(attended.transpose(1, 2).unflatten(2, (height, width)))


def initialise_orthogonal(module: nn.Module, gain: float) -> None:
    """Give every convolution and linear layer in `module` orthogonal weights of this gain, and zero biases."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.orthogonal_(layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def normalise_convolutions(module: nn.Module) -> None:
    """Put spectral normalisation (Miyato et al. 2018, arXiv 1802.05957) on every convolution in `module`.

    Call it after initialising: an in-place initialisation of a normalised weight is silently lost.
    """
    for layer in list(module.modules()):
        if isinstance(layer, nn.Conv2d):
            spectral_norm(layer)
