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
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache
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
ROUNDS = 4  # the first is not counted
SIZES = {"image_size": 128, "mask_width": 64, "discriminator_width": 64, "generator_width": 32}


class StepByStep(Callback):
    """Runs Lightning's own loop for one batch at a time and keeps the seconds of the step alone."""

    def on_train_batch_start(self, *args: Any) -> None:
        self.start = time.perf_counter()

    def on_train_batch_end(self, *args: Any) -> None:
        self.seconds = time.perf_counter() - self.start


def images() -> Tensor:
    return torch.rand(2 * BATCH, 3, 128, 128, generator=torch.Generator().manual_seed(0))


@cache
def ways() -> dict[str, Callable[[], float]]:
    """Return each way to take one step; a call takes it and returns its seconds."""
    torch.manual_seed(0)
    method, reference = ReDO(**SIZES), ReDO(**SIZES)
    literal = LiteralStep(reference)

    def literally() -> float:
        source, real = (images() * 2 - 1).split(BATCH)
        start = time.perf_counter()
        literal(source, real, torch.randn(BATCH, 2, 32))
        return time.perf_counter() - start

    def ours() -> float:
        clock = StepByStep()
        trainer = quiet_trainer(callbacks=[clock])
        trainer.fit(method, DataLoader([{"image": image} for image in images()], 2 * BATCH))
        return clock.seconds

    return {"literal": literally, "ours": ours}


def peak_megabytes(name: str) -> float:
    """Return by how much the second step raises this process's memory at its peak."""
    ways()[name]()
    return measuring.peak_megabytes(ways()[name])


def gigaflops(name: str) -> float:
    """Return the arithmetic of one step."""
    with FlopCounterMode(display=False) as counter:
        ways()[name]()
    return counter.get_total_flops() / 1e9


def main(stem: Path) -> None:
    """Write the table and how it was measured."""
    began = datetime.now(UTC)
    seconds: dict[str, list[float]] = {name: [] for name in ways()}
    for _ in range(ROUNDS):
        for name, step in ways().items():
            seconds[name].append(step())
            print(name, round(seconds[name][-1], 2), flush=True)  # noqa: T201
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    table = []
    for name in ways():
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            peak = fresh.submit(peak_megabytes, name).result()
            arithmetic = fresh.submit(gigaflops, name).result()
        table.append(
            {
                "way": name,
                "seconds": f"{medians[name]:.2f}",
                "seconds_best": f"{min(seconds[name][1:]):.2f}",
                "times_faster": f"{medians['literal'] / medians[name]:.2f}",
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
        "seconds": f"of wall time, median of {ROUNDS - 1}; the ways take turns",
    } | measuring.conditions("tests.methods.bench_redo", began)
    stem.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
