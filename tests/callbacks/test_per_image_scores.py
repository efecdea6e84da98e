"""Scores of single images and of masks that know nothing, beside what a run logs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule
from test_ranked_masks import Halves
from tiny_methods import Plain, trainer
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms.v2 import RandomHorizontalFlip

from tests.processes import run_python
from tiae_zoo.callbacks.per_image_scores import PerImageScores, training_masks
from tiae_zoo.data import MNIST, DataError, Flowers
from tiae_zoo.data.backgrounds import NoiseBackgrounds
from tiae_zoo.methods import ForegroundAE

SCORES = ("iou", "miou", "acc", "iou_dataset", "miou_dataset", "acc_dataset")


class HalfData(LightningDataModule):
    """The images of `Halves`, named; the object is the upper half in all training masks but one."""

    def __init__(self, masked: bool = True, train: bool = True) -> None:
        super().__init__()
        self.masked, self.train = masked, train

    def dataset(self, split: str) -> list[dict[str, Any]]:
        if split == "train" and not self.train:
            raise DataError("There are no training images. Fetch some.")
        items = list(Halves().loader().dataset)
        if split == "train":
            items = [{**item, "mask": item["mask"].flip(0) if item["index"] == 3 else item["mask"]} for item in items]
            items = items if self.masked else [{"image": item["image"]} for item in items]
        return items

    def names(self, split: str) -> list[str]:
        return [f"{split}/{number}.jpg" for number in range(8)]

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.dataset("test"), 3)

    val_dataloader = test_dataloader


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "run" / "fit_0" / "per_image.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("verb", "stage"), [("test", "test"), ("validate", "val")])
def test_images_are_scored_as_the_set_is(tmp_path: Path, verb: str, stage: str) -> None:
    scores = PerImageScores()
    run = trainer(tmp_path, scores)
    getattr(run, verb)(Halves(), datamodule=HalfData(), verbose=False)
    found = rows(tmp_path)
    assert [row["name"] for row in found] == [f"{stage}/{number}.jpg" for number in range(8)]
    for name in ("iou", "miou", "acc"):
        mean = sum(float(row[name]) for row in found) / 8
        assert mean == pytest.approx(float(run.callback_metrics[f"{stage}/{name}"]), abs=1e-5)
    assert float(found[0]["iou"]) == 1.0
    assert scores.record["images"] == 8
    assert set(scores.record["intervals"]) == {f"{stage}/{name}" for name in SCORES}
    for name, (low, high) in scores.record["intervals"].items():
        assert low < run.callback_metrics[name] < high
    assert json.loads(json.dumps(scores.record)) == json.loads(json.dumps(scores.record, allow_nan=False))


def test_trivial_masks_are_scored_on_the_same_images(tmp_path: Path) -> None:
    scores = PerImageScores()
    trainer(tmp_path, scores).test(Halves(), datamodule=HalfData(), verbose=False)
    trivial = scores.record["trivial"]
    assert trivial["whole_image"]["test/iou"] == pytest.approx(1 / 2)
    assert trivial["mean_training_mask"]["test/iou"] == 1.0  # the object is where it always is
    square = 5 / 8 * 3 / 8  # 5 x 5 px of 8 x 8, three of whose rows lie in the upper half, or two and flipped
    assert trivial["centred_square"]["test/acc"] > square
    assert float(rows(tmp_path)[7]["mean_training_mask_iou"]) == 1.0


@pytest.mark.parametrize("data", [HalfData(masked=False), HalfData(train=False)], ids=["no masks", "no images"])
def test_without_training_masks_there_is_no_mean_of_them(tmp_path: Path, data: HalfData) -> None:
    scores = PerImageScores()
    trainer(tmp_path, scores).test(Halves(), datamodule=data, verbose=False)
    assert set(scores.record["trivial"]) == {"whole_image", "centred_square"}


@pytest.mark.parametrize("method", [Plain(), Halves()], ids=["no segmenter", "no masks"])
def test_nothing_to_score_writes_nothing(tmp_path: Path, method: Plain | Halves) -> None:
    scores = PerImageScores()
    loader = method.loader() if isinstance(method, Plain) else method.loader(masks=False)
    trainer(tmp_path, scores).test(method, loader, verbose=False)
    assert scores.record == {}
    assert not list(tmp_path.rglob("per_image.csv"))


def test_objects_on_backgrounds_are_scored_as_they_are_logged(tmp_path: Path) -> None:
    data = MNIST(source="digits", backgrounds=NoiseBackgrounds(), image_size=32, num_workers=0, eval_batch_size=100)
    run = trainer(tmp_path, PerImageScores(), limit_test_batches=2)
    run.test(ForegroundAE(), datamodule=data, verbose=False)
    found = rows(tmp_path)
    assert len(found) == 200
    mean = sum(float(row["iou"]) for row in found) / 200
    assert mean == pytest.approx(float(run.callback_metrics["test/iou"]), abs=1e-5)


def test_training_masks_of_the_zoo_are_found_and_random_numbers_left_alone() -> None:
    data = Flowers(image_size=16, num_workers=0, transform=RandomHorizontalFlip())
    before = torch.get_rng_state()
    masks = training_masks(data)
    assert isinstance(masks, Tensor)
    assert masks.shape == (24, 16, 16)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_several_processes_count_each_image_once(tmp_path: Path) -> None:
    run_python(Path(__file__).with_name("three_process_scores.py"), tmp_path)
    alone = PerImageScores()
    trainer(tmp_path / "alone", alone).test(Halves(), datamodule=HalfData(), verbose=False)
    assert rows(tmp_path) == rows(tmp_path / "alone")
    assert json.loads((tmp_path / "record.json").read_text()) == json.loads(json.dumps(alone.record))
