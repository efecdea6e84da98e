"""Two processes train ReDO as one process does with the same global batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.processes import run_python

SCRIPT = Path(__file__).parent / "two_processes.py"


def fit(devices: int, redraw: str, file: Path) -> dict[str, Any]:
    run_python(SCRIPT, devices, redraw, file)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


@pytest.mark.slow
@pytest.mark.parametrize("redraw", ["all", "one", "each"])
def test_two_processes_equal_one(redraw: str, tmp_path: Path) -> None:
    one, two = (fit(devices, redraw, tmp_path / f"{devices}.pt") for devices in (1, 2))
    for name, weight in one["weights"].items():
        torch.testing.assert_close(
            two["weights"][name], weight, rtol=1e-6, atol=1e-8, msg=lambda m, n=name: f"{n}: {m}"
        )
    assert {"train/loss_d", "train/loss_z", "train/loss_adversarial", "val/iou"} <= one["logged"].keys()
    for name, value in one["logged"].items():
        torch.testing.assert_close(two["logged"][name], value, rtol=1e-6, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
