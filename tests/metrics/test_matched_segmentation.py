"""The metric class: both protocols, states, and two processes."""

import math
import pickle
from pathlib import Path

import pytest
import torch
from brute_force_matching import loop_best_scores, loop_confusion, loop_dataset_scores
from torchmetrics import Metric

from tests.processes import run_python
from tiae_zoo.metrics import MatchedSegmentation

NAMES = {"iou", "miou", "acc", "iou_dataset", "miou_dataset", "acc_dataset"}


def random_images(num_regions, num_classes, count, side=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(count, num_regions, side, side, generator=generator)
    target = torch.randint(num_classes, (count, side, side), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.1] = 255
    return masks, target


def scores_of(metric):
    return {name: score.item() for name, score in metric.compute().items()}


@pytest.mark.parametrize(("num_regions", "num_classes"), [(2, 2), (3, 3), (4, 2), (2, 3), (6, 6)])
def test_batches_add_up_to_the_python_loops(num_regions, num_classes):
    masks, target = random_images(num_regions, num_classes, count=11)
    metric = MatchedSegmentation(num_regions, num_classes)
    for chunk in torch.arange(11).split(4):
        metric.update(masks[chunk], target[chunk])
    counts = [
        loop_confusion(r, t, num_regions, num_classes, 255)
        for r, t in zip(masks.argmax(1).tolist(), target.tolist(), strict=True)
    ]
    per_image = [loop_best_scores(image) for image in counts]
    expected = {name: sum(scores[name] for scores in per_image) / 11 for name in ("iou", "miou", "acc")}
    expected |= {f"{name}_dataset": score for name, score in loop_dataset_scores(counts).items()}
    assert scores_of(metric) == pytest.approx(expected)
    assert set(scores_of(metric)) == NAMES


def ellipse_with_mistakes(images, side=64, foreground=0.39, iou=0.75, seed=0):
    """Truth: one disc of a fixed area. Masks: the same with as many false as missing pixels, so that IoU is `iou`."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.arange(side) - (side - 1) / 2
    distance = (axis[:, None] ** 2 + axis**2).flatten()
    inside = distance.argsort()[: round(foreground * side * side)]
    truth = torch.zeros(side * side, dtype=torch.long)
    truth[inside] = 1
    wrong = round(len(inside) * (1 - iou) / (1 + iou))  # (n - w) / (n + w) = iou
    masks = truth.repeat(images, 1)
    for mask in masks:
        for value in (0, 1):
            pixels = (truth == value).nonzero()[:, 0]
            mask[pixels[torch.randperm(len(pixels), generator=generator)[:wrong]]] = 1 - value
    return masks.view(images, side, side), truth.view(1, side, side).expand(images, -1, -1)


def test_random_flips_pass_the_protocol_per_image_and_fail_the_one_per_dataset():
    masks, target = ellipse_with_mistakes(images=200)
    flips = torch.arange(200) % 2 == 0
    masks[flips] = 1 - masks[flips]
    metric = MatchedSegmentation(num_regions=2)
    metric.update(masks, target)
    scores = scores_of(metric)
    assert scores["iou"] == pytest.approx(0.75, abs=0.005)
    assert scores["iou_dataset"] == pytest.approx(0.28, abs=0.005)
    assert scores["acc_dataset"] == pytest.approx(0.5, abs=0.005)
    # Half the marks of a coin are right, whatever the masks: f / (1 + f) for a foreground share f.
    assert scores["iou_dataset"] == pytest.approx(0.39 / 1.39, abs=0.002)


def test_a_consistent_flip_passes_both():
    masks, target = ellipse_with_mistakes(images=20)
    metric = MatchedSegmentation(num_regions=2)
    metric.update(1 - masks, target)
    scores = scores_of(metric)
    for name in ("iou", "miou", "acc"):
        assert scores[name] == pytest.approx(scores[f"{name}_dataset"], abs=1e-5)
    assert metric.region_classes().tolist() == [1, 0]


def test_images_without_judged_pixel_do_not_count():
    masks, target = random_images(2, 2, count=4)
    metric, without = MatchedSegmentation(2), MatchedSegmentation(2)
    without.update(masks[:3], target[:3])
    target[3] = 255
    metric.update(masks, target)
    assert scores_of(metric) == pytest.approx(scores_of(without))


def test_nothing_judged_gives_nan():
    metric = MatchedSegmentation(2)
    metric.update(torch.rand(2, 2, 4, 4), torch.full((2, 4, 4), 255))
    assert all(math.isnan(score) for score in scores_of(metric).values())


def test_reset_forgets():
    masks, target = random_images(2, 2, count=6)
    metric, fresh = MatchedSegmentation(2), MatchedSegmentation(2)
    metric.update(masks[:3], target[:3])
    metric.reset()
    metric.update(masks[3:], target[3:])
    fresh.update(masks[3:], target[3:])
    assert scores_of(metric) == scores_of(fresh)


def test_forward_scores_the_batch_and_keeps_the_whole():
    masks, target = random_images(2, 2, count=6)
    metric, batch, whole = MatchedSegmentation(2), MatchedSegmentation(2), MatchedSegmentation(2)
    metric(masks[:4], target[:4])
    of_batch = metric(masks[4:], target[4:])
    batch.update(masks[4:], target[4:])
    whole.update(masks, target)
    assert {name: score.item() for name, score in of_batch.items()} == pytest.approx(scores_of(batch))
    assert scores_of(metric) == pytest.approx(scores_of(whole))


def test_states_keep_their_size_and_are_replaced_not_written():
    masks, target = random_images(3, 3, count=4)
    metric = MatchedSegmentation(3)
    names = list(metric.metric_state)
    for _ in range(3):
        before = {name: (getattr(metric, name), getattr(metric, name).clone()) for name in names}
        metric.update(masks, target)
        for state, copy in before.values():
            assert torch.equal(state, copy)
    assert sum(state.numel() for state in metric.metric_state.values()) == 3 * 3 + 5


def test_survives_pickling_and_double_and_half_modules():
    masks, target = random_images(2, 2, count=4)
    metric: Metric = MatchedSegmentation(2)
    expected = MatchedSegmentation(2)
    expected.update(masks, target)
    metric = torch.nn.ModuleList([pickle.loads(pickle.dumps(metric))]).half()[0]
    metric.update(masks.half().float(), target)
    assert scores_of(metric).keys() == scores_of(expected).keys()
    assert metric.compute()["iou"].dtype == torch.float32


def test_values_out_of_range_are_told_at_the_end_or_at_once():
    masks, target = random_images(2, 3, count=2)
    quick = MatchedSegmentation(num_regions=2)
    quick.update(masks, target)
    with pytest.raises(ValueError, match=r"pixels have .* a class outside 0\.\.1"):
        quick.compute()
    careful = MatchedSegmentation(num_regions=2, validate_args=True)
    with pytest.raises(ValueError, match="hold 2"):
        careful.update(masks, target)


def test_nan_masks_are_told_at_the_end_or_at_once():
    masks, target = random_images(2, 2, count=2)
    masks[0, 1, 0, 0] = torch.nan
    target[0, 0, 0] = 1
    quick = MatchedSegmentation(num_regions=2)
    quick.update(masks, target)
    with pytest.raises(ValueError, match="NaN"):
        quick.compute()
    with pytest.raises(ValueError, match="NaN"):
        MatchedSegmentation(num_regions=2, validate_args=True).update(masks, target)


def test_wrong_shapes_are_told_at_once():
    with pytest.raises(ValueError, match="3 regions where 2 are expected"):
        MatchedSegmentation(2).update(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long))


@pytest.mark.parametrize(("num_regions", "num_classes"), [(0, 2), (2, 1)])
def test_impossible_sizes(num_regions, num_classes):
    with pytest.raises(ValueError, match="cannot be scored"):
        MatchedSegmentation(num_regions, num_classes)


def test_two_processes_with_uneven_shares_equal_one(tmp_path):
    done = run_python(Path(__file__).with_name("two_processes.py"), tmp_path / "rendezvous")
    assert done.stdout.count("equal") == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("num_regions", [2, 6])
def test_gpu_equals_cpu(num_regions):
    masks, target = random_images(num_regions, num_regions, count=9)
    on_cpu, on_gpu = MatchedSegmentation(num_regions), MatchedSegmentation(num_regions).cuda()
    on_cpu.update(masks, target)
    on_gpu.update(masks.cuda(), target.cuda())
    assert scores_of(on_gpu) == pytest.approx(scores_of(on_cpu))
