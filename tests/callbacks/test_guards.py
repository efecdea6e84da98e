"""Guards of a training: against regions that vanish, and against losses that are no numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tests.callbacks.tiny_methods import Plain, Squares
from tests.processes import run_python
from tiae_zoo.callbacks import CollapseGuard, DivergenceGuard
from tiae_zoo.messages import UserError
from tiae_zoo.methods import Segmenter


class Halves(Segmenter):
    """Gives the first `share` of the rows to region 0, from the `turn`-th training batch on; before, one half."""

    def __init__(self, share: float, turn: int = 0, loss: float = 1.0) -> None:
        super().__init__(num_regions=2)
        self.share, self.turn, self.loss = share, turn, loss
        self.weight = nn.Parameter(torch.ones(1))
        self.batches = 0

    def segment(self, images: Tensor) -> Tensor:
        share = self.share if self.batches >= self.turn else 0.5
        first = torch.zeros(len(images), *images.shape[2:])
        first[:, : round(share * images.shape[2])] = 1
        return torch.stack([first, 1 - first], 1)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        self.batches += 1
        value = self.weight * (self.loss if self.batches > self.turn else 1.0)
        self.log("train/loss", value)
        return value.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(method: Segmenter, *callbacks: Callback, epochs: int = 4, sanity: int = 0, **options: Any) -> Trainer:
    trainer = Trainer(
        **options,
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=sanity,
        callbacks=list(callbacks),
    )
    loader = DataLoader(Squares(10), 2)  # five steps an epoch
    trainer.fit(method, loader, loader)
    return trainer


def test_a_training_with_one_region_left_is_stopped() -> None:
    guard = CollapseGuard(from_step=0)
    with pytest.warns(UserWarning, match=r"collapsed by step 5: the mean mask of the smallest region is 0\.000"):
        trainer = fit(Halves(share=0), guard)
    assert guard.collapsed
    assert trainer.global_step == 5
    assert trainer.callback_metrics["val/smallest_region"] == 0


def test_a_training_may_collapse_later() -> None:
    guard = CollapseGuard(from_step=0)
    with pytest.warns(UserWarning, match="collapsed by step 15"):
        fit(Halves(share=1, turn=12), guard)
    assert guard.collapsed


@pytest.mark.parametrize("share", [0.125, 0.5, 0.875])
def test_a_healthy_training_goes_on(share: float) -> None:
    guard = CollapseGuard(from_step=0)
    trainer = fit(Halves(share), guard)
    assert not guard.collapsed
    assert trainer.global_step == 20
    assert trainer.callback_metrics["val/smallest_region"] == pytest.approx(min(share, 1 - share))


class Faint(Halves):
    """Gives a fifth of every pixel to region 1, which comes first in none."""

    def segment(self, images: Tensor) -> Tensor:
        return torch.tensor([0.8, 0.2]).view(1, 2, 1, 1).expand(len(images), 2, *images.shape[2:])


def test_a_region_that_is_first_nowhere_and_still_there_goes_on() -> None:
    guard = CollapseGuard(from_step=0)
    trainer = fit(Faint(share=1), guard)
    assert not guard.collapsed
    assert trainer.callback_metrics["val/smallest_region"] == pytest.approx(0.2)


def test_late_and_untrained_networks_are_left_alone() -> None:
    guard = CollapseGuard(from_step=0, until_step=4)
    assert fit(Halves(share=0), guard, epochs=2).global_step == 10
    assert not guard.collapsed
    guard = CollapseGuard(from_step=11)
    assert fit(Halves(share=0), guard, epochs=2, sanity=2).global_step == 10
    assert not guard.collapsed


def test_methods_without_masks_and_senseless_limits_are_refused() -> None:
    with pytest.raises(UserError, match=r"such as ReDO, and Plain gives none\. Take it out"):
        fit(Plain(), CollapseGuard(from_step=0))
    with pytest.raises(ValueError, match="between 0 and"):
        CollapseGuard(smallest_region=0.5)
    with pytest.raises(ValueError, match="at least 1"):
        DivergenceGuard(every_n_batches=0)


class Equal(Halves):
    """Gives every region the same share."""

    def __init__(self, num_regions: int) -> None:
        super().__init__(share=1)
        self.num_regions = num_regions

    def segment(self, images: Tensor) -> Tensor:
        return torch.full((len(images), self.num_regions, *images.shape[2:]), 1 / self.num_regions)


def test_a_limit_that_no_regions_could_reach_is_refused() -> None:
    with pytest.raises(UserError, match=r"11 regions have a share of 0\.091 each.*smallest_region=0\.1 takes less"):
        fit(Equal(11), CollapseGuard(from_step=0))
    guard = CollapseGuard(from_step=0, smallest_region=0.05)
    assert fit(Equal(11), guard, epochs=1).global_step == 5
    assert not guard.collapsed


@pytest.mark.slow
def test_several_processes_judge_all_their_images_together(tmp_path: Path) -> None:
    run_python(Path(__file__).with_name("two_process_guard.py"), tmp_path)
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert found[0]["smallest_region"] == pytest.approx(0.125)  # half of the one image in four
    assert [each["collapsed"] for each in found] == [False, False]


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
def test_a_training_that_diverges_ends_with_a_message(loss: float, tmp_path: Path) -> None:
    keeper = ModelCheckpoint(dirpath=tmp_path, filename="{step}", save_top_k=-1)
    with pytest.raises(UserError, match=r"has diverged: train/loss is .*(nan|inf).* at step 12"):
        fit(Halves(share=0.5, turn=11, loss=loss), keeper, DivergenceGuard(every_n_batches=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step=10.ckpt", "step=5.ckpt"]


def test_no_checkpoint_is_written_between_two_looks(tmp_path: Path) -> None:
    keeper = ModelCheckpoint(dirpath=tmp_path, filename="{step}", save_top_k=-1, every_n_train_steps=3)
    with pytest.raises(UserError, match="at step 3"):
        fit(Halves(share=0.5, turn=1, loss=float("nan")), keeper, DivergenceGuard(every_n_batches=4))
    assert not list(tmp_path.iterdir())


class BrokenGradient(Halves):
    """Has a finite loss whose gradient is not a number from the fifth batch on: the root of zero."""

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        self.batches += 1
        root = (0 * self.weight).sqrt() if self.batches >= 5 else self.weight
        self.log("train/loss", root)
        return root.sum()


def test_no_checkpoint_is_written_of_weights_that_finite_losses_broke(tmp_path: Path) -> None:
    keeper = ModelCheckpoint(dirpath=tmp_path, save_last=True, every_n_train_steps=5)
    with pytest.raises(UserError, match=r"1 of 1 tensors of weights, weight first, hold nan or inf at step 5\."):
        fit(BrokenGradient(share=0.5), keeper, DivergenceGuard())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("keeper", "precision", "end"),
    [
        ([], "32-true", "at step 12. Lower the learning rates."),
        ([], "bf16-mixed", "at step 12. Lower the learning rates, or train with --trainer.precision 32-true."),
        ([{}], "32-true", "at step 12. The checkpoints written so far are from before. Lower the learning rates."),
        ([{"every_n_epochs": 9}], "32-true", "at step 12. Lower the learning rates."),  # none was due
        ([{"save_weights_only": True}], "32-true", "at step 12. Lower the learning rates."),  # nobody looked at them
    ],
)
def test_only_what_helps_is_advised(keeper: list[dict[str, Any]], precision: Any, end: str, tmp_path: Path) -> None:
    keepers = [ModelCheckpoint(dirpath=tmp_path, **options) for options in keeper]
    with pytest.raises(UserError) as raised:
        fit(
            Halves(share=0.5, turn=11, loss=float("nan")),
            *keepers,
            DivergenceGuard(every_n_batches=1),
            precision=precision,
        )
    assert str(raised.value).endswith(end)


@pytest.mark.parametrize("method", [Halves(share=0.5, turn=1, loss=float("nan")), BrokenGradient(share=0.5)])
def test_divergence_is_told_before_a_validation(method: Segmenter) -> None:
    with pytest.raises(UserError, match=r"has diverged: .* at step 5"):
        fit(method, DivergenceGuard(every_n_batches=10), sanity=2)


def test_values_that_are_numbers_are_left_alone() -> None:
    assert fit(Halves(share=0.5, loss=1e9), DivergenceGuard(1)).global_step == 20
