"""Time and memory of ReDO's step against the literal one of its authors' program (not in the suite).

    python -m tests.methods.bench_redo docs/results/redo_step

writes `redo_step.csv`, a row for each way to take the step, and `redo_step.json`, how it was measured: 20 images to be
redrawn and 20 real ones of noise, 128 px, two regions, mask network and discriminator of width 64, generators of width
32, float32. It takes about twenty minutes on two cores of a Linux machine.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from tests import measuring
from tests.methods.literal_redo import LiteralStep
from tests.quiet import quiet_trainer
from tiae_zoo.methods import ReDO

BATCH = 20
ROUNDS = 4  # and one that is not counted
WAYS = ("literal", "ours")
SIZES = {"image_size": 128, "mask_width": 64, "discriminator_width": 64, "generator_width": 32}


Measure = Callable[[], AbstractContextManager[object]]


class Around(Callback):
    """Opens a context around each training step of Lightning's own loop, and calls something between the steps."""

    def __init__(self, measure: Measure, between: Callable[[], None]) -> None:
        self.measure, self.between = measure, between

    def on_train_batch_start(self, *args: Any) -> None:
        self.opened = self.measure()
        self.opened.__enter__()

    def on_train_batch_end(self, *args: Any) -> None:
        self.opened.__exit__(None, None, None)
        self.between()


def images() -> Tensor:
    return torch.rand(2 * BATCH, 3, 128, 128, generator=torch.Generator().manual_seed(0))


def literal_step() -> Callable[[], None]:
    """Return the literal step; each call takes it once."""
    literal = LiteralStep(ReDO(**SIZES))
    source, real = (images() * 2 - 1).split(BATCH)
    return lambda: literal(source, real, torch.randn(BATCH, 2, 32))


def take_steps(way: str, steps: int, measure: Measure, between: Callable[[], None] = lambda: None) -> None:
    """Take some steps one `way`, each of them measured."""
    torch.manual_seed(0)
    if way == "literal":
        step = literal_step()
        for _ in range(steps):
            with measure():
                step()
        return
    batches = DataLoader([{"image": image} for _ in range(steps) for image in images()], 2 * BATCH)
    quiet_trainer(callbacks=[Around(measure, between)], accelerator="cpu").fit(ReDO(**SIZES), batches)


def time_in_turns() -> dict[str, list[float]]:
    """Return the seconds of each step of each way, taken in turns."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}

    @contextmanager
    def clock(way: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        seconds[way].append(time.perf_counter() - start)
        print(way, round(seconds[way][-1], 2), flush=True)  # noqa: T201

    step = literal_step()

    def literally() -> None:
        with clock("literal"):
            step()

    take_steps("ours", 1 + ROUNDS, partial(clock, "ours"), between=literally)
    return seconds


def peak_megabytes(way: str) -> float:
    """Return by how much the second step raises this process's memory at its peak."""
    peaks: list[float] = []
    take_steps(way, 2, partial(measuring.raising, peaks))
    return peaks[-1]


def gigaflops(way: str) -> float:
    """Return the arithmetic of one step."""
    counter = FlopCounterMode(display=False)
    take_steps(way, 1, lambda: counter)
    return counter.get_total_flops() / 1e9


def main(stem: Path) -> None:
    """Write the table and how it was measured."""
    began = datetime.now(UTC)
    seconds = {way: values[1:] for way, values in time_in_turns().items()}  # the first makes Adam's state
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    table = []
    for way in WAYS:
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            peak = fresh.submit(peak_megabytes, way).result()
            arithmetic = fresh.submit(gigaflops, way).result()
        table.append(
            {
                "way": way,
                "seconds": f"{medians[way]:.2f}",
                "seconds_best": f"{min(seconds[way]):.2f}",
                "times_faster": f"{medians['literal'] / medians[way]:.2f}",
                "gigaflops": f"{arithmetic:.0f}",
                "peak_megabytes": f"{peak:.0f}",
            }
        )
    with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    record = {
        "batch": [2 * BATCH, 3, 128, 128],
        "sizes": SIZES,
        "precision": "float32",
        "seconds": f"of wall time, median of {ROUNDS}; the ways take turns",
    } | measuring.conditions("tests.methods.bench_redo", began)
    stem.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
