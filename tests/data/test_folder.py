"""A user's own pictures."""

import itertools
import shutil
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.modules import MODULES, OWN, SMALL
from tests.fakes import write_folder
from tiae_zoo.data import DataError, Folder
from tiae_zoo.data.backgrounds import NoiseBackgrounds


def test_own_folder_splits_every_picture_once_and_the_same_way():
    first, again, other = Folder(**OWN, **SMALL), Folder(**OWN, **SMALL), Folder(seed=1, **OWN, **SMALL)
    splits = [first.names(split) for split in ("train", "val", "test")]
    assert [len(names) for names in splits] == [20, 2, 2]
    assert sorted(itertools.chain(*splits)) == first.names("predict")
    assert first.names("val") == again.names("val") != other.names("val")
    assert "trip/picture_000.jpg" in first.names("predict")


def test_own_folder_relative_to_working_directory_or_root(fake_data, tmp_path, monkeypatch):
    monkeypatch.chdir(fake_data / "folder")
    assert len(Folder("images", root=str(tmp_path), **SMALL).names("predict")) == 24
    with pytest.raises(DataError, match=r"no folder .*elsewhere or .*elsewhere.*--data\.images"):
        Folder("elsewhere", root=str(tmp_path), **SMALL).names("predict")


def test_few_masks_are_kept_for_scoring(tmp_path):
    folder = write_folder(tmp_path)
    for path in sorted((folder / "masks").rglob("*.png"))[3:]:
        path.unlink()
    data = Folder(**OWN, root=str(tmp_path), **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.setup()
    assert {len(data.names("val")), len(data.names("test"))} == {1, 2}
    assert all("mask" in data.dataset(split)[0] for split in ("val", "test"))
    assert len(data.names("train")) == 21
    assert "mask" not in data.dataset("train")[0]


def keep(paths, count):
    for path in sorted(paths)[count:]:
        path.unlink()


@pytest.mark.parametrize(("count", "words"), [(1, "1 picture,"), (2, "2 pictures,")])
def test_too_few_pictures_for_three_splits_are_told(count, words, tmp_path):
    keep((write_folder(tmp_path) / "images").rglob("*.*"), count)
    data = Folder("folder/images", root=str(tmp_path), **SMALL)
    with pytest.raises(DataError, match=rf"folder/images has {words} .* at least 3\. Add some, or"):
        data.setup("fit")
    assert len(data.names("predict")) == count


@pytest.mark.parametrize("fractions", [(0.1, 0.1), (0.5, 0.49), (0.01, 0.98), (0.9, 0.05)])
@pytest.mark.parametrize(("pictures", "masks"), [(3, None), (3, 3), (24, 2), (24, 24)])
def test_no_split_of_few_pictures_is_empty(pictures, masks, fractions, tmp_path):
    folder = write_folder(tmp_path)
    keep((folder / "images").rglob("*.*"), pictures)
    keep((folder / "masks").rglob("*.png"), masks or 0)
    own = OWN if masks else {"images": OWN["images"]}
    data = Folder(**own, root=str(tmp_path), val_fraction=fractions[0], test_fraction=fractions[1], **SMALL)
    sizes = [len(data.names(split)) for split in ("train", "val", "test")]
    assert min(sizes) > 0
    assert sum(sizes) == pictures


def test_a_single_mask_cannot_score_two_splits(tmp_path):
    keep((write_folder(tmp_path) / "masks").rglob("*.png"), 1)
    with pytest.raises(
        DataError,
        match=r"masks has 1 mask for the 24 pictures.*at least 2\. .*--config configs/presets/unlabelled\.yaml",
    ):
        Folder(**OWN, root=str(tmp_path), **SMALL).setup("fit")


def test_masks_that_match_no_picture_are_told(tmp_path):
    folder = write_folder(tmp_path)
    for path in (folder / "masks").rglob("*.png"):
        path.rename(path.with_name(f"mask_{path.name}"))
    with pytest.raises(
        DataError, match=r"None of the 24 pictures .* has a mask in .*picture_\d+\.png.*unlabelled\.yaml"
    ):
        Folder(**OWN, root=str(tmp_path), **SMALL).setup("fit")


def test_masks_within_the_pictures_folder_are_no_pictures(tmp_path):
    folder = write_folder(tmp_path)
    shutil.move(folder / "masks", folder / "images" / "masks")
    data = Folder("folder/images", "folder/images/masks", root=str(tmp_path), **SMALL)
    assert len(data.names("predict")) == 24
    assert "mask" in data.dataset("val")[0]


def test_folders_split_already(tmp_path):
    source = write_folder(tmp_path)
    for split in ("train", "val"):
        shutil.copytree(source, tmp_path / "own" / split)
    data = Folder("own/{split}/images", "own/{split}/masks", root=str(tmp_path), **SMALL)
    data.setup("fit")
    assert [len(data.names(split)) for split in ("train", "val")] == [24, 24]
    with pytest.raises(DataError, match=r"no folder .*test"):
        data.setup("test")


def test_depths_keep_their_proportion(fake_data):
    data = MODULES["depths"](resize="nearest", image_size=48)
    dataset = data.dataset("predict")
    with Image.open(fake_data / "depths" / data.names("predict")[0]) as file:
        millimetres = np.asarray(file)[4:52]
    assert dataset[0]["image"].shape == (3, 1, 48, 48)
    assert np.abs(dataset[0]["image"][1, 0].numpy() - millimetres / 2000).max() < 0.003
    others = MODULES["depths"](value_range=(500, 1500), resize="nearest", image_size=48)
    expected = ((millimetres - 500.0) / 1000).clip(0, 1)
    assert np.abs(others.dataset("predict")[0]["image"][1, 0].numpy() - expected).max() < 0.003


def test_depths_of_an_unknown_range_are_not_taken_as_black():
    with pytest.raises(DataError, match=r"nearly black.*--data\.value_range '\[0, 4000\]' for depths in millim"):
        MODULES["depths"](value_range=None).setup("fit")
    MODULES["depths"](value_range=(0, 65535)).setup("fit")


def test_grey_pictures_keep_their_masks():
    grey, colour = Folder(channels=1, **OWN, **SMALL).dataset("test"), Folder(**OWN, **SMALL).dataset("test")
    for a, b in zip(grey, colour, strict=True):
        luma = (b["image"] * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)
        assert torch.allclose(a["image"][0], luma, atol=0.01)
        assert torch.equal(a["mask"], b["mask"])


def test_masks_are_no_pictures_however_their_folder_is_named(tmp_path):
    source = write_folder(tmp_path)
    shutil.move(source / "masks", source / "images" / "masks")
    data = Folder(str(source / "images"), "folder/images/masks", root=str(tmp_path), **SMALL)
    assert len(data.names("predict")) == 24


def test_pictures_may_lie_among_the_masks(tmp_path):
    source = write_folder(tmp_path)
    shutil.move(source / "images", source / "masks" / "images")
    data = Folder("folder/masks/images", "folder/masks", root=str(tmp_path), **SMALL)
    assert len(data.names("predict")) == 24


def test_masks_and_backgrounds_exclude_each_other():
    with pytest.raises(DataError, match=r"--data\.backgrounds null"):
        Folder(**OWN, backgrounds=NoiseBackgrounds(), **SMALL)


def test_two_channels_are_refused():
    with pytest.raises(DataError, match="neither 1"):
        Folder("images", channels=2)
