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
    assert f"Score it: tiae-zoo test --ckpt_path {AVERAGED}" in outcome.out
    assert CHECKPOINT.read_bytes() == before

    old, new = (torch.load(path, weights_only=True) for path in (CHECKPOINT, AVERAGED))
    assert new["callbacks"] == {}
    assert not new.keys() & {"optimizer_states", "lr_schedulers", "loops", "random_state", "logged_steps"}
    assert new["hyper_parameters"] == old["hyper_parameters"]
    assert new["region_classes"] == old["region_classes"] is not None
    assert new["state_dict"].keys() == old["state_dict"].keys()
    changed = {key for key, value in new["state_dict"].items() if not torch.equal(value, old["state_dict"][key])}
    assert changed
    assert all(key.startswith("mask_network.") for key in changed)

    outcome = zoo("test", "--ckpt_path", str(AVERAGED))  # beside the run's config
    assert outcome.status == 0, outcome.err
    beside, itself = scores("test_0"), scores("test_1")
    for name in ("acc", "iou", "miou_dataset"):
        assert itself[f"test/{name}"] == pytest.approx(beside[f"test/{name}_ema"], abs=1e-6)
    assert itself["test/acc"] != pytest.approx(beside["test/acc"], abs=1e-6)
    assert not any(name.endswith("_ema") for name in itself)

    outcome = zoo("average", str(CHECKPOINT), "--output", "else where.ckpt")
    config = "runs/redo_cmnist/fit_0/config.yaml"
    assert f"Score it: tiae-zoo test --config {config} --ckpt_path 'else where.ckpt'" in outcome.out
    for arguments, told in [
        (("fit", *QUICK, "--ckpt_path", str(AVERAGED)), "holds weights alone"),
        (("average", str(CHECKPOINT)), "is not overwritten"),
        (("average", str(AVERAGED), "--output", "twice.ckpt"), "holds no average"),
    ]:
        outcome = zoo(*arguments)
        assert outcome.status == 1
        assert told in outcome.err


def stored(**content: Any) -> dict[str, Any]:
    return {
        "hyper_parameters": {"_class_path": "tiae_zoo.methods.ReDO"},
        "state_dict": {"f.x": torch.zeros(1)},
        **content,
    }


def keeping(n_averaged: int, **state: Any) -> dict[str, Any]:
    average = {"n_averaged": torch.tensor(n_averaged), "module.x": torch.ones(1)}
    return stored(callbacks={"MaskAverage": {"average": average, **state}}, optimizer_states=[])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "There is no checkpoint file wrong.ckpt"),
        (b"no archive", "is not a checkpoint that can be read without running code from it"),
        (torch.ones(2), "does not say which method it is of"),
        ({"state_dict": {}}, "does not say which method it is of"),
        (
            stored(),
            "holds no average. Give a checkpoint, with its training state, of a fit with the callback MaskAverage",
        ),
        (stored(callbacks=None), "holds no average"),
        (stored(callbacks={"MaskAverage": {}}), "holds no average"),
        (keeping(0, network="f"), "holds no average"),
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
    torch.save(keeping(1, network="f"), "some.ckpt")
    outcome = zoo("average", "some.ckpt", "--output", "nowhere/new.ckpt")
    assert outcome.status == 1
    assert "nowhere/new.ckpt cannot be written (No such file or directory). Give another --output." in outcome.err


def test_a_disk_that_is_full_is_told_and_nothing_left(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(keeping(1, network="f"), "some.ckpt")
    before = sorted(Path().iterdir())

    def full(content: object, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise RuntimeError("unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    outcome = zoo("average", "some.ckpt")
    assert outcome.status == 1
    assert "some_average.ckpt cannot be written (unexpected pos 64 vs 0)" in outcome.err
    assert sorted(Path().iterdir()) == before


def test_the_network_of_the_checkpoint_is_replaced(zoo: Zoo) -> None:
    torch.save(keeping(1, network="f"), "some.ckpt")
    outcome = zoo("average", "some.ckpt")
    assert outcome.status == 0
    assert "Score it" not in outcome.out  # no config lies beside
    assert torch.load("some_average.ckpt", weights_only=True) == stored(
        state_dict={"f.x": torch.ones(1)}, callbacks={}, averaged_network="f"
    )


def test_an_average_without_a_name_is_of_the_mask_network(zoo: Zoo) -> None:
    torch.save({**keeping(1), "state_dict": {"mask_network.x": torch.zeros(1)}}, "some.ckpt")
    assert "its mask_network is the moving average" in zoo("average", "some.ckpt").out
    assert torch.load("some_average.ckpt", weights_only=True)["state_dict"] == {"mask_network.x": torch.ones(1)}
