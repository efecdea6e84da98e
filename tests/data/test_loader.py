"""Training batches of a resumed epoch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import Dataset

from tiae_zoo.callbacks.random_state import RandomState
from tiae_zoo.data.loader import ResumableLoader


class Numbers(Dataset[Tensor]):
    def __len__(self) -> int:
        return 26

    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor([float(index)])


def batches(loader: ResumableLoader) -> list[list[float]]:
    return [batch.flatten().tolist() for batch in loader]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("drawn", [0, 1, 4, 6])
def test_a_loader_goes_on_where_another_was(drawn: int, workers: int) -> None:
    torch.manual_seed(0)
    loader = ResumableLoader.over(Numbers(), 4, num_workers=workers)
    first = batches(loader)
    assert len(first) == 6
    assert len({number for batch in first for number in batch}) == 24
    second = iter(loader)
    seen = [next(second).flatten().tolist() for _ in range(drawn)]
    state = loader.state_dict()
    expected = seen + [batch.flatten().tolist() for batch in second], batches(loader)

    torch.manual_seed(1)
    other = ResumableLoader.over(Numbers(), 4, num_workers=workers)
    other.load_state_dict(state)
    rest = [] if drawn == 6 else batches(other)  # that epoch has ended
    assert (seen + rest, batches(other)) == expected
    assert first != expected[0] != expected[1]


class Drawing(LightningModule):
    """A method whose losses depend on the batches and on random numbers, and so on all that came before."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.losses: list[float] = []

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = (self.weight - batch / 26 - torch.randn(1)).square().mean()
        self.losses.append(loss.item())
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.log("val/weight", self.weight)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 0.1)


def fit(folder: Path, steps: int, checkpoint: Path | None = None, **options: object) -> tuple[Drawing, Trainer]:
    seed_everything(3 if checkpoint is None else 4, verbose=False)
    method = Drawing()
    keeper = ModelCheckpoint(dirpath=folder, filename="{step}", save_top_k=-1, every_n_train_steps=1)
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[keeper, RandomState()],
        **options,
    )
    held_out = ResumableLoader.over(Numbers(), 4)
    trainer.fit(method, ResumableLoader.over(Numbers(), 4), held_out, ckpt_path=checkpoint, weights_only=True)
    return method, trainer


@pytest.mark.parametrize("step", [1, 3, 5, 6, 7, 11, 12])
@pytest.mark.parametrize("validation", [{}, {"val_check_interval": 5, "check_val_every_n_epoch": None}])
def test_a_resumed_training_is_the_uninterrupted_one(step: int, validation: dict[str, object], tmp_path: Path) -> None:
    whole, _ = fit(tmp_path / "whole", 15, **validation)
    resumed, trainer = fit(tmp_path / "rest", 15, tmp_path / "whole" / f"step={step}.ckpt", **validation)
    assert trainer.global_step == 15
    assert resumed.losses == whole.losses[step:]
    assert torch.equal(resumed.weight, whole.weight)
