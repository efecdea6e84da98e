"""The functional core against brute force and against other libraries."""

import pytest
import torch
from brute_force_matching import loop_best_scores, loop_confusion, loop_matches, loop_scores_of_match
from sklearn.metrics import accuracy_score, jaccard_score
from torch.nn import functional as F
from torchmetrics import JaccardIndex

from tiae_zoo.metrics.functional import (
    MAX_ENUMERATED,
    assigned_scores,
    best_total,
    confusion_matrices,
    match_regions,
    matched_scores,
    matched_segmentation,
)

SIZES = [(2, 2), (3, 3), (4, 2), (2, 4), (5, 3), (1, 3), (5, 5), (6, 6), (7, 4), (3, 7)]


def random_images(num_regions, num_classes, batch=6, side=7, ignored=0.1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(batch, num_regions, side, side, generator=generator).softmax(1)
    target = torch.randint(num_classes, (batch, side, side), generator=generator)
    target[torch.rand(target.shape, generator=generator) < ignored] = 255
    return masks, target


def assert_same(scores, expected):
    for name, values in scores.items():
        reference = torch.tensor([image[name] for image in expected])
        torch.testing.assert_close(values, reference, rtol=1e-6, atol=1e-6, equal_nan=True, msg=name)


@pytest.mark.parametrize(("num_regions", "num_classes"), SIZES)
def test_scores_agree_with_python_loops(num_regions, num_classes):
    masks, target = random_images(num_regions, num_classes)
    target[0] = 0  # no foreground
    target[1] = 255  # nothing judged
    target[2] = target[2].clamp(max=1).where(target[2] != 255, 255)  # most classes do not occur
    counts = [
        loop_confusion(r, t, num_regions, num_classes, 255)
        for r, t in zip(masks.argmax(1).tolist(), target.tolist(), strict=True)
    ]
    confusion = confusion_matrices(masks, target, num_regions, num_classes)
    assert confusion.tolist() == counts
    assert_same(matched_scores(confusion), [loop_best_scores(image) for image in counts])
    assert_same(
        matched_segmentation(masks, target, num_regions, num_classes), [loop_best_scores(image) for image in counts]
    )


@pytest.mark.parametrize(("num_regions", "num_classes"), SIZES)
def test_the_match_found_is_the_best_of_all(num_regions, num_classes):
    weights = torch.rand(4, num_regions, num_classes, generator=torch.Generator().manual_seed(1))
    matches = match_regions(weights)
    for image, match, total in zip(weights, matches, best_total(weights), strict=True):
        best = max(
            sum(image[region, label].item() for label, region in candidate.items())
            for candidate in loop_matches(num_regions, num_classes)
        )
        taken = [(region, label) for label, region in enumerate(match.tolist()) if region >= 0]
        assert len(taken) == len({region for region, _ in taken}) == min(num_regions, num_classes)
        assert sum(image[pair].item() for pair in taken) == pytest.approx(best)
        assert total.item() == pytest.approx(best)


def test_both_ways_of_matching_are_covered_above():
    assert 5 * 4 * 3 * 2 <= MAX_ENUMERATED < 6 * 5 * 4 * 3 * 2
    assert MAX_ENUMERATED < 7 * 6 * 5 * 4


def test_enumeration_and_hungarian_agree(monkeypatch):
    weights = torch.rand(50, 4, 4, generator=torch.Generator().manual_seed(2))
    enumerated = match_regions(weights)
    monkeypatch.setattr("tiae_zoo.metrics.functional.MAX_ENUMERATED", 0)
    assert torch.equal(match_regions(weights), enumerated)


def test_each_figure_takes_its_own_flip():
    # Kept: 6 of 10 pixels right, IoU 0. Flipped: 4 of 10 right, IoU 4/10.
    target = torch.tensor([[[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]]])
    masks = torch.zeros_like(target)
    scores = matched_segmentation(masks, target, num_regions=2)
    assert scores["acc"].item() == pytest.approx(0.6)
    assert scores["iou"].item() == pytest.approx(0.4)


def test_a_flip_changes_nothing_per_image():
    masks, target = random_images(2, 2)
    kept = matched_segmentation(masks, target, 2)
    flipped = matched_segmentation(masks.flip(1), target, 2)
    for name, values in kept.items():
        assert torch.equal(values, flipped[name])


def test_fixed_match_agrees_with_torchmetrics_and_scikit_learn():
    masks, target = random_images(3, 3, side=12)
    regions = masks.argmax(1)
    scores = assigned_scores(confusion_matrices(regions, target, 3).sum(0), torch.arange(3))
    jaccard = JaccardIndex(task="multiclass", num_classes=3, ignore_index=255, average="none")(regions, target)
    assert scores["miou"].item() == pytest.approx(jaccard.mean().item())
    assert scores["iou"].item() == pytest.approx(jaccard[1:].mean().item())
    judged = target != 255
    assert scores["acc"].item() == pytest.approx(accuracy_score(target[judged], regions[judged]))


def test_redo_protocol_agrees_with_scikit_learn():
    masks, target = random_images(2, 2, ignored=0.0)
    scores = matched_segmentation(masks, target, 2)
    for image, (mask, truth) in enumerate(zip(masks.argmax(1).flatten(1), target.flatten(1), strict=True)):
        both = (mask, 1 - mask)
        assert scores["acc"][image].item() == pytest.approx(max(accuracy_score(truth, m) for m in both))
        assert scores["iou"][image].item() == pytest.approx(max(jaccard_score(truth, m) for m in both))


@pytest.mark.parametrize(("num_regions", "num_classes"), [(2, 2), (4, 2), (2, 4)])
def test_given_match_agrees_with_python_loops(num_regions, num_classes):
    confusion = torch.randint(9, (num_regions, num_classes), generator=torch.Generator().manual_seed(3))
    for match in loop_matches(num_regions, num_classes):
        regions = torch.tensor([match.get(label, -1) for label in range(num_classes)])
        expected = loop_scores_of_match(confusion.tolist(), match)
        assert {name: s.item() for name, s in assigned_scores(confusion, regions).items()} == pytest.approx(expected)


def test_surplus_region_counts_as_wrong():
    target = torch.tensor([[[0, 0, 0, 0, 1, 1, 1, 1]]])
    halves = torch.tensor([[[0, 0, 0, 0, 1, 1, 2, 2]]])  # the object in two halves: one of them is unmatched
    scores = matched_segmentation(halves, target, num_regions=3, num_classes=2)
    assert scores["acc"].item() == pytest.approx(6 / 8)
    assert scores["iou"].item() == pytest.approx(2 / 4)
    assert scores["miou"].item() == pytest.approx((1 + 2 / 4) / 2)


def test_missing_class_scores_zero():
    target = torch.tensor([[[0, 0, 0, 0, 1, 1, 2, 2]]])
    merged = torch.tensor([[[0, 0, 0, 0, 1, 1, 1, 1]]])
    scores = matched_segmentation(merged, target, num_regions=2, num_classes=3)
    assert scores["iou"].item() == pytest.approx((2 / 4 + 0) / 2)
    assert scores["acc"].item() == pytest.approx(6 / 8)


def test_image_without_foreground():
    target = torch.zeros(2, 1, 4, dtype=torch.long)
    masks = torch.tensor([[[1, 1, 1, 1]], [[0, 0, 0, 1]]])  # nothing marked; one pixel marked
    assert matched_segmentation(masks, target, 2)["iou"].tolist() == [1.0, 0.0]


def test_image_without_judged_pixel_has_no_score():
    target = torch.full((1, 2, 2), 255)
    assert all(score.isnan().all() for score in matched_segmentation(torch.zeros_like(target), target, 2).values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_soft_masks_of_any_precision(dtype):
    target = torch.randint(3, (2, 6, 6), generator=torch.Generator().manual_seed(4))
    masks = F.one_hot(target, 3).movedim(3, 1).to(dtype)
    assert matched_segmentation(masks, target, 3)["miou"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.bool])
def test_hard_masks_of_any_type(dtype):
    target = torch.randint(2, (2, 6, 6), generator=torch.Generator().manual_seed(5))
    assert matched_segmentation(target.to(dtype), target.to(torch.uint8), 2)["iou"].tolist() == [1.0, 1.0]
    one_hot = F.one_hot(target, 2).movedim(3, 1).to(dtype)
    assert matched_segmentation(one_hot, target, 2)["iou"].tolist() == [1.0, 1.0]


def test_equal_soft_masks_give_the_first_region():
    halves = torch.full((1, 2, 1, 4), 0.5)
    target = torch.tensor([[[0, 0, 1, 1]]])
    assert confusion_matrices(halves, target, 2).tolist() == [[[2, 2], [0, 0]]]


def test_other_ignore_values():
    target = torch.tensor([[[0, 1, -1, 2]]])
    regions = torch.tensor([[[0, 1, 1, 2]]])
    assert matched_segmentation(regions, target, 3, ignore_index=-1)["acc"].item() == 1.0
    assert confusion_matrices(regions, target.clamp(min=0), 3, ignore_index=None).sum() == 4


def test_empty_batch():
    scores = matched_segmentation(torch.zeros(0, 2, 4, 4), torch.zeros(0, 4, 4, dtype=torch.long), 2)
    assert {name: tuple(score.shape) for name, score in scores.items()} == {"iou": (0,), "miou": (0,), "acc": (0,)}


@pytest.mark.parametrize(
    ("masks", "target", "message"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.long), "3 regions where 2 are expected"),
        (torch.zeros(2, 4, 4), torch.zeros(2, 4, 4, dtype=torch.long), "integer type"),
        (torch.zeros(4, 4), torch.zeros(2, 4, 4, dtype=torch.long), "Give soft masks"),
        (torch.zeros(2, 2, 4, 4), torch.zeros(2, 4, 4), "Give class indices"),
        (torch.zeros(2, 2, 4, 4), torch.zeros(2, 1, 4, 4, dtype=torch.long), "Give class indices"),
        (torch.zeros(2, 2, 4, 4), torch.zeros(2, 8, 8, dtype=torch.long), "same number of images, height and width"),
        (torch.zeros(2, 2, 4, 4), torch.zeros(3, 4, 4, dtype=torch.long), "same number of images, height and width"),
        (torch.zeros(2, 2, 4, 4), torch.full((2, 4, 4), 7), r"target must lie in 0\.\.1 .* and hold 7"),
        (torch.zeros(2, 2, 4, 4), torch.full((2, 4, 4), -1), r"target must lie in 0\.\.1 .* and hold -1"),
        (torch.full((2, 4, 4), 2), torch.zeros(2, 4, 4, dtype=torch.long), r"masks must lie in 0\.\.1 .* and hold 2"),
        (torch.full((2, 2, 4, 4), torch.nan), torch.zeros(2, 4, 4, dtype=torch.long), "NaN"),
    ],
)
def test_wrong_input_is_named(masks, target, message):
    with pytest.raises(ValueError, match=message):
        matched_segmentation(masks, target, num_regions=2)
