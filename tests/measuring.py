"""What the programs that measure have in common."""

from __future__ import annotations

import ctypes
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import torch

from tiae_zoo.results import processor


@contextmanager
def raising(peaks: list[float]) -> Iterator[None]:
    """Append by how many megabytes the block raises the memory of this process at its peak; on Linux only."""
    ctypes.CDLL(None).malloc_trim(0)  # memory freed so far goes back to the system,
    Path("/proc/self/clear_refs").write_text("5")  # and the peak starts anew
    before = _kilobytes("VmRSS")
    yield
    peaks.append((_kilobytes("VmHWM") - before) / 1024)


def _kilobytes(entry: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(entry))


def conditions(module: str, began: datetime) -> dict[str, object]:
    """Return by which command, when and on what a measurement was made, as plain JSON.

    Args:
        module: the program, as `python -m` takes it.
        began: when it began.
    """
    return {
        "command": shlex.join(["python", "-m", module, *sys.argv[1:]]),
        "started": began.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in ("tiae-zoo", "torch", "numpy", "scipy")},
        "hardware": {
            "device": processor(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "cpu_count": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "system": f"{platform.system()} {platform.machine()}",
        },
    }
