"""A moving average of the mask network, scored beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tests.callbacks.tiny_methods import Plain
from tests.quiet import quiet_trainer
from tiae_zoo.callbacks import MaskAverage
from tiae_zoo.callbacks.mask_average import averaged
from tiae_zoo.messages import UserError
from tiae_zoo.methods import Segmenter


class Threshold(nn.Module):
    """Says how many of eight rows belong to region 1."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.zeros(1))


class Stepping(Segmenter):
    """Its threshold is 2 rows higher after every batch, whatever it sees."""

    def __init__(self) -> None:
        super().__init__(num_regions=2)
        self.mask_network = Threshold()

    def segment(self, images: Tensor) -> Tensor:
        inside = (torch.arange(8) < self.mask_network.rows).float()[:, None].expand(len(images), 8, 8)
        return torch.stack([1 - inside, inside], 1)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        return -2 * self.mask_network.rows.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1.0)


def samples() -> DataLoader[dict[str, Tensor]]:
    mask = torch.zeros(8, 8, dtype=torch.long)
    mask[:4] = 1
    return DataLoader([{"image": torch.rand(1, 8, 8), "mask": mask} for _ in range(3)])


def trainer(callback: MaskAverage, epochs: int = 1) -> Trainer:
    return quiet_trainer(max_epochs=epochs, num_sanity_val_steps=0, callbacks=[callback])


def test_the_average_is_scored_beside_the_network() -> None:
    fit = trainer(MaskAverage(decay=0.5))
    fit.fit(Stepping(), samples(), samples())
    # the threshold is 2, 4, 6; the average, which begins with the first of these, 2, 3, 4.5: five rows
    assert fit.callback_metrics["val/iou"] == pytest.approx(4 / 6)
    assert fit.callback_metrics["val/iou_ema"] == pytest.approx(4 / 5)


def test_the_average_is_kept_in_checkpoints(tmp_path: Path) -> None:
    fit = trainer(MaskAverage(decay=0.5))
    fit.fit(Stepping(), samples(), samples())
    fit.save_checkpoint(tmp_path / "last.ckpt")
    (scores,) = trainer(MaskAverage(decay=0.5)).test(
        Stepping(), samples(), ckpt_path=tmp_path / "last.ckpt", weights_only=True, verbose=False
    )
    assert scores["test/iou_ema"] == pytest.approx(4 / 5)
    resumed = trainer(MaskAverage(decay=0.5), epochs=2)
    resumed.fit(Stepping(), samples(), samples(), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    # 8, 10, 12; 6.25, 8.1, 10.1
    assert resumed.callback_metrics["val/iou_ema"] == pytest.approx(0.5)
    average = resumed.callbacks[0].state_dict()["average"]  # type: ignore[attr-defined]
    assert float(average["module.rows"]) == pytest.approx(10.0625)


def test_a_checkpoint_saved_before_the_first_batch_keeps_the_average(tmp_path: Path) -> None:
    fit = trainer(MaskAverage(decay=0.5))
    fit.fit(Stepping(), samples(), samples())
    fit.save_checkpoint(tmp_path / "last.ckpt")
    finished = trainer(MaskAverage(decay=0.5))
    finished.fit(Stepping(), samples(), samples(), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    average = finished.callbacks[0].state_dict()["average"]  # type: ignore[attr-defined]
    assert average["n_averaged"] == 3
    assert float(average["module.rows"]) == pytest.approx(4.5)


def test_the_average_is_kept_from_stage_to_stage(tmp_path: Path) -> None:
    untrained = quiet_trainer(max_epochs=0)
    untrained.fit(Stepping(), samples())
    untrained.save_checkpoint(tmp_path / "untrained.ckpt")
    method, fit = Stepping(), trainer(MaskAverage(decay=0.5))
    fit.fit(method, samples(), samples())
    (scores,) = fit.test(method, samples(), verbose=False)
    assert scores["test/iou_ema"] == pytest.approx(4 / 5)
    assert fit.callbacks[0].state_dict()["average"]["n_averaged"] == 3  # type: ignore[attr-defined]
    # the average is none of other weights, nor of another method
    path = tmp_path / "untrained.ckpt"
    (scores,) = fit.test(method, samples(), ckpt_path=path, weights_only=True, verbose=False)
    assert "test/iou_ema" not in scores
    again = trainer(MaskAverage(decay=0.5))
    again.fit(method, samples(), samples())
    (scores,) = again.test(Stepping(), samples(), verbose=False)
    assert "test/iou_ema" not in scores


def test_without_an_average_none_is_scored() -> None:
    (scores,) = trainer(MaskAverage()).test(Stepping(), samples(), verbose=False)
    assert "test/iou" in scores
    assert "test/iou_ema" not in scores


def test_it_leaves_the_training_alone() -> None:
    method = Stepping()
    own = method.mask_network
    trainer(MaskAverage()).fit(method, samples(), samples())
    assert method.mask_network is own
    assert float(own.rows.detach()) == 6


def test_methods_without_the_network_are_refused() -> None:
    with pytest.raises(UserError, match="'mask_network' of a method that gives masks, such as ReDO; Plain has none"):
        trainer(MaskAverage()).fit(Plain(), samples())
    with pytest.raises(UserError, match="'masker'"):
        trainer(MaskAverage(network="masker")).fit(Stepping(), samples())
    with pytest.raises(ValueError, match="between 0 and 1"):
        MaskAverage(decay=1.0)


def test_an_average_of_another_network_is_refused(tmp_path: Path) -> None:
    first, second = Stepping(), Stepping()
    first.other, second.other = Threshold(), Threshold()
    fit = trainer(MaskAverage())
    fit.fit(first, samples(), samples())
    fit.save_checkpoint(tmp_path / "last.ckpt")
    resumed = trainer(MaskAverage(network="other"), 2)
    with pytest.raises(UserError, match="holds an average of 'mask_network', and MaskAverage follows 'other'"):
        resumed.fit(second, samples(), samples(), ckpt_path=tmp_path / "last.ckpt", weights_only=True)


def test_weights_of_an_average_are_not_scored_beside_an_earlier_one(tmp_path: Path) -> None:
    fit = trainer(MaskAverage(decay=0.5))
    fit.fit(Stepping(), samples(), samples())
    fit.save_checkpoint(tmp_path / "last.ckpt")
    torch.save(averaged(torch.load(tmp_path / "last.ckpt", weights_only=True)), tmp_path / "average.ckpt")
    path = tmp_path / "average.ckpt"
    (scores,) = fit.test(Stepping(), samples(), ckpt_path=path, weights_only=True, verbose=False)
    assert scores["test/iou"] == pytest.approx(4 / 5)  # five rows, as above
    assert "test/iou_ema" not in scores
