"""Supervised networks: each has the property that its name promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiae_zoo.networks.segmentation import (
    DeconvNet,
    FCN8s,
    MultiScaleNet,
    PSPNet,
    SegNet,
    covering_windows,
    deconvnet,
    segnet,
    stitched,
)
from tiae_zoo.networks.segmentation.fcn import upsampling
from tiae_zoo.networks.segmentation.multiscale import laplacian_pyramid, locally_normalised

SMALL: dict[str, Callable[[int], nn.Module]] = {
    "pspnet": PSPNet,
    "fcn8s": lambda classes: FCN8s(classes, width=0.05),
    "deconvnet": lambda classes: DeconvNet(classes, 64, width=0.05),
    "segnet": lambda classes: SegNet(classes, width=0.05),
    "multiscale": MultiScaleNet,
}


@pytest.mark.parametrize("name", SMALL)
def test_logits_have_the_images_size_whatever_it_is(name: str) -> None:
    network = SMALL[name](4).eval()
    for size in ((32, 32), (45, 70), (64, 96)):
        with torch.no_grad():
            (logits,) = network(torch.rand(1, 3, *size))
        assert logits.shape == (1, 4, *size)


@pytest.mark.parametrize("name", SMALL)
def test_every_weight_gets_a_gradient_of_its_own(name: str) -> None:
    torch.manual_seed(0)
    network = SMALL[name](3)
    for parameter in network.parameters():  # nothing is hidden behind a zero
        if parameter.requires_grad and not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    sum((logits * torch.randn_like(logits)).sum() for logits in network(torch.rand(2, 3, 64, 64))).backward()  # type: ignore[union-attr]
    for name_, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name_
            assert parameter.grad.any(), name_
    convolutions = [m.weight for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    assert len({id(weight) for weight in convolutions}) == len(convolutions)


@pytest.mark.parametrize(
    ("build", "millions"),
    [
        (lambda: FCN8s(21), 134.5),  # as documented; "134 M" of FCN-VGG16 (Long et al. 2015, Table 1)
        (lambda: DeconvNet(21), 251.8),  # "about 252 M" (Noh et al. 2015)
        (lambda: SegNet(11), 29.5),  # "29.45 M" (Badrinarayanan et al. 2017, Table 6)
        (lambda: PSPNet(21), 49.0),  # as documented; no paper counts them
        (lambda: PSPNet(21, backbone="resnet101"), 68.0),  # as documented
        (lambda: MultiScaleNet(21), 1.66),  # as documented; the authors' maps see only some of those before
    ],
    ids=["fcn8s", "deconvnet", "segnet", "pspnet50", "pspnet101", "multiscale"],
)
def test_parameter_counts_are_the_papers_or_those_documented(build: Callable[[], nn.Module], millions: float) -> None:
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in build().parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize(
    ("build", "module"),
    [(lambda: SegNet(3, width=0.25), segnet), (lambda: DeconvNet(3, 32, width=0.25), deconvnet)],
    ids=["segnet", "deconvnet"],
)
def test_unpooling_uses_the_poolings_indices(
    build: Callable[[], nn.Module], module: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = build().eval()
    images = torch.rand(1, 3, 64, 64)

    def top_left(x: Tensor) -> tuple[Tensor, Tensor]:
        """The same values, said to come from the first pixel of each four."""
        rows, columns = torch.meshgrid(torch.arange(0, x.shape[2], 2), torch.arange(0, x.shape[3], 2), indexing="ij")
        indices = (rows * x.shape[3] + columns).expand(*x.shape[:2], -1, -1).contiguous()
        return F.max_pool2d(x, 2), indices

    with torch.no_grad():
        true = network(images)[0]
        monkeypatch.setattr(module, "pooled_with_indices", top_left)
        assert not torch.allclose(network(images)[0], true, atol=1e-4)


def test_deconvnet_sees_an_image_through_one_vector() -> None:
    network = DeconvNet(3, 64, width=0.05).eval()
    sizes: list[tuple[int, ...]] = []
    network.bottleneck[3].register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape[2:])))
    for size in (40, 64, 128):
        with torch.no_grad():
            network(torch.rand(1, 3, size, size))
    assert sizes == [(1, 1), (1, 1), (3, 3)]
    assert all(isinstance(layer, nn.ConvTranspose2d) for block in network.decoder for layer in block[::3])


def test_segnet_has_thirteen_convolutions_down_and_up_and_no_dense_layer() -> None:
    network = SegNet(3, width=0.05)
    down = [m for m in network.encoder.modules() if isinstance(m, nn.Conv2d)]
    up = [m for m in network.decoder.modules() if isinstance(m, nn.Conv2d)]
    assert (len(down), len(up) + 1) == (13, 13)
    assert all(m.kernel_size == (3, 3) for m in [*down, *up, network.score])


@pytest.mark.parametrize("factor", [2, 8])
def test_upsampling_starts_as_bilinear_interpolation(factor: int) -> None:
    x = torch.rand(1, 3, 6, 7)
    found = upsampling(3, factor)(x)
    expected = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    assert found.shape == expected.shape
    inside = slice(factor, -factor)
    torch.testing.assert_close(found[..., inside, inside], expected[..., inside, inside])


def test_fcn8s_adds_the_scores_of_three_depths() -> None:
    torch.manual_seed(0)
    network = FCN8s(2, width=0.05).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert not network(images)[0].any()  # all scores start at zero
        for count, layer in enumerate((network.score, network.score_pool4, network.score_pool3), 1):
            nn.init.ones_(layer.bias)
            (logits,) = network(images)
            torch.testing.assert_close(logits[..., 28:36, 28:36], torch.full((1, 2, 8, 8), float(count)))
    assert not any(parameter.requires_grad for parameter in network.up32.parameters())


def test_fcn8s_scores_at_an_eighth_a_sixteenth_and_a_thirty_second_of_the_side() -> None:
    network = FCN8s(2, width=0.05).eval()
    shapes: list[tuple[int, ...]] = []
    for layer in (network.score_pool3, network.score_pool4, network.score):
        layer.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[2:])))
    with torch.no_grad():
        network(torch.rand(1, 3, 64, 96))
    assert sorted(shapes) == [(2, 3), (4, 6), (8, 12)]


@pytest.mark.parametrize("seed", range(3))
def test_fcn8s_starts_alive(seed: int) -> None:
    torch.manual_seed(seed)
    network = FCN8s(2, width=0.25).eval()
    seen: list[Tensor] = []
    network.score.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    images = torch.randn(2, 3, 64, 64, requires_grad=True)
    network(images)
    (features,) = seen
    assert (features[0] - features[1]).std() > 1e-4  # what the last layer can tell two images by
    (gradient,) = torch.autograd.grad(features, images, torch.randn_like(features))
    assert gradient.square().mean().sqrt() > 1e-4


def test_pspnet_is_dilated_pools_in_four_bins_and_helps_itself_in_training() -> None:
    network = PSPNet(3)
    seen: list[tuple[int, ...]] = []
    network.late.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape)))
    assert [tuple(logits.shape) for logits in network(torch.rand(2, 3, 64, 64))] == [(2, 3, 64, 64)] * 2
    assert seen == [(2, 2048, 8, 8)]  # an eighth of the side
    dilations = [
        {m.dilation for m in stage.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)}
        for stage in (network.early[2], network.late)
    ]
    assert [max(found) for found in dilations] == [(2, 2), (4, 4)]
    bins = [level[0].output_size for level in network.head[0].levels]
    assert bins == [1, 2, 3, 6]
    assert len(network.eval()(torch.rand(1, 3, 64, 64))) == 1


def test_the_pyramid_adds_up_to_the_image() -> None:
    images = torch.rand(2, 3, 45, 38)
    *finer, total = laplacian_pyramid(images, 3)
    assert [tuple(level.shape[2:]) for level in (*finer, total)] == [(45, 38), (23, 19), (12, 10)]
    for level in reversed(finer):
        total = level + F.interpolate(total, level.shape[2:], mode="bilinear", align_corners=False)
    torch.testing.assert_close(total, images)


def test_levels_are_normalised_over_fifteen_pixels() -> None:
    torch.manual_seed(0)
    images = 5 + 3 * torch.randn(1, 3, 64, 64)
    found = locally_normalised(images)[..., 16:-16, 16:-16]
    assert found.mean().abs() < 0.05
    assert found.std() == pytest.approx(1, abs=0.1)
    assert locally_normalised(torch.full((1, 3, 32, 32), 0.7)).abs().max() < 1e-3


def test_each_channel_is_normalised_by_itself() -> None:
    torch.manual_seed(0)
    images = torch.randn(1, 3, 64, 64) * torch.tensor([0.1, 1.0, 10.0]).view(1, 3, 1, 1)
    found = locally_normalised(images)
    for channel in range(3):
        torch.testing.assert_close(found[:, [channel]], locally_normalised(images[:, [channel]]))
        assert found[:, channel].std() == pytest.approx(1, abs=0.15)


def test_one_network_sees_all_scales() -> None:
    network = MultiScaleNet(3)
    calls: list[tuple[int, ...]] = []
    network.shared.register_forward_hook(lambda module, inputs, output: calls.append(tuple(output.shape[1:])))
    network(torch.rand(1, 3, 64, 64))
    assert calls == [(256, 16, 16), (256, 8, 8), (256, 4, 4)]


def test_a_feature_sees_46_pixels_of_its_level() -> None:
    images = torch.rand(1, 3, 96, 96, requires_grad=True)
    # of a maximum only one pixel has a gradient: a mean sees the same pixels, and all of them
    layers = [nn.AvgPool2d(2) if isinstance(layer, nn.MaxPool2d) else layer for layer in MultiScaleNet(3).shared]
    nn.Sequential(*layers)(images)[0, :, 12, 12].sum().backward()
    assert images.grad is not None
    rows, columns = images.grad[0].abs().sum(0).nonzero().T
    assert rows.max() - rows.min() + 1 == 46  # Farabet et al. 2013: two 7x7 filters and poolings, one more 7x7
    assert columns.max() - columns.min() + 1 == 46


def test_the_last_filters_of_a_scale_are_bare() -> None:
    network, images = MultiScaleNet(3).double(), torch.rand(1, 3, 32, 32, dtype=torch.float64)
    features = network.shared(images)
    with torch.no_grad():
        for parameter in network.shared[-1].parameters():
            parameter.mul_(100)
    torch.testing.assert_close(network.shared(images), 100 * features)


@pytest.mark.parametrize("size", [(32, 32), (45, 70)])
@pytest.mark.parametrize("shares", [(1.0,), (0.5,), (1.0, 0.7, 0.3)])
def test_windows_of_each_size_cover_the_image_and_overlap(size: tuple[int, int], shares: tuple[float, ...]) -> None:
    for share in shares:
        windows = covering_windows(size, [share])
        covered = torch.zeros(size)
        for top, left, height, width in windows:
            assert 0 <= top <= size[0] - height
            assert 0 <= left <= size[1] - width
            covered[top : top + height, left : left + width] += 1
        assert covered.min() >= 1
        if share < 1:
            assert covered[size[0] // 2, size[1] // 2] >= 4
    assert len(covering_windows(size, shares)) == sum(len(covering_windows(size, [share])) for share in shares)


def test_the_largest_score_of_all_windows_wins() -> None:
    images = torch.rand(2, 1, 8, 8)
    windows = [(0, 0, 8, 8), (0, 0, 4, 4), (2, 2, 4, 6)]
    number = iter([1.0, 3.0, 2.0])

    def score(views: Tensor) -> Tensor:
        assert views.shape == images.shape
        value = next(number)
        return torch.full((2, 2, 8, 8), value) * torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)

    best = stitched(score, images, windows)
    expected = torch.ones(8, 8)
    expected[2:6, 2:8] = 2
    expected[:4, :4] = 3
    torch.testing.assert_close(best[1, 0], expected)
    torch.testing.assert_close(best[0, 1], torch.full((8, 8), -1.0))
