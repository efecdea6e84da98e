"""What `tiae-zoo bench` measures, where it can be known exactly."""

import json
import time
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from tests.cli.conftest import Zoo
from tests.cli.toys import Pictures
from tiae_zoo import benchmark
from tiae_zoo.benchmark import loading_rate


def test_bench_counts_parameters_and_arithmetic_exactly(zoo: Zoo) -> None:
    outcome = zoo("bench", "--config", "toy.yaml", "--steps", "2", "--warmup", "1")
    assert outcome.status == 0, outcome.err
    results = json.loads(Path("runs/toy/bench_0/results.json").read_text())
    record = results["benchmark"]
    assert record["parameters"] == (1 * 3 + 3) + (3 * 2 + 2)
    forward = 2 * (8 * 8) * (1 * 3 + 3 * 2)  # a product and a sum for each pixel and weight
    assert record["flops_predict_image"] == forward
    backward = 2 * (8 * 8) * (1 * 3 + 2 * 3 * 2)  # weights of both layers, input of the second
    assert record["flops_step"] == 4 * (forward + backward)
    assert (record["batch_size"], record["steps"], results["global_step"]) == (4, 2, 3)
    assert record["step_seconds"] >= record["step_seconds_best"] > 0
    assert record["images_per_second"] == pytest.approx(4 / record["step_seconds"], rel=0.01)
    assert record["loader_images_per_second"] > 0
    assert record["peak_memory_mib"] > 50  # PyTorch alone takes more
    assert f"{record['images_per_second']:.4g} images/s" in outcome.out


def test_bench_keeps_nothing_of_the_training(zoo: Zoo) -> None:
    assert zoo("bench", "--config", "toy.yaml", "--steps", "2", "--warmup", "1").status == 0
    assert not list(Path().rglob("*.ckpt"))
    assert [path.name for path in Path("runs/toy").iterdir()] == ["bench_0"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--steps", "50"], "The fit ended after 4 of the 53 batches to measure. Lower --steps"),
        (["--steps", "0"], "steps"),
    ],
)
def test_bench_says_what_it_cannot_measure(zoo: Zoo, options: list[str], told: str) -> None:
    outcome = zoo("bench", "--config", "toy.yaml", *options)
    assert outcome.status != 0
    assert told in outcome.err
    assert "Traceback" not in outcome.err


def test_loading_is_timed_without_its_start_and_over_several_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: now)

    class Slow(Pictures):
        """A picture takes half a second, the first of all a minute."""

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            nonlocal now
            now += 60 if now == 100 else 0.5
            return super().__getitem__(index)

    loader = DataLoader(Slow(8), batch_size=4)
    assert loading_rate(loader, seconds=7) == pytest.approx(2)
    now = 200.0
    assert loading_rate(loader, seconds=0) == pytest.approx(2)  # a batch at least


class Sleepy(Pictures):
    """A picture takes 20 milliseconds, or more on a busy machine."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        time.sleep(0.02)
        return super().__getitem__(index)


def test_batches_that_workers_made_beforehand_are_not_counted() -> None:
    loader = DataLoader(Sleepy(400), batch_size=4, num_workers=2)
    assert loading_rate(loader, seconds=1) < 130  # two workers give 100 a second at most, and two batches are begun
