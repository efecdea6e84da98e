from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Zoo
from tiae_zoo.callbacks.predictions import file_names


def test_masks_become_pictures_named_like_the_images(fitted: Zoo) -> None:
    outcome = fitted("predict", "--config", "toy.yaml", "--ckpt_path", "last")
    assert outcome.status == 0
    assert "predictions/" in outcome.out
    folder = Path("runs/toy/predict_0/predictions/predict")
    assert {path.name for path in folder.iterdir()} == {f"{i}.png" for i in range(8)}
    picture = Image.open(folder / "0.png")
    assert picture.size == (8, 8)
    assert picture.mode == "P"
    assert set(np.unique(np.asarray(picture))) <= {0, 1}


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
        (["../../etc/x.png", "/abs/y.png"], ["etc/x", "abs/y"]),
    ],
)
def test_names_are_safe_and_unique(names: list[str], written: list[str]) -> None:
    assert file_names(names) == written
