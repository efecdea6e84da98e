"""Rewritten layers against the plain ones they stand for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from tiae_zoo.networks.layers import (
    WIDE,
    PooledConv2d,
    SelfAttention,
    UpsampledConv2d,
    initialise_orthogonal,
    normalise_convolutions,
    weights_to_be_loaded,
)


def pooled_slowly(layer: nn.Conv2d, x: Tensor) -> Tensor:
    return F.avg_pool2d(F.conv2d(x, layer.weight, layer.bias, padding=1), 2)


def upsampled_slowly(layer: nn.Conv2d, x: Tensor) -> Tensor:
    return F.conv2d(F.interpolate(x, scale_factor=2), layer.weight, padding=1)


@pytest.mark.parametrize(
    ("layer", "slowly"),
    [(PooledConv2d, pooled_slowly), (UpsampledConv2d, upsampled_slowly)],
    ids=["pooled", "upsampled"],
)
@pytest.mark.parametrize("channels", [3, WIDE])
@pytest.mark.parametrize("shape", [(2, 2), (6, 8)])
def test_a_rewritten_layer_is_the_plain_one(
    layer: Callable[[int, int], nn.Conv2d],
    slowly: Callable[[nn.Conv2d, Tensor], Tensor],
    channels: int,
    shape: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    fast = layer(channels, channels).double()
    images = torch.randn(2, channels, *shape, dtype=torch.float64, requires_grad=True)
    found, expected = fast(images), slowly(fast, images)
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(found)
    inputs = [images, *fast.parameters()]
    for one, other in zip(
        torch.autograd.grad((weight * found).sum(), inputs),
        torch.autograd.grad((weight * expected).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("layer", [PooledConv2d, UpsampledConv2d])
def test_its_weight_is_normalised_like_any_convolution(layer: Callable[[int, int], nn.Conv2d]) -> None:
    module = nn.Sequential(layer(3, 5))
    normalise_convolutions(module)
    names = [name for name, _ in module.named_parameters()]
    assert "0.parametrizations.weight.original" in names
    assert module(torch.randn(1, 3, 8, 8)).shape[1] == 5


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kernel", [(3, 2), (1, 1)])
def test_spectral_norm_is_torchs(memory_format: torch.memory_format, training: bool, kernel: tuple[int, int]) -> None:
    weight = torch.randn(6, 5, *kernel, dtype=torch.float64)
    convolutions = [nn.Conv2d(5, 6, kernel).double().to(memory_format=memory_format) for _ in range(2)]  # type: ignore[call-overload]
    for convolution in convolutions:
        convolution.weight.data.copy_(weight)
    ours, torchs = convolutions
    normalise_convolutions(ours)
    spectral_norm(torchs)
    ours.load_state_dict(torchs.state_dict())
    found, expected = (convolution.train(training) for convolution in (ours, torchs))
    for _ in range(2):  # the vectors of the first are another one's in the second, and both are asked for gradients
        seen = [(convolution.weight, convolution.weight) for convolution in (found, expected)]
        torch.testing.assert_close(seen[0], seen[1])
        gradients = [
            torch.autograd.grad((one.square() + other.exp()).sum(), convolution.parametrizations.weight.original)
            for (one, other), convolution in zip(seen, (found, expected), strict=True)
        ]
        torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(ours.state_dict(), torchs.state_dict())


def test_a_normalised_weight_starts_near_a_norm_of_one() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 8, 3)
    normalise_convolutions(layer)
    assert torch.linalg.matrix_norm(layer.eval().weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_spectral_norm_is_as_exact_in_half_precision() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 8, 3)
    normalise_convolutions(layer)
    layer.eval()
    expected = layer.weight
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.weight, expected)


@pytest.mark.parametrize("channels", [4, 16, 40])
def test_attention_is_a_softmax_of_products(channels: int) -> None:
    torch.manual_seed(0)
    attention = SelfAttention(channels).double()
    nn.init.ones_(attention.gate)
    x = torch.randn(2, channels, 6, 8, dtype=torch.float64)
    query = attention.query(x).flatten(2)
    key, value = (F.max_pool2d(layer(x), 2).flatten(2) for layer in (attention.key, attention.value))
    share = torch.einsum("bcq,bck->bqk", query, key).softmax(2)
    attended = torch.einsum("bqk,bck->bcq", share, value).unflatten(2, (6, 8))
    torch.testing.assert_close(attention(x), x + attention.out(attended))


def test_weights_that_will_be_loaded_are_not_made_orthogonal() -> None:
    layer = nn.Linear(5, 5)
    before = layer.weight.detach().clone()
    with weights_to_be_loaded():
        initialise_orthogonal(layer, 1.0)
    assert torch.equal(layer.weight, before)
    initialise_orthogonal(layer, 1.0)
    torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(5))
