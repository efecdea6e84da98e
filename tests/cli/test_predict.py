import json
from pathlib import Path

import numpy as np
import pytest
import torch
from jsonargparse import Namespace
from PIL import Image
from torch import Tensor

from tests.cli.conftest import Zoo
from tests.cli.toys import ToyMethod
from tests.fakes import scene
from tiae_zoo.callbacks.predictions import file_names
from tiae_zoo.launch.checkpoint import follow_channels

NARROW = ["--data.image_size", "32", "--data.batch_size", "4", "--data.num_workers", "0", "--model.mask_width", "4"]
NARROW += ["--model.generator_width", "1", "--model.discriminator_width", "1"]
QUIET = ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos of several sizes, two of the same name, one damaged."""
    rng = np.random.default_rng(0)
    for name, size in {"a/one.jpg": (90, 60), "b/one.jpg": (50, 70), "two.png": (64, 64)}.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(rng, *size)[0]).save(path)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"damaged")
    return tmp_path / "photos"


@pytest.fixture
def redo(zoo: Zoo) -> str:
    """A checkpoint of ReDO that was validated with masks."""
    steps = ["--config", "presets/debug", "--trainer.logger.save_dir", "runs"]
    outcome = zoo("fit", "--config", "redo_flowers", *steps, *NARROW, *QUIET)
    assert outcome.status == 0, outcome.err
    return "runs/redo_flowers/fit_0/checkpoints/last.ckpt"


@pytest.mark.slow
def test_photos_of_any_size_get_masks_of_that_size(zoo: Zoo, redo: str, photos: Path) -> None:
    own = ["--ckpt_path", redo, "--data", "Folder", "--data.images", str(photos)]
    outcome = zoo("predict", *own, "--soft", "true", "--overlays", "true", "--redraws", "true", "--output", "out")
    assert outcome.status == 0, outcome.err
    assert "Skipped 1 that cannot be read: broken.jpg (cannot identify image file" in outcome.out
    record = json.loads(Path("out/predictions.json").read_text(encoding="utf-8"))
    assert (record["pictures"], list(record["unreadable"])) == (3, ["broken.jpg"])
    assert record["regions"]["chosen_by"] == "the match with the masks of the last validation"
    for name in ("a/one.jpg", "b/one.jpg", "two.png"):
        stem = Path(name).with_suffix("")
        with Image.open(photos / name) as picture, Image.open(f"out/masks/{stem}.png") as mask:
            assert mask.size == picture.size
            regions = np.asarray(mask)
        with Image.open(f"out/soft/1/{stem}.png") as soft, Image.open(f"out/overlays/{stem}.jpg") as overlay:
            assert overlay.size == soft.size == regions.shape[::-1]
            assert (regions[np.asarray(soft) > 130] == 1).all()
            assert (regions[np.asarray(soft) < 125] == 0).all()
        assert Path(f"out/redraws/{stem}.png").is_file()

    again = zoo("predict", *own, "--output", "out")
    assert again.status == 1
    assert "out/predictions.json and 3 more exist already. Give another --output, or --overwrite true" in again.err
    assert zoo("predict", *own, "--output", "out", "--overwrite", "true").status == 0

    broken = zoo("predict", "--ckpt_path", redo, "--data", "Folder", "--data.images", str(photos / "broken.jpg"))
    assert broken.status == 1
    assert "None of the pictures can be read (broken.jpg (cannot identify image file" in broken.err


def test_pictures_in_which_nothing_is_found_are_told(fitted: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    def predict_step(method: ToyMethod, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        masks = torch.zeros(len(batch["image"]), 2, 8, 8)
        masks[:, 0] = 1
        masks[1 if batch_idx == 0 else 0 :, 1, 2:6, 2:6] = 2  # an object in the middle, but not in the first picture
        return masks

    monkeypatch.setattr(ToyMethod, "predict_step", predict_step)
    outcome = fitted("predict", "--config", "toy.yaml", "--ckpt_path", "last", "--output", "out")
    assert "No object in 1 of them: predict/0.jpg" in outcome.out, outcome.err
    assert json.loads(Path("out/predictions.json").read_text(encoding="utf-8"))["without_object"] == ["predict/0.jpg"]


def test_masks_become_pictures_named_like_the_images(fitted: Zoo) -> None:
    outcome = fitted("predict", "--config", "toy.yaml", "--ckpt_path", "last")
    assert outcome.status == 0, outcome.err
    assert "Predictions of 8 pictures: runs/toy/predict_0/predictions" in outcome.out
    folder = Path("runs/toy/predict_0/predictions/masks/predict")
    assert {path.name for path in folder.iterdir()} == {f"{i}.png" for i in range(8)}
    picture = Image.open(folder / "0.png")
    assert picture.size == (8, 8)
    assert picture.mode == "P"
    assert set(np.unique(np.asarray(picture))) <= {0, 1}
    record = json.loads((folder.parents[1] / "predictions.json").read_text(encoding="utf-8"))
    assert record["regions"]["chosen_by"].startswith("least contact with the border of 8 pictures")


def test_redraws_of_a_method_that_draws_nothing_are_refused(zoo: Zoo) -> None:
    outcome = zoo("predict", "--config", "toy.yaml", "--redraws", "true", "--ckpt_path", "untrained")
    assert outcome.status == 1
    assert "ToyMethod has no `gallery` to draw. Leave out --redraws." in outcome.err


def test_arrays_are_kept_with_the_names(zoo: Zoo) -> None:
    options = ["--model", "tests.cli.toys.Describing", "--ckpt_path", "untrained"]
    assert zoo("predict", "--config", "toy.yaml", *options).status == 0
    arrays = np.load("runs/toy/predict_0/predictions/predictions.npz")
    assert arrays["name"].tolist() == [f"predict/{i}" for i in range(8)]
    assert arrays["descriptor"].shape == (8, 1)


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (["b/cat.jpg", "cat.jpg"], ["b/cat", "cat"]),
        (["cat.jpg", "cat.png"], ["cat.jpg", "cat.png"]),
        (["cat.jpg", "Cat.jpg"], ["cat.jpg", "Cat.jpg"]),
        (["a.jpg", "a.png", "a.jpg.tif"], ["a.jpg", "a.png", "a.jpg.tif"]),
        (["../../etc/x.png", "/abs/y.png"], ["etc/x", "abs/y"]),
    ],
)
def test_names_are_safe_and_unique(names: list[str], written: list[str]) -> None:
    assert file_names(names) == written


def test_pictures_get_as_many_channels_as_the_checkpoint_was_trained_on() -> None:
    stored = {"image_channels": 1}
    options = Namespace(data=Namespace(class_path="Folder", init_args=Namespace(images="photos", channels=3)))
    follow_channels(stored, Namespace(data=Namespace(init_args=Namespace(channels=3))), options)
    assert options.data.init_args.channels == 3
    follow_channels(stored, Namespace(data=Namespace(init_args=Namespace(images="photos"))), options)
    assert options.data.init_args.channels == 1
