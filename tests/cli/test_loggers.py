"""The presets of the loggers: one folder as without, and pictures and masks where they can be shown."""

from pathlib import Path

import pytest
import wandb
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.cli.conftest import Zoo

ROOT = Path(__file__).parents[2]


def fit(zoo: Zoo, preset: str, *more: str, folder: str = "mask_network_lfw/fit_0") -> Path:
    configs = [ROOT / "configs" / name for name in ("mask_network_lfw.yaml", "presets/debug.yaml", f"presets/{preset}")]
    arguments = [word for config in configs for word in ("--config", str(config))]
    sizes = ["--model.width", "0.1", "--data.batch_size", "4", "--data.eval_batch_size", "4", "--data.num_workers", "0"]
    outcome = zoo("fit", *arguments, *sizes, *more)
    assert outcome.status == 0, outcome.err
    assert (Path("runs") / folder / "metrics.csv").is_file()
    return Path("runs") / folder


def test_tensorboard_has_figures_and_pictures_in_the_run_folder(zoo: Zoo) -> None:
    folder = fit(zoo, "tensorboard.yaml")
    events = EventAccumulator(str(folder)).Reload()
    assert {"train/loss", "val/iou"} <= set(events.Tags()["scalars"])
    assert "pictures/val" in events.Tags()["images"]
    assert [path.name for path in Path("runs").iterdir()] == ["mask_network_lfw"]


def test_both_loggers_follow_where_a_command_line_puts_the_run(zoo: Zoo) -> None:
    where = ("--trainer.logger.name", "mine", "--trainer.logger.version", "first")  # both reach the last logger only
    folder = fit(zoo, "tensorboard.yaml", *where, folder="mine/first")
    assert EventAccumulator(str(folder)).Reload().Tags()["scalars"]
    assert [path.name for path in Path("runs").iterdir()] == ["mine"]


def test_wandb_has_pictures_and_masks_without_a_connection(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    fit(zoo, "wandb.yaml")
    assert wandb.run is not None
    assert wandb.run.name == "mask_network_lfw/fit_0"
    wandb.finish()  # as the end of a program would
    (run,) = Path("runs/wandb").glob("offline-run-*")
    media = run / "files" / "media" / "images"
    assert list(media.glob("pictures/val_*.png"))
    (picture,) = media.glob("masks/val_*.png")  # of the one image that the fakes have to validate on
    masks = list(media.glob("mask/masks/val_*.mask.png"))
    assert len(masks) == 2  # regions and truth
    assert all(Image.open(mask).size == Image.open(picture).size for mask in masks)
