"""Layers and initialisation that several families of networks share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

PYRAMID_BINS = (1, 2, 3, 6)  # cells a side of each level of PSPNet's pooling (Zhao et al. 2017, section 3.2)


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
        # zeros change no product, and the fused kernels want all three of one width, with an axis for heads
        missing = [0, value.shape[2] - key.shape[2]]
        query, key = F.pad(query, missing), F.pad(key, missing)
        attended = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None], scale=1.0)[:, 0]
        return x + self.gate * self.out(attended.transpose(1, 2).unflatten(2, (height, width)))


WIDE = 128  # channels: with fewer, a pass over the pixels costs more than the products it spares


class PooledConv2d(nn.Conv2d):
    """A 3x3 convolution, padded by 1, and the mean of each 2x2 pixels of what it gives: half the side.

    Both are linear and know no place. So the mean may come first, over every 2x2 neighbours, and the convolution is
    needed at a quarter of the pixels only; or both are one 4x4 convolution of stride 2: 9 or 16 products for four
    pixels instead of 36.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', H / 2, W / 2) for (B, C, H, W) with even H and W."""
        if self.in_channels < WIDE:
            return F.conv2d(x, spread(self.weight) / 4, self.bias, stride=2, padding=1)
        return F.conv2d(F.avg_pool2d(x, 2, stride=1, padding=1), self.weight, self.bias, stride=2)


class UpsampledConv2d(nn.Conv2d):
    """The nearest of twice the side, and a 3x3 convolution of it, padded by 1, without a bias.

    Repeating pixels is setting them apart by zeros, which cost a transposed convolution nothing, and adding up every
    2x2 neighbours. These may be added up last; or all is one transposed 4x4 convolution: 9 or 16 products for four
    pixels instead of 36.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', 2H, 2W) for (B, C, H, W)."""
        kernel = self.weight.flip(2, 3).transpose(0, 1)
        if self.out_channels < WIDE:
            return F.conv_transpose2d(x, spread(kernel), stride=2, padding=1)
        return F.avg_pool2d(F.conv_transpose2d(x, kernel, stride=2), 2, stride=1, divisor_override=1)


def spread(kernel: Tensor) -> Tensor:
    """Return the sum of a kernel (..., 3, 3) at the four places of a 4x4 one, (..., 4, 4)."""
    rows = F.pad(kernel, (0, 0, 0, 1)) + F.pad(kernel, (0, 0, 1, 0))
    return F.pad(rows, (0, 1)) + F.pad(rows, (1, 0))


_to_be_loaded = ContextVar("_to_be_loaded", default=False)


@contextmanager
def weights_to_be_loaded() -> Iterator[None]:
    """Build networks whose weights will come from a file: orthogonal ones take seconds, of ReDO's 139 million ten.

    Nor is anything fetched to start from.
    """
    token = _to_be_loaded.set(True)
    try:
        yield
    finally:
        _to_be_loaded.reset(token)


def awaits_weights() -> bool:
    """Return whether a network that is built now is within :func:`weights_to_be_loaded`."""
    return _to_be_loaded.get()


def initialise_orthogonal(module: nn.Module, gain: float) -> None:
    """Give every convolution and linear layer in `module` orthogonal weights of this gain, and zero biases.

    Nothing is done within :func:`weights_to_be_loaded`.
    """
    if awaits_weights():
        return
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.orthogonal_(layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class SpectralNorm(nn.Module):
    """A convolution's weight divided by its largest singular value (Miyato et al. 2018, arXiv 1802.05957).

    The same numbers and the same state as those of :func:`torch.nn.utils.parametrizations.spectral_norm`, faster for
    channels-last weights, which that one copies, and with fewer passes over the gradient.

    Args:
        weight: (O, I, H, W), from which the singular vectors start.
    """

    EPS = 1e-12
    FIRST_ITERATIONS = 15  # of the power method; one more each time the layer is used in training

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self._u: Tensor
        self._v: Tensor
        self.register_buffer("_u", F.normalize(weight.new_empty(weight.shape[0]).normal_(), dim=0, eps=self.EPS))
        self.register_buffer("_v", F.normalize(weight.new_empty(weight[0].numel()).normal_(), dim=0, eps=self.EPS))
        for _ in range(self.FIRST_ITERATIONS):
            self._iterate(weight)

    def forward(self, weight: Tensor) -> Tensor:
        """Return (O, I, H, W) of spectral norm one, for a weight (O, I, H, W); autocast changes nothing."""
        device = weight.device.type
        with torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext():
            if self.training:
                self._iterate(weight)
            matrix, v = _as_stored(weight, self._v.clone())  # u and v may change before the backward
            return weight * (self._u.clone() @ (matrix @ v)).reciprocal()

    @torch.no_grad()
    def _iterate(self, weight: Tensor) -> None:
        matrix, v = _as_stored(weight, self._v)
        u = F.normalize(matrix @ v, dim=0, eps=self.EPS)
        v = F.normalize(u @ matrix, dim=0, eps=self.EPS)
        self._u.copy_(u)
        self._v.copy_(v.view(-1, weight.shape[1]).t().flatten())


def _as_stored(weight: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return a weight (O, I, H, W) as a matrix (O, H * W * I), a view if it is channels-last, and v in its order."""
    return weight.permute(0, 2, 3, 1).flatten(1), v.view(weight.shape[1], -1).t().flatten()


def normalise_convolutions(module: nn.Module) -> None:
    """Put spectral normalisation on every convolution in `module`.

    Call it after initialising: an in-place initialisation of a normalised weight is silently lost.
    """
    for layer in list(module.modules()):
        if isinstance(layer, nn.Conv2d):
            register_parametrization(layer, "weight", SpectralNorm(layer.weight))
