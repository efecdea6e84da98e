"""Scores of sets from single images, their intervals, and masks that know nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap
from torch import Tensor

from tiae_zoo.metrics import MatchedSegmentation
from tiae_zoo.metrics.functional import confusion_matrices, matched_scores
from tiae_zoo.metrics.per_image import ImageCounts, bootstrap_intervals, set_scores
from tiae_zoo.metrics.trivial import centred_square, commonest_class, whole_image


def random_counts(images: int, regions: int = 2, classes: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(images)
    truth = torch.randint(classes, (images, 6, 6), generator=generator)
    masks = torch.nn.functional.one_hot(truth, regions).movedim(-1, 1) + torch.rand(
        images, regions, 6, 6, generator=generator
    ) * torch.linspace(0.5, 3, images).view(-1, 1, 1, 1)
    truth[:, 0] = 255
    return masks, truth, confusion_matrices(masks, truth, regions, classes)


@pytest.mark.parametrize(("regions", "classes"), [(2, 2), (4, 3)])
def test_a_set_scores_as_the_metric_scores_it(regions: int, classes: int) -> None:
    masks, truth, counts = random_counts(9, regions, classes)
    metric = MatchedSegmentation(regions, classes)
    metric.update(masks, truth)
    for name, score in metric.compute().items():
        torch.testing.assert_close(set_scores(counts)[name], score, msg=name)


@pytest.mark.parametrize("name", ["iou", "acc_dataset"])
def test_the_interval_is_scipys(name: str) -> None:
    _, _, counts = random_counts(40)

    def score(places: np.ndarray, axis: int) -> np.ndarray:
        chosen = np.moveaxis(places, axis, -1).reshape(-1, places.shape[axis])
        return np.array([set_scores(counts[torch.from_numpy(row)])[name].item() for row in chosen])

    slow = bootstrap((np.arange(40),), score, n_resamples=1000, method="percentile", vectorized=True, random_state=1)
    low, high = bootstrap_intervals(counts)[name]
    width = slow.confidence_interval.high - slow.confidence_interval.low
    assert width > 0.02
    assert low == pytest.approx(slow.confidence_interval.low, abs=width / 8)
    assert high == pytest.approx(slow.confidence_interval.high, abs=width / 8)


def test_intervals_are_the_same_every_time_and_hold_the_score() -> None:
    _, _, counts = random_counts(30)
    first = bootstrap_intervals(counts)
    assert first == bootstrap_intervals(counts)
    for name, score in set_scores(counts).items():
        assert first[name][0] <= score <= first[name][1]


def test_more_images_narrow_the_interval() -> None:
    widths = []
    for copies in (1, 4):
        low, high = bootstrap_intervals(random_counts(30)[2].repeat(copies, 1, 1))["iou"]
        widths.append(high - low)
    assert widths[1] == pytest.approx(widths[0] / 2, rel=0.2)


def test_images_without_a_judged_pixel_do_not_count() -> None:
    _, _, counts = random_counts(12)
    with_empty = torch.cat([counts, torch.zeros_like(counts[:3])])
    assert bootstrap_intervals(with_empty) == bootstrap_intervals(counts)
    assert bootstrap_intervals(counts[:0]) == {}
    assert math.isnan(matched_scores(with_empty)["iou"][-1])


def test_images_that_come_twice_count_once_and_lie_in_order() -> None:
    kept = ImageCounts()
    kept.update(torch.tensor([2, 0]), {"a": torch.tensor([[[2, 2]], [[0, 0]]]), "b": torch.tensor([[20], [0]])})
    kept.update(torch.tensor([1, 2]), {"a": torch.tensor([[[1, 1]], [[2, 2]]]), "b": torch.tensor([[10], [20]])})
    index, counts = kept.compute()
    assert index.tolist() == [0, 1, 2]
    assert counts["a"].tolist() == [[[0, 0]], [[1, 1]], [[2, 2]]]
    assert counts["b"].tolist() == [[0], [10], [20]]


def test_images_without_numbers_are_all_kept() -> None:
    kept = ImageCounts()
    for _ in range(2):
        kept.update(None, {"a": torch.tensor([[5], [5]])})
    index, counts = kept.compute()
    assert index.tolist() == [0, 1, 2, 3]
    assert counts["a"].tolist() == [[5]] * 4


@pytest.mark.parametrize("side", [3, 32, 64, 128])
def test_the_square_has_two_thirds_of_the_side_and_lies_in_the_middle(side: int) -> None:
    square = centred_square(side)
    assert square.sum() == round(side * 2 / 3) ** 2
    for line in (square.amax(0), square.amax(1)):
        where = line.nonzero().flatten()
        assert abs(int(where[0]) - (side - 1 - int(where[-1]))) <= 1
    assert whole_image(side).sum() == side**2


def test_the_mean_mask_needs_more_than_half_of_the_masks() -> None:
    masks = torch.tensor([[[0, 1, 2, 1]], [[0, 1, 2, 0]], [[1, 0, 1, 255]]])
    assert commonest_class(masks, 3).tolist() == [[0, 1, 2, 0]]
