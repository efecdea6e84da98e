"""Speed of the matched scores against plain loops: pytest tests/metrics/bench_matching.py (not in the suite)."""

import pytest
import torch
from brute_force_matching import loop_best_scores, loop_confusion

from tiae_zoo.metrics import MatchedSegmentation
from tiae_zoo.metrics.functional import match_regions


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # busy neighbours would time the waiting of the others
    yield
    torch.set_num_threads(threads)


def batch(num_regions, images=25, side=128):
    masks = torch.rand(images, num_regions, side, side)
    return masks, torch.randint(num_regions, (images, side, side))


@pytest.mark.parametrize("num_regions", [2, 3, 6])
def test_metric(benchmark, num_regions):
    masks, target = batch(num_regions)
    metric = MatchedSegmentation(num_regions)
    benchmark(metric.update, masks, target)


@pytest.mark.parametrize("num_regions", [2, 3])
def test_python_loop(benchmark, num_regions):
    masks, target = batch(num_regions)

    def score():
        regions, labels = masks.argmax(1).tolist(), target.tolist()
        for region, label in zip(regions, labels, strict=True):
            loop_best_scores(loop_confusion(region, label, num_regions, num_regions, 255))

    benchmark.pedantic(score, rounds=3)


@pytest.mark.parametrize("way", ["all matches", "hungarian"])
@pytest.mark.parametrize("num_regions", [2, 3, 4, 5, 6])
def test_matching_alone(benchmark, monkeypatch, num_regions, way):
    monkeypatch.setattr("tiae_zoo.metrics.functional.MAX_ENUMERATED", 10**6 if way == "all matches" else 0)
    benchmark(match_regions, torch.rand(25, num_regions, num_regions))
