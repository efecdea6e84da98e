"""Spatial transformers: the identity at the start, sizes, what learns, and the paper's sizes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tiae_zoo.networks.stn import (
    ConvolutionalClassifier,
    ConvolutionalLocalisation,
    DenseClassifier,
    DenseLocalisation,
    RecurrentTransformer,
    SpatialTransformer,
    of_size,
)
from tiae_zoo.networks.warps import WARPS


@pytest.mark.parametrize("warp", sorted(WARPS))
def test_it_starts_as_the_identity_and_learns(warp: str) -> None:
    torch.manual_seed(0)
    transformer = SpatialTransformer(ConvolutionalLocalisation(32), 20, warp)  # type: ignore[arg-type]
    images = torch.rand(2, 1, 32, 32)
    seen = transformer(images)
    torch.testing.assert_close(seen, images, rtol=0, atol=1e-4)
    (seen * torch.rand_like(seen)).sum().backward()
    gradient = transformer.theta.bias.grad
    assert gradient is not None
    assert (gradient != 0).all()


@pytest.mark.parametrize(("size", "shape"), [(None, (40, 60)), (16, (16, 16)), ((10, 20), (10, 20))])
def test_input_and_output_may_have_any_size(size: int | tuple[int, int] | None, shape: tuple[int, int]) -> None:
    localisation = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    transformer = SpatialTransformer(localisation, 12, "attention", size)
    assert transformer(torch.rand(2, 3, 40, 60)).shape == (2, 3, *shape)


def test_what_lies_outside_of_the_image_is_black() -> None:
    transformer = SpatialTransformer(nn.Flatten(), 16, "affine")
    away = torch.tensor([[1.0, 0, 5, 0, 1, 0]])
    assert not transformer.sample(torch.ones(1, 1, 4, 4), away).any()


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("warp", sorted(WARPS))
def test_any_precision_sees_the_same(warp: str, kind: torch.dtype) -> None:
    torch.manual_seed(0)
    transformer = SpatialTransformer(nn.Flatten(), 16, warp, 64)  # type: ignore[arg-type]
    with torch.no_grad():
        transformer.theta.bias.add_(0.05 * torch.randn_like(transformer.theta.bias))
        transformer.theta.bias.copy_(transformer.theta.bias.to(kind))  # what is tested is not the rounding of theta
    images = torch.rand(2, 1, 4, 4).to(torch.bfloat16).float()
    expected = transformer(images)
    found = transformer.to(kind)(images.to(kind))
    assert found.dtype == kind
    torch.testing.assert_close(found, expected.to(kind), rtol=0, atol=1e-5 if kind == torch.float64 else 1 / 64)


@pytest.mark.parametrize("warp", sorted(WARPS))
def test_autocast_does_not_move_the_points(warp: str) -> None:
    torch.manual_seed(0)
    transformer = SpatialTransformer(nn.Flatten(), 16, warp, 64)  # type: ignore[arg-type]
    images = torch.rand(2, 1, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = transformer(images)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, transformer(images), rtol=0, atol=0.05)


def test_the_recurrent_one_remembers_where_it_looked() -> None:
    torch.manual_seed(0)
    transformer = RecurrentTransformer(nn.Flatten(), 64, num_glimpses=3, hidden=8, warp="attention", out_size=4)
    nn.init.normal_(transformer.theta.weight)
    seen = transformer(torch.rand(2, 1, 8, 8))
    assert seen.shape == (2, 3, 1, 4, 4)
    assert not torch.allclose(seen[:, 0], seen[:, 1])
    assert not torch.allclose(seen[:, 1], seen[:, 2])


@pytest.mark.parametrize("feedback", [False, True])
def test_only_with_feedback_what_was_seen_decides_where_to_look_next(feedback: bool) -> None:
    torch.manual_seed(0)

    class Brightness(nn.Module):  # alike for both images, but not for their left halves
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((1, 2, 3))[:, None]

    images = torch.zeros(2, 1, 8, 8)
    images[0, ..., :4] = images[1, ..., 4:] = 1
    transformer = RecurrentTransformer(Brightness(), 1, 2, 8, "attention", 4, feedback)
    nn.init.normal_(transformer.theta.weight)
    transformer.theta.bias.data = torch.tensor([0.5, -0.5, 0])  # the left half
    places: list[torch.Tensor] = []
    transformer.theta.register_forward_hook(lambda module, inputs, theta: places.append(theta))
    transformer(images)
    torch.testing.assert_close(places[0][0], places[0][1])
    assert torch.allclose(places[1][0], places[1][1]) != feedback


@pytest.mark.parametrize("classifier", [ConvolutionalClassifier, DenseClassifier])
@pytest.mark.parametrize("size", [28, 42, 60])
def test_widths_are_found_for_the_papers_parameter_count(classifier: type[nn.Module], size: int) -> None:
    network = of_size(lambda width: classifier(size, width=width), 400_000)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert abs(count - 400_000) < 6000
    assert network(torch.rand(2, 1, size, size)).shape == (2, 10)


@pytest.mark.parametrize("classifier", [ConvolutionalClassifier, DenseClassifier])
def test_dropout_is_for_training_alone_and_moves_no_weight_to_another_name(classifier: type[nn.Module]) -> None:
    plain, dropping = classifier(28, width=8), classifier(28, width=8, dropout=0.5)
    dropping.load_state_dict(plain.state_dict())
    images = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(dropping.eval()(images), plain.eval()(images))
    assert not torch.allclose(dropping.train()(images), plain(images))


def test_localisations_are_the_papers() -> None:
    images = torch.rand(2, 1, 60, 60)
    convolutional, dense = ConvolutionalLocalisation(60), DenseLocalisation(60)
    assert convolutional(images).shape == (2, 20)
    assert [tuple(m.kernel_size) for m in convolutional if isinstance(m, nn.Conv2d)] == [(5, 5), (5, 5)]
    assert [m.out_channels for m in convolutional if isinstance(m, nn.Conv2d)] == [20, 20]
    assert dense(images).shape == (2, 32)
    assert [m.out_features for m in dense if isinstance(m, nn.Linear)] == [32, 32, 32]


def test_images_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="Set image_size to 28 or more"):
        ConvolutionalLocalisation(20)
    with pytest.raises(ValueError, match="Set image_size to 24 or more"):
        ConvolutionalClassifier(20)
