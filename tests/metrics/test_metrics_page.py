"""The page on metrics shows what the code gives."""

import doctest
from pathlib import Path

import pytest
import torch

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
