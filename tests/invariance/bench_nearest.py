"""Time, memory and agreement of searches for the nearest transform, on MNIST's test digits (not in the suite).

    python -m tests.invariance.bench_nearest docs/results/nearest_search

writes `nearest_search.csv`, a row for each family and way to search it, and `nearest_search.json`, how it was measured.
It takes some minutes on one core of a Linux machine; the digits lie where `TIAE_ZOO_DATA` says.
"""

from __future__ import annotations

import csv
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from tests import measuring
from tiae_zoo.data import MNIST
from tiae_zoo.invariance import Composition, Rotation, Scale, Shift, TransformFamily

BATCH = 128
COMPARED = 1024  # digits on which coarse-to-fine is compared to exact
STRIDE = 3
MAX_SHIFT = 8
ROTATION = Rotation(max_angle=45, num_angles=19)  # 5 degrees apart: almost a pixel at a digit's edge
SCALE = Scale(min_scale=0.7, max_scale=1.2, num_scales=11)  # 0.05 apart: half a pixel there
SECONDS = 30.0  # for which each family is timed, or three rounds if they take longer

FAMILIES: dict[str, list[TransformFamily]] = {
    "shift": [],
    "rotation x shift": [ROTATION],
    "rotation x scale x shift": [ROTATION, SCALE],
}


def by_loop(enumerated: list[TransformFamily], restored: Tensor, images: Tensor) -> Tensor:
    """Try one candidate after the other on the whole batch; return the smallest distances (B,) alone."""
    height, width = images.shape[-2:]
    smallest = torch.full((len(images),), math.inf)
    for transformed in _transformed(enumerated, images):
        padded = F.pad(transformed, [MAX_SHIFT] * 4)
        for top in range(2 * MAX_SHIFT + 1):
            for left in range(2 * MAX_SHIFT + 1):
                shifted = padded[:, :, top : top + height, left : left + width]
                smallest = smallest.minimum((restored - shifted).square().sum((1, 2, 3)))
    return smallest


def all_at_once(enumerated: list[TransformFamily], restored: Tensor, images: Tensor) -> Tensor:
    """Hold the images at all candidates; return the smallest distances (B,) alone."""
    height, width = images.shape[-2:]
    padded = torch.stack([F.pad(each, [MAX_SHIFT] * 4) for each in _transformed(enumerated, images)], 1)
    shifted = padded.unfold(3, height, 1).unfold(4, width, 1)  # (B, candidates, C, dy, dx, H, W), a view
    return (shifted - restored[:, None, :, None, None]).square().sum((2, 5, 6)).flatten(1).amin(1)


def _transformed(enumerated: list[TransformFamily], images: Tensor) -> Iterator[Tensor]:
    if not enumerated:
        yield images
        return
    family = Composition(enumerated)
    for theta in family.candidates():
        yield family.apply(images, theta.expand(len(images), -1))


def ways(family: str) -> dict[str, Callable[[Tensor, Tensor], object]]:
    """Return the ways to search a family: functions of restored and images (B, C, H, W)."""
    enumerated = FAMILIES[family]
    found = {"loop": partial(by_loop, enumerated), "exact": family_of(family).nearest}
    if enumerated:
        return found | {f"coarse to fine, stride {STRIDE}": family_of(family, STRIDE).nearest}
    return {"all at once": partial(all_at_once, enumerated)} | found


def family_of(name: str, stride: int = 1) -> TransformFamily:
    """Return the family under this name."""
    enumerated, shift = FAMILIES[name], Shift(MAX_SHIFT)
    return Composition([*enumerated, shift], stride) if enumerated else shift


@cache
def digits() -> Tensor:
    """Return test digits (COMPARED, 1, 32, 32)."""
    dataset = MNIST(num_workers=0).dataset("test")
    return torch.stack([torch.as_tensor(dataset[index]["image"]) for index in range(COMPARED)])


def restorations(family: str) -> dict[str, Tensor]:
    """Return what the digits are compared to: themselves, transformed at random, and the next digits."""
    moved, _ = family_of(family).sample(digits(), torch.Generator().manual_seed(0))
    return {"itself": moved, "another": digits().roll(-1, 0)}


def timed(family: str) -> dict[str, list[float]]:
    """Return the CPU seconds of each way, a batch at a time, in turns."""
    images, restored = digits()[:BATCH], restorations(family)["itself"][:BATCH]
    searches = ways(family)
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or len(seconds["loop"]) < 3:
        for name, search in searches.items():
            began = time.monotonic()
            while time.monotonic() - began < 0.2:  # several of the fast ones
                start = time.process_time()
                search(restored, images)
                seconds[name].append(time.process_time() - start)
    return seconds


def peak_megabytes(family: str, name: str) -> float:
    """Return by how much one search raises the memory of this process at its peak."""
    torch.set_num_threads(1)
    search = ways(family)[name]
    images, restored = digits()[:BATCH], restorations(family)["itself"][:BATCH]
    search(restored[:1], images[:1])  # what the libraries load once
    peaks: list[float] = []
    with measuring.raising(peaks):
        search(restored, images)
    return peaks[0]


def agreement(family: str, stride: int) -> dict[str, str]:
    """Compare a search to the exact one on COMPARED digits."""
    scores = {}
    for name, restored in restorations(family).items():
        distances, thetas = [], []
        for each in (family_of(family), family_of(family, stride)):
            found = [each.nearest(y, x) for y, x in zip(restored.split(BATCH), digits().split(BATCH), strict=True)]
            distances.append((restored - torch.cat([item.image for item in found])).square().sum())
            thetas.append(torch.cat([item.theta for item in found]))
        scores[f"same_theta_{name}"] = f"{(thetas[0] == thetas[1]).all(1).float().mean():.3f}"
        scores[f"excess_{name}"] = f"{distances[1] / distances[0] - 1:.4f}"
    return scores


def error(family: str) -> float:
    """Return the largest relative difference between the distances of the exact search and of the loop."""
    images, restored = digits()[:BATCH], restorations(family)["another"][:BATCH]
    exact = (restored - family_of(family).nearest(restored, images).image).square().sum((1, 2, 3))
    loop = by_loop(FAMILIES[family], restored, images)
    return float(((exact - loop) / loop).abs().max())


def rows() -> Iterator[dict[str, object]]:
    """Measure everything."""
    for family in FAMILIES:
        seconds = timed(family)
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        bests = {name: min(values) for name, values in seconds.items()}
        for name in seconds:
            with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
                peak = fresh.submit(peak_megabytes, family, name).result()
            row = {
                "family": family,
                "candidates": len(family_of(family).candidates()),
                "way": name,
                "seconds": f"{medians[name]:.5f}",
                "seconds_best": f"{bests[name]:.5f}",
                "times_faster": f"{medians['loop'] / medians[name]:.1f}",
                "times_faster_best": f"{bests['loop'] / bests[name]:.1f}",
                "runs": len(seconds[name]),
                "peak_megabytes": f"{peak:.0f}",
            }
            if name == "exact":
                row["error"] = f"{error(family):.1e}"
            if name.startswith("coarse"):
                row |= agreement(family, STRIDE)
            yield row


def main(stem: Path) -> None:
    """Write the table and how it was measured."""
    torch.set_num_threads(1)
    torch.zeros(2**22)  # freed at once: after tensors as large as a training's the C library keeps memory at hand
    began = datetime.now(UTC)
    table = list(rows())
    with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in table for name in row)))
        writer.writeheader()
        writer.writerows(table)
    record = {
        "batch": [BATCH, *digits().shape[1:]],
        "digits_compared": COMPARED,
        "seconds": "of the processor, median of the runs; the ways take turns",
    } | measuring.conditions("tests.invariance.bench_nearest", began)
    stem.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
