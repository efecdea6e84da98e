"""A fit that was interrupted goes on as if it had not been."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import Zoo

SMALL_REDO = (
    *("--config", "configs/redo_lfw.yaml", "--data.image_size", "32", "--data.batch_size", "4"),
    *("--data.num_workers", "0", "--model.mask_width", "8", "--model.generator_width", "2"),
    *("--model.discriminator_width", "4", "--trainer.accelerator", "cpu", "--trainer.val_check_interval", "4"),
    *("--trainer.log_every_n_steps", "1", "--trainer.enable_progress_bar", "false"),
)


def losses(run: str) -> list[tuple[str, ...]]:
    """The steps and training losses of the log, batch after batch."""
    with Path("runs/redo_lfw", run, "metrics.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss_d"]]
    return [(row["step"], row["train/loss_d"], row["train/loss_z"], row["train/loss_adversarial"]) for row in rows]


def weights(run: str) -> dict[str, torch.Tensor]:
    return torch.load(Path("runs/redo_lfw", run, "checkpoints", "last.ckpt"), weights_only=True)["state_dict"]


@pytest.mark.slow
def test_redo_resumed_has_the_losses_of_redo_uninterrupted(zoo: Zoo) -> None:
    assert zoo("fit", *SMALL_REDO, "--trainer.max_steps", "28").status == 0  # 14 batches, 6 an epoch
    assert zoo("fit", *SMALL_REDO, "--trainer.max_steps", "16").status == 0  # ends at a validation in the second epoch
    outcome = zoo("fit", *SMALL_REDO, "--trainer.max_steps", "28", "--ckpt_path", "last")
    assert outcome.status == 0, outcome.err
    assert len(losses("fit_0")) == 14
    assert losses("fit_1") + losses("fit_2") == losses("fit_0")
    ends = weights("fit_0"), weights("fit_2")
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.slow
def test_ctrl_c_leaves_a_checkpoint_to_go_on_from(zoo: Zoo) -> None:
    command = [sys.executable, "-m", "tiae_zoo", "fit", *SMALL_REDO]
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs do not
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=heeding)
    try:
        log = Path("runs/redo_lfw/fit_0/metrics.csv")
        while not log.exists() and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode != 0
    assert "Traceback" not in output
    outcome = zoo(
        "fit", *SMALL_REDO, "--trainer.max_steps", "400", "--trainer.max_time", "00:00:00:05", "--ckpt_path", "last"
    )
    assert outcome.status == 0, outcome.err
    assert losses("fit_1")
