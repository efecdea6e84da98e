"""`tiae-zoo average`: the moving average of F as the method itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.conftest import Zoo

CHECKPOINT = Path("runs/redo_cmnist/fit_0/checkpoints/last.ckpt")
AVERAGED = CHECKPOINT.with_name("last_average.ckpt")
QUICK = [
    *("--config", "redo_cmnist", "--config", "presets/redo_cmnist_64px", "--data.source", "digits"),
    *("--data.image_size", "32", "--data.num_val", "4", "--data.num_test", "4", "--data.num_workers", "0"),
    *("--data.batch_size", "4", "--model.mask_width", "8", "--model.generator_width", "2", "--model.mask_lr", "0.01"),
    *("--trainer.max_steps", "12", "--trainer.val_check_interval", "6", "--trainer.accelerator", "cpu"),
    *("--trainer.enable_progress_bar", "false", "--trainer.devices", "1"),
]


def scores(verb: str) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads(Path(f"runs/redo_cmnist/{verb}/results.json").read_text())["metrics"]
    return metrics


def test_the_average_scores_what_was_scored_beside_the_network(zoo: Zoo) -> None:
    assert zoo("fit", *QUICK).status == 0
    assert zoo("test", *QUICK, "--ckpt_path", str(CHECKPOINT)).status == 0
    before = CHECKPOINT.read_bytes()
    outcome = zoo("average", str(CHECKPOINT))
    assert outcome.status == 0, outcome.err
    assert "its mask_network is the moving average" in outcome.out
    assert CHECKPOINT.read_bytes() == before

    outcome = zoo("test", "--ckpt_path", str(AVERAGED))  # beside the run's config
    assert outcome.status == 0, outcome.err
    beside, itself = scores("test_0"), scores("test_1")
    for name in ("acc", "iou", "miou_dataset"):
        assert itself[f"test/{name}"] == pytest.approx(beside[f"test/{name}_ema"], abs=1e-6)
    assert itself["test/acc"] != pytest.approx(beside["test/acc"], abs=1e-6)
    assert not any(name.endswith("_ema") for name in itself)

    outcome = zoo("fit", *QUICK, "--ckpt_path", str(AVERAGED))
    assert outcome.status == 1
    assert "holds weights alone" in outcome.err
    outcome = zoo("average", str(CHECKPOINT))
    assert outcome.status == 1
    assert "is not overwritten" in outcome.err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "There is no checkpoint wrong.ckpt"),
        (b"no archive", "is not a checkpoint that can be read without running code from it"),
        (
            {"state_dict": {}, "callbacks": {}},
            "holds no average. Give a checkpoint of a fit with the callback MaskAverage",
        ),
        ({"state_dict": {}, "callbacks": {"MaskAverage": {}}}, "holds no average"),
        (
            {
                "state_dict": {},
                "callbacks": {"MaskAverage": {"network": "f", "average": {"n_averaged": torch.tensor(0)}}},
            },
            "holds no average",
        ),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(zoo: Zoo, content: Any, told: str) -> None:
    if isinstance(content, bytes):
        Path("wrong.ckpt").write_bytes(content)
    elif content is not None:
        torch.save(content, "wrong.ckpt")
    outcome = zoo("average", "wrong.ckpt", "--output", "new.ckpt")
    assert outcome.status == 1
    assert told in outcome.err
    assert not Path("new.ckpt").exists()


def test_a_folder_that_is_not_there_is_told(zoo: Zoo) -> None:
    state = {"network": "f", "average": {"n_averaged": torch.tensor(1), "module.x": torch.ones(1)}}
    torch.save({"state_dict": {"f.x": torch.zeros(1)}, "callbacks": {"MaskAverage": state}}, "some.ckpt")
    outcome = zoo("average", "some.ckpt", "--output", "nowhere/new.ckpt")
    assert outcome.status == 1
    assert "nowhere/new.ckpt cannot be written (No such file or directory). Give another --output." in outcome.err
    assert zoo("average", "some.ckpt").status == 0
    assert torch.load("some_average.ckpt", weights_only=True) == {"state_dict": {"f.x": torch.ones(1)}}
