"""Whole pictures for prediction."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.modules import OWN, SMALL
from tiae_zoo.data import DataError, Folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures of all modes and shapes, two of them damaged, two of the same name."""
    folder = tmp_path / "photos"
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (48, 80, 3), dtype=np.uint8)
    photo = Image.fromarray(noise)
    photo.save(folder / "a" / "one.png")
    photo.convert("L").save(folder / "b" / "one.png")
    photo.convert("RGBA").save(folder / "rgba.png")
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(folder / "sixteen.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    photo.save(folder / "turned.jpg", exif=exif)
    photo.resize((300, 40)).save(folder / "wide.jpg")
    (folder / "broken.jpg").write_bytes((folder / "wide.jpg").read_bytes()[:600])
    (folder / "phone.heic").write_bytes(b"not a picture")
    (folder / "notes.txt").write_text("not a picture either")
    return folder


def test_every_picture_becomes_squares_and_tells_its_own_size(photos: Path) -> None:
    data = Folder(str(photos), **SMALL)
    samples = dict(zip(data.names("predict"), data.dataset("predict"), strict=False))
    sizes = {name: tuple(sample["size"].tolist()) for name, sample in samples.items() if not sample["problem"]}
    lying = dict.fromkeys(("a/one.png", "b/one.png", "rgba.png", "sixteen.png"), (48, 80))
    assert sizes == {**lying, "turned.jpg": (80, 48), "wide.jpg": (40, 300)}
    assert samples["wide.jpg"]["image"].shape == (15, 3, 32, 32)
    assert {name for name, sample in samples.items() if sample["problem"]} == {"broken.jpg", "phone.heic"}


def test_the_middle_square_is_what_the_test_sees(fake_data: Path) -> None:
    data = Folder(**OWN, **SMALL)
    places = {name: place for place, name in enumerate(data.names("predict"))}
    for name, sample in zip(data.names("test"), data.dataset("test"), strict=False):
        squares = data.dataset("predict")[places[name]]["image"]
        assert torch.equal(squares[len(squares) // 2], sample["image"])


def test_a_batch_repeats_the_index_for_each_square(photos: Path) -> None:
    data = Folder(str(photos / "a"), **SMALL)
    (batch,) = data.predict_dataloader()
    assert batch["image"].shape == (3, 3, 32, 32)
    assert batch["index"].tolist() == [0, 0, 0]
    assert batch["size"].tolist() == [[48, 80]] * 3


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("photos/rgba.png", ["rgba.png"]),
        ("photos/*.jpg", ["broken.jpg", "turned.jpg", "wide.jpg"]),
        ("photos/**/one.*", ["a/one.png", "b/one.png"]),
        ("photos/*", ["broken.jpg", "phone.heic", "rgba.png", "sixteen.png", "turned.jpg", "wide.jpg"]),
    ],
)
def test_a_file_or_a_pattern_names_pictures(
    given: str, names: list[str], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Folder(given, root=str(photos.parent), **SMALL).names("predict") == names
    monkeypatch.chdir(photos.parent)
    assert Folder(given, **SMALL).names("predict") == names


def test_a_folder_may_have_brackets_in_its_name(photos: Path) -> None:
    holiday = photos.rename(photos.with_name("holiday [2024]"))
    assert Folder(f"{holiday}/rgba.png", **SMALL).names("predict") == ["rgba.png"]
    assert len(Folder(str(holiday), **SMALL).names("predict")) == 8


def test_a_pattern_without_a_match_is_told(photos: Path) -> None:
    with pytest.raises(DataError, match=r"No picture matches .*\*\.bmp.*quote it"):
        Folder(f"{photos}/*.bmp", **SMALL).names("predict")


def test_prediction_asks_for_no_masks(photos: Path) -> None:
    data = Folder(str(photos), "nowhere", **SMALL)
    assert len(data.names("predict")) == 8
    with pytest.raises(DataError, match=r"no folder .*nowhere"):
        data.names("val")
