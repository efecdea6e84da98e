"""ReDO's networks, losses and gradients against tensors computed by the authors' program (kept outside the project)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tiae_zoo.methods import ReDO
from tiae_zoo.networks.redo_official import convert_official
from tiae_zoo.objectives import hinge_discriminator_loss

pytestmark = pytest.mark.skipif("TIAE_ZOO_GOLDEN" not in os.environ, reason="needs TIAE_ZOO_GOLDEN")

SIZES = {"redo_small": (2, 32), "redo_small3": (3, 16)}  # regions, dim z


@pytest.fixture(scope="module", params=SIZES)
def golden(request: pytest.FixtureRequest) -> tuple[ReDO, dict[str, Tensor]]:
    folder = Path(os.environ["TIAE_ZOO_GOLDEN"])
    regions, dim_z = SIZES[request.param]
    method = ReDO(num_regions=regions, dim_z=dim_z, mask_width=8, generator_width=4, discriminator_width=8)
    archive = torch.load(folder / f"{request.param}_nets_state.pth", weights_only=True)
    method.load_state_dict(convert_official(archive))
    return method.eval(), load_file(folder / f"{request.param}_io.safetensors")


def assert_close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def gradient_norm(module: torch.nn.Module) -> Tensor:
    return torch.stack([p.grad.norm() for p in module.parameters() if p.grad is not None]).norm()


def test_networks_agree(golden: tuple[ReDO, dict[str, Tensor]]) -> None:
    method, io = golden
    with torch.no_grad():
        masks = method.mask_network(io["x"])
        regions = method.draw(masks, io["z"])
        redrawn, seen = method.redraw_images(io["x"], masks, io["z"], region=None)
        assert_close(masks, io["masks"])
        assert_close(regions, io["regions"])
        assert_close(redrawn, io["redrawn"])
        assert_close(method.discriminator(redrawn), io["scores_fake"].squeeze(1))
        assert_close(method.discriminator(io["x_real"]), io["scores_real"].squeeze(1))
        assert_close(method.encoder(seen), io["z_recovered"])


def test_segment_takes_images_in_the_unit_range(golden: tuple[ReDO, dict[str, Tensor]]) -> None:
    method, io = golden
    with torch.no_grad():
        assert_close(method.segment((io["x"] + 1) / 2), io["masks"])


def test_losses_and_gradients_agree(golden: tuple[ReDO, dict[str, Tensor]]) -> None:
    method, io = golden
    method.zero_grad()
    adversarial, recovery = method.generator_losses(io["x"], io["z"], region=None)
    loss = adversarial + 5 * recovery
    loss.backward()
    assert_close(recovery.detach(), io["loss_reconstruction"])
    assert_close(loss.detach(), io["loss_generator"])
    for part, name in [(method.mask_network, "mask"), (method.generators, "generator"), (method.encoder, "encoder")]:
        assert_close(gradient_norm(part), io[f"gradnorm_{name}"])

    method.zero_grad()
    loss = method.discriminator_loss(io["x"], io["z"], None, io["x_real"])
    loss.backward()
    assert_close(loss.detach(), io["loss_discriminator"])
    assert_close(gradient_norm(method.discriminator), io["gradnorm_discriminator"])
    assert gradient_norm_is_zero(method.mask_network)
    torch.testing.assert_close(hinge_discriminator_loss(io["scores_real"], io["scores_fake"]), io["loss_discriminator"])


def gradient_norm_is_zero(module: torch.nn.Module) -> bool:
    return all(p.grad is None or not p.grad.any() for p in module.parameters())
