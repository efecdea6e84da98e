"""ReDO's step against the same step written out."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader

from tests.methods.literal_redo import LiteralStep
from tests.quiet import quiet_trainer
from tiae_zoo.methods import ReDO


@pytest.mark.parametrize("regions", [2, 3])
def test_three_iterations_give_the_weights_of_the_literal_ones(regions: int) -> None:
    torch.manual_seed(0)
    sizes = {"image_size": 64, "mask_width": 8, "generator_width": 2, "discriminator_width": 8, "dim_z": 4}
    method, reference = (ReDO(num_regions=regions, lr=1e-3, mask_lr=1e-3, **sizes).double() for _ in range(2))
    for module in method.modules():
        if hasattr(module, "gate"):
            torch.nn.init.constant_(module.gate, 0.4)  # closed, attention would not be seen
    reference.load_state_dict(method.state_dict())
    for each in (method, reference):
        each.eval()  # spectral norms as they are: D runs twice there, and would take one more step to find them
    noises = [torch.randn(3, regions, 4, dtype=torch.float64) for _ in range(3)]
    images = torch.rand(18, 3, 64, 64, dtype=torch.float64)

    step = LiteralStep(reference)
    for batch, z in zip(images.split(6), noises, strict=True):
        step(batch[:3] * 2 - 1, batch[3:] * 2 - 1, z)

    draws = iter(noises)
    method._draw_noise = lambda count: next(draws)  # type: ignore[method-assign]
    trainer = quiet_trainer(precision=64)
    trainer.fit(method, DataLoader([{"image": image} for image in images], 6))
    expected = reference.state_dict()
    for name, value in method.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-8, msg=name)
