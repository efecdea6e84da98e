"""The page on metrics shows what the code gives."""

import doctest
import re
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from PIL import Image

from tiae_zoo.methods import PCA, AutoEncoder, ShiftInvariantAE
from tiae_zoo.metrics.functional import matched_segmentation

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_examples_of_the_page():
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert tried > 10
    assert failed == 0


@pytest.mark.parametrize("share", [0.1, 0.39, 0.5])
def test_scores_of_masks_that_know_nothing(share):
    target = torch.zeros(20, 100, 100, dtype=torch.long)
    target[:, : round(100 * share)] = 1
    coins = torch.randint(2, target.shape, generator=torch.Generator().manual_seed(0))
    of_coins = matched_segmentation(coins, target, 2)
    of_one_region = matched_segmentation(torch.zeros_like(target), target, 2)
    assert of_one_region["iou"].mean().item() == pytest.approx(share)
    assert of_one_region["acc"].mean().item() == pytest.approx(1 - share)
    assert of_coins["iou"].mean().item() == pytest.approx(share / (1 + share), abs=0.01)
    assert of_coins["acc"].mean().item() == pytest.approx(0.5, abs=0.01)


def test_finished_runs_are_drawn_side_by_side(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run, method in {"pca_mnist": PCA, "autoencoder_mnist": AutoEncoder, "shift_ae_mnist": ShiftInvariantAE}.items():
        trainer = Trainer(accelerator="cpu", logger=False)
        trainer.strategy.connect(method())
        trainer.save_checkpoint(f"runs/{run}/fit_0/checkpoints/last.ckpt")
    code = next(
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "save_grid" in block
    )
    exec(code, {})
    page = Image.open("side_by_side.png")
    columns = 2 + 2 + 2 + 4  # two shared, what PCA, the ordinary and the invariant auto-encoder restore of them
    assert page.width > columns * 130
    assert page.height > 8 * 130
