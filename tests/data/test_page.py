"""Patches of a page: ink told from paper, and drawn as a pure function of seed, split and index."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from tiae_zoo.data import DataError
from tiae_zoo.data.page import PagePatches, find_page, ink_of, inked_corners, read_page

SMALL = {"num_train": 30, "num_val": 8, "num_test": 8, "batch_size": 4, "num_workers": 0}


def drawing(width: int = 160, height: int = 80) -> np.ndarray:
    """Where a page has ink, bool (height, width): strokes four pixels wide on the left half."""
    page = Image.new("1", (width, height))
    for x in range(12, width // 2, 20):
        ImageDraw.Draw(page).line([(x, 10), (x + 8, height - 10)], fill=1, width=4)
    return np.asarray(page)


def photo(ink: np.ndarray, seed: int = 0) -> np.ndarray:
    """Dark ink on bright paper, float32 in [0, 1], in light that falls to a third, with grain."""
    light = np.linspace(0.3, 0.9, ink.shape[1])
    grain = np.random.default_rng(seed).normal(0, 0.01, ink.shape)
    return (np.where(ink, 0.2, 1.0) * light + grain).clip(0, 1).astype(np.float32)


def save(pixels: np.ndarray, path: Path) -> Path:
    Image.fromarray((pixels * 255).round().astype(np.uint8)).save(path)
    return path


def test_ink_is_found_in_uneven_light() -> None:
    ink = drawing()
    found = ink_of(photo(ink))
    assert found.dtype == np.float32
    assert 0 == found.min() < found.max() == 1
    assert found[ink].mean() > 0.9
    assert (found[~ink] > 0.1).mean() < 0.005  # no threshold for the whole page does that: light falls below the ink
    dark, bright = photo(ink)[:, :20].max(), photo(ink)[:, 60:80].min()
    assert bright < dark


@pytest.mark.parametrize("page", ["dark on bright", "bright on dark"])
def test_auto_finds_out_which_is_ink(page: str) -> None:
    dark_on_bright = photo(drawing())
    grey, right, wrong = (
        (dark_on_bright, "dark", "bright") if page == "dark on bright" else (1 - dark_on_bright, "bright", "dark")
    )
    assert np.array_equal(ink_of(grey), ink_of(grey, right))
    assert not np.array_equal(ink_of(grey), ink_of(grey, wrong))
    assert ink_of(grey)[drawing()].mean() > 0.9


@pytest.mark.parametrize("power", [2, 3])
def test_auto_is_not_misled_by_light_from_one_side(power: int) -> None:
    ink = drawing(640, 160)
    light = 0.25 + 0.7 * np.linspace(0, 1, 640) ** power
    grey = (np.where(ink, 0.3, 1.0) * light).astype(np.float32)
    assert np.array_equal(ink_of(grey), ink_of(grey, "dark"))
    assert np.array_equal(ink_of(1 - grey), ink_of(1 - grey, "bright"))


def test_one_line_on_a_large_page_is_found() -> None:
    page = np.full((1000, 1000), 0.95, np.float32)
    page[500:504, 100:300] = 0.1
    assert ink_of(page)[500:504, 100:300].min() > 0.9
    assert ink_of(page).sum() == pytest.approx(800, rel=0.02)


def test_colours_and_transparency_are_read_as_grey(tmp_path: Path) -> None:
    ink = drawing()
    plain = read_page(save(photo(ink), tmp_path / "grey.png"), 32)
    pixels = (photo(ink) * 255).round().astype(np.uint8)
    Image.fromarray(np.stack([pixels] * 3 + [np.full_like(pixels, 255)], -1)).save(tmp_path / "colour.png")
    assert np.array_equal(read_page(tmp_path / "colour.png", 32), plain)


@pytest.mark.parametrize("size", [8, 32])
def test_empty_patches_are_told_as_by_looking_at_each(size: int) -> None:
    ink = ink_of(photo(drawing()))
    inked = inked_corners(ink, size)
    height, width = ink.shape
    assert inked.shape == (height - size + 1, width - size + 1)
    for top in range(0, inked.shape[0], 3):
        for left in range(inked.shape[1]):
            assert inked[top, left] == (ink[top : top + size, left : left + size].mean() >= 0.02)
    assert 0 < inked.sum() < inked.size


def test_batches_keep_the_contract(fake_data: Path) -> None:
    data = PagePatches(**SMALL)
    data.setup()
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        batch = next(iter(loader))
        assert set(batch) == {"image", "index"}
        assert batch["image"].shape == (4, 1, 32, 32)
        assert batch["image"].dtype == torch.float32
        assert 0 <= batch["image"].min() < batch["image"].max() <= 1
        assert batch["index"].dtype == torch.int64
    assert (len(data.names("train")), len(data.names("val")), len(data.names("predict"))) == (30, 8, 8)


def test_patches_are_pieces_of_the_page_and_none_is_empty() -> None:
    data = PagePatches(**SMALL | {"num_val": 40})
    pieces = data.ink[None].copy()
    windows = np.lib.stride_tricks.sliding_window_view(pieces[0], (32, 32)).reshape(-1, 32, 32)
    for sample in data.dataset("val"):
        patch = sample["image"].numpy()
        assert (windows == patch).all((1, 2)).any()
        assert patch.mean() >= 0.02


def test_patches_depend_on_seed_split_and_index_alone() -> None:
    first, again, other = (PagePatches(**SMALL, seed=seed).dataset("train") for seed in (0, 0, 1))
    backwards = [again[i]["image"] for i in reversed(range(30))][::-1]
    assert all(torch.equal(first[i]["image"], backwards[i]) for i in range(30))
    assert not all(torch.equal(first[i]["image"], other[i]["image"]) for i in range(30))
    longer = PagePatches(**SMALL | {"num_train": 99}).dataset("train")
    assert torch.equal(longer[7]["image"], first[7]["image"])
    val, test = PagePatches(**SMALL).dataset("val"), PagePatches(**SMALL).dataset("test")
    assert not all(torch.equal(val[i]["image"], test[i]["image"]) for i in range(8))


def test_a_page_is_found_in_the_working_directory_first(
    tmp_path: Path, fake_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_page("documents/page.png", fake_data) == fake_data / "documents" / "page.png"
    (tmp_path / "documents").mkdir()
    save(photo(drawing()), tmp_path / "documents" / "page.png")
    assert find_page("documents/page.png", fake_data) == Path("documents/page.png")
    with pytest.raises(DataError, match=r"There is no page .*tmp.*nowhere\.png or .*nowhere\.png"):
        find_page("nowhere.png", fake_data)


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (np.zeros((80, 80)), "Nothing on it stands out"),
        (np.full((80, 80), 0.8), "Nothing on it stands out"),
        (photo(drawing())[:20], "has 160x20 pixels, less than one patch of 32 px"),
    ],
)
def test_pages_without_patches_are_refused(pixels: np.ndarray, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told):
        read_page(save(pixels, tmp_path / "page.png"), 32)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_text("a letter to you", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as a picture"):
        read_page(tmp_path / "page.png", 32)


@pytest.mark.parametrize(
    ("options", "told"),
    [({"num_val": 0}, "at least 1"), ({"seed": -1}, "negative"), ({"ink_tone": "maybe"}, "choose one of 'auto'")],
)
def test_bad_options_are_refused(options: dict, told: str) -> None:
    with pytest.raises(DataError, match=told):
        PagePatches(**SMALL | options)
