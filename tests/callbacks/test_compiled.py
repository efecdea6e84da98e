"""Which networks are compiled, and that a compiled training is the same training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, seed_everything
from tiny_methods import trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tiae_zoo.callbacks import Compiled
from tiae_zoo.methods import ReDO

NARROW = {"image_size": 32, "mask_width": 8, "generator_width": 2, "discriminator_width": 4, "dim_z": 4}


def test_networks_are_compiled_one_by_one_and_metrics_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[nn.Module, str]] = []
    monkeypatch.setattr(nn.Module, "compile", lambda self, mode: asked.append((self, mode)))
    method = ReDO(**NARROW)
    Compiled("max-autotune").setup(trainer(tmp_path), method, "fit")
    expected = [method.mask_network, *method.generators, method.encoder, method.discriminator]
    assert [module for module, _ in asked] == expected
    assert {mode for _, mode in asked} == {"max-autotune"}


class Small(LightningModule):
    """One network of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 1))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.network(batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.slow
def test_a_compiled_training_is_the_same_to_rounding(tmp_path: Path) -> None:
    data = torch.rand(12, 4, generator=torch.Generator().manual_seed(0))
    weights: list[dict[str, Tensor]] = []
    for callbacks in ([], [Compiled()]):
        seed_everything(0)
        method = Small()
        trainer(tmp_path / str(len(callbacks)), *callbacks).fit(method, DataLoader(data, 4))  # type: ignore[arg-type]
        weights.append(method.state_dict())
    assert list(weights[0]) == list(weights[1])
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value)
