"""ReDO's networks: sizes, ranges, and what each promises."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from tiae_zoo.networks.redo import Discriminator, LatentEncoder, MaskNetwork, PyramidPooling, RegionGenerator


def millions(module: nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


def test_parameter_counts_at_the_papers_size() -> None:
    with torch.device("meta"):
        assert millions(MaskNetwork()) == pytest.approx(0.275, abs=0.0005)
        assert 2 * millions(RegionGenerator(width=32)) == pytest.approx(15.9, abs=0.05)
        assert millions(Discriminator()) == pytest.approx(38.4, abs=0.05)
        assert millions(LatentEncoder()) == pytest.approx(38.5, abs=0.05)


@pytest.mark.parametrize("image_size", [32, 64, 128])
def test_every_network_takes_every_image_size(image_size: int) -> None:
    images = torch.rand(2, 3, image_size, image_size) * 2 - 1
    masks = MaskNetwork(3, width=8)(images)
    assert masks.shape == (2, 3, image_size, image_size)
    torch.testing.assert_close(masks.sum(1), torch.ones(2, image_size, image_size))
    region = RegionGenerator(image_size, width=2, dim_z=5)(masks[:, :1], torch.randn(2, 5))
    assert region.shape == images.shape
    assert Discriminator(image_size, width=4)(images).shape == (2,)
    assert LatentEncoder(3, image_size, width=4, dim_z=5)(images).shape == (2, 3, 5)


@pytest.mark.parametrize("image_size", [16, 48, 100])
def test_other_image_sizes_are_refused_with_the_way_out(image_size: int) -> None:
    with pytest.raises(ValueError, match=f"not {image_size}. Set image_size to 32, 64 or 128"):
        Discriminator(image_size)


def test_masks_work_on_pictures_that_are_not_square() -> None:
    masks = MaskNetwork(2, width=8)(torch.rand(1, 3, 48, 100))
    assert masks.shape == (1, 2, 48, 100)


@pytest.mark.parametrize("sides", [(21, 21), (33, 50)])
def test_masks_have_the_size_of_pictures_of_any_size(sides: tuple[int, int]) -> None:
    network = MaskNetwork(3, width=8)
    images = torch.rand(1, 3, *sides)
    assert network(images).shape == network.logits(images).shape == (1, 3, *sides)
    height, width = sides
    padded = nn.functional.pad(images, (0, -width % 4, 0, -height % 4), mode="replicate")
    torch.testing.assert_close(network(images), network(padded)[..., :height, :width])


def test_pictures_too_small_for_masks_are_refused() -> None:
    with pytest.raises(ValueError, match="Give sides of 21 or more"):
        MaskNetwork(2, width=8)(torch.rand(1, 3, 20, 40))


@pytest.mark.parametrize("num_regions", [2, 3])
def test_a_network_that_enlarges_scores_large_images_and_averages_back(num_regions: int) -> None:
    network = MaskNetwork(num_regions, width=8, scale=2)
    plain = MaskNetwork(num_regions, width=8)
    plain.load_state_dict(network.state_dict())
    images = torch.rand(2, 3, 20, 33)
    large = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = plain.logits(large).unflatten(3, (33, 2)).unflatten(2, (20, 2)).mean((3, 5))
    torch.testing.assert_close(network.logits(images), expected)
    torch.testing.assert_close(network(images), expected.softmax(1))


def test_a_network_that_enlarges_takes_smaller_pictures() -> None:
    network = MaskNetwork(2, width=8, scale=2)
    assert network(torch.rand(1, 3, 11, 11)).shape == (1, 2, 11, 11)
    with pytest.raises(ValueError, match=r"Images of 10 x 30 .* Give sides of 11 or more"):
        network(torch.rand(1, 3, 10, 30))


@pytest.mark.parametrize("num_regions", [2, 3])
def test_centred_masks_gain_in_one_place_what_they_lose_in_another(num_regions: int) -> None:
    network = MaskNetwork(num_regions, width=8, centred=True)
    images = torch.rand(2, 3, 32, 50)
    logits = network.logits(images)
    torch.testing.assert_close(logits.mean((2, 3)), torch.zeros(2, num_regions), rtol=0, atol=1e-5)
    torch.testing.assert_close(network(images), logits.softmax(1))


@pytest.mark.parametrize("num_regions", [2, 3])
def test_a_network_that_stops_centring_is_a_plain_one_with_the_masks_it_had(num_regions: int) -> None:
    torch.manual_seed(0)  # scores whose mean is not zero by chance
    network = MaskNetwork(num_regions, width=8, centred=True)
    image = torch.rand(1, 3, 32, 50)
    before = network(image)
    network.stop_centring(network.mean_scores(image))
    torch.testing.assert_close(network(image), before, rtol=1e-4, atol=1e-5)

    plain = MaskNetwork(num_regions, width=8)
    plain.load_state_dict({name: value for name, value in network.state_dict().items() if name != "centring"})
    other = torch.rand(2, 3, 32, 32) ** 3
    torch.testing.assert_close(network.logits(other), plain.logits(other), rtol=1e-4, atol=1e-5)
    assert (plain.logits(other).mean((2, 3)).abs() > 1e-3).any()


def test_two_masks_are_one_sigmoid_and_its_complement() -> None:
    network = MaskNetwork(2, width=8)
    masks = network(torch.rand(1, 3, 32, 32))
    assert torch.equal(masks[:, 1], 1 - masks[:, 0])
    assert network.decoder[-1].out_channels == 1


def test_a_region_is_empty_outside_of_its_mask() -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[:, :, 8:16, 8:16] = 1
    region = RegionGenerator(32, width=2, dim_z=5)(mask, torch.randn(1, 5))
    assert region[:, :, 8:16, 8:16].abs().sum() > 0
    assert (region * (1 - mask)).abs().sum() == 0


def test_the_generator_follows_z_and_the_mask() -> None:
    torch.manual_seed(0)
    generator = RegionGenerator(32, width=2, dim_z=5).eval()
    half = torch.zeros(1, 1, 32, 32)
    half[..., 16:] = 1
    z, other = torch.randn(2, 1, 5)
    whole = generator(torch.ones_like(half), z)
    assert not torch.allclose(whole * half, generator(half, z))  # the mask steers what is drawn inside of it
    assert not torch.allclose(whole, generator(torch.ones_like(half), other))


def test_pyramid_pooling_appends_a_mean_of_the_whole_map() -> None:
    pyramid = PyramidPooling(2)
    with torch.no_grad():
        pyramid.projections[0].weight.copy_(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))
        pyramid.projections[0].bias.zero_()
    x = torch.rand(1, 2, 8, 8)
    out = pyramid(x)
    assert torch.equal(out[:, :2], x)
    torch.testing.assert_close(out[:, 2], x[:, :1].mean((2, 3), keepdim=True)[:, 0].expand(1, 8, 8))


def test_convolutions_are_spectrally_normalised_and_f_is_not() -> None:
    for network in (Discriminator(32, width=4), LatentEncoder(2, 32, width=4), RegionGenerator(32, width=4)):
        network.train()
        with torch.no_grad():
            for layer in network.modules():
                if isinstance(layer, nn.Conv2d):
                    for _ in range(30):  # each look at the weight is one power iteration
                        weight = layer.weight
                    assert torch.linalg.matrix_norm(weight.flatten(1), 2) == pytest.approx(1, abs=0.02)
    assert not any(hasattr(layer, "parametrizations") for layer in MaskNetwork(2, width=8).modules())


@pytest.mark.parametrize(
    "network",
    [
        lambda gain: MaskNetwork(2, width=8, init_gain=gain),
        lambda gain: RegionGenerator(32, width=2, dim_z=5, init_gain=gain),
        lambda gain: Discriminator(32, width=4, init_gain=gain),
        lambda gain: LatentEncoder(2, 32, width=4, dim_z=5, init_gain=gain),
    ],
    ids=["F", "G", "D", "d"],
)
def test_initial_weights_are_orthogonal_with_the_given_gain(network: Callable[[float], nn.Module]) -> None:
    for name, layer in network(0.7).named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            normalised = getattr(layer, "parametrizations", None)
            weight = (normalised.weight.original if normalised else layer.weight).flatten(1)
            short = weight if len(weight) <= weight.shape[1] else weight.T
            expected = 0.49 * torch.eye(len(short))
            torch.testing.assert_close(short @ short.T, expected, atol=1e-5, rtol=0, msg=name)
            assert layer.bias is None or not layer.bias.any(), name


def test_networks_can_be_copied_after_a_forward_pass() -> None:
    network = Discriminator(32, width=4).eval()
    images = torch.rand(1, 3, 32, 32)
    scores = network(images)
    assert torch.equal(copy.deepcopy(network)(images), scores)


def test_one_region_is_refused() -> None:
    with pytest.raises(ValueError, match="Set num_regions to 2 or more"):
        MaskNetwork(1, width=8)
