"""Masks that are missing, partly there, or read by a wrong rule."""

import shutil

import numpy as np
import pytest
from PIL import Image

from tests.data.modules import MODULES, OWN, SMALL
from tests.fakes import write_cub, write_flowers, write_folder, write_lfw
from tiae_zoo.data import CUB, LFW, DataError, Flowers, Folder


def test_without_masks_fitting_fails_at_once_and_says_the_ways_on(tmp_path):
    folder = write_cub(tmp_path)
    shutil.rmtree(folder / "CUB_200_2011" / "segmentations")
    for stage in ("fit", "validate", "test"):
        data = CUB(root=str(tmp_path), **SMALL)
        with pytest.raises(DataError) as caught:
            data.setup(stage)
        message = str(caught.value)
        for part in (
            "bird masks",
            str(folder),
            "segmentations.tgz",
            "--data.download true",
            "--data.with_masks false --config configs/presets/unlabelled.yaml.",
        ):
            assert part in message
    data = CUB(root=str(tmp_path), **SMALL)
    data.setup("predict")
    assert set(data.dataset("predict")[0]) == {"image", "index", "size", "problem"}
    data = CUB(root=str(tmp_path), with_masks=False, **SMALL)
    data.setup()
    assert all("mask" not in data.dataset(split)[0] for split in ("train", "val", "test"))


def test_masks_that_cannot_be_downloaded_leave_the_way_without_them(tmp_path):
    (write_lfw(tmp_path) / "parts_lfw_funneled_gt_images.tgz").unlink()
    with pytest.raises(DataError, match=r"LFW part labels.*no longer be downloaded.*--data\.with_masks false --config"):
        LFW(root=str(tmp_path), download=True, **SMALL).prepare_data()
    data = LFW(root=str(tmp_path), download=True, with_masks=False, **SMALL)
    data.prepare_data()
    data.setup()
    assert "mask" not in data.dataset("test")[0]


def test_partly_masked_flowers_are_scored_on_what_has_masks(tmp_path):
    folder = write_flowers(tmp_path)
    masks = sorted((folder / "segmim").iterdir())
    keep = {f"segmim{MODULES['flowers'](root=str(tmp_path)).names('val')[0].removeprefix('image')}.jpg"}
    for path in masks[::2]:
        if path.name not in keep:
            path.unlink()
    data = Flowers(root=str(tmp_path), **SMALL)
    with pytest.warns(UserWarning, match=r"of 6 images of flowers/val have no mask and are left out: image_"):
        data.setup("fit")
    assert 0 < len(data.names("val")) < 6
    assert len(data.names("train")) == 24
    assert "mask" not in data.dataset("train")[0]
    for path in masks:
        path.unlink(missing_ok=True)
    with pytest.raises(
        DataError, match=r"None of the 6 images of flowers/val has a mask.*segmim_\d+\.jpg.*102segmentations"
    ):
        Flowers(root=str(tmp_path), **SMALL).setup("fit")


def test_ignored_and_indexed_masks(tmp_path):
    folder = write_folder(tmp_path)
    for path in (folder / "masks").rglob("*.png"):
        mask = np.asarray(Image.open(path)).copy()
        mask[:8] = 128
        Image.fromarray(mask).save(path)
    judged = Folder(**OWN, root=str(tmp_path), ignore_value=128, **SMALL).dataset("val")[0]["mask"]
    assert set(judged.unique().tolist()) == {0, 1, 255}
    for path in (folder / "masks").rglob("*.png"):
        mask = np.asarray(Image.open(path))
        Image.fromarray(np.where(mask == 255, 2, mask // 128).astype(np.uint8)).save(path)
    indexed = Folder(**OWN, root=str(tmp_path), mask_rule="index", num_classes=3, **SMALL)
    assert set(indexed.dataset("val")[0]["mask"].unique().tolist()) == {0, 1, 2}
    with pytest.raises(DataError, match="num_classes"):
        Folder(**OWN, root=str(tmp_path), mask_rule="index", **SMALL).setup("fit")


def rewrite_masks(folder, change):
    for path in folder.rglob("*.png"):
        Image.fromarray(change(np.asarray(Image.open(path)))).save(path)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda mask: mask // 255, "background alone"),  # region numbers
        (lambda mask: np.dstack([mask * 0, mask * 0, mask * 0, mask]), "background alone"),  # drawn in transparency
        (lambda mask: np.dstack([mask * 0 + 255] * 3 + [mask]), "no background"),
        (lambda mask: mask * 0 + 128, "nothing that is judged"),
    ],
)
def test_masks_read_by_a_wrong_rule_are_refused_and_not_kept(change, shown, tmp_path, own_cache):
    rewrite_masks(write_folder(tmp_path) / "masks", change)
    for _ in range(2):
        with pytest.raises(DataError, match=rf"All masks of folder/val show {shown}.* --data\.mask_rule index"):
            Folder(**OWN, root=str(tmp_path), ignore_value=128, **SMALL).setup("fit")
    assert not [path for path in own_cache.iterdir() if path.is_dir()]


def test_masks_of_region_numbers_are_read_as_the_error_says(tmp_path):
    rewrite_masks(write_folder(tmp_path) / "masks", lambda mask: mask // 255)
    mask = Folder(**OWN, root=str(tmp_path), mask_rule="index", **SMALL).dataset("val")[0]["mask"]
    assert mask.unique().tolist() == [0, 1]


def test_official_masks_without_foreground_are_refused(tmp_path):
    rewrite_masks(write_cub(tmp_path) / "CUB_200_2011" / "segmentations", lambda mask: mask * 0)
    with pytest.raises(DataError, match=r"All masks of cub/val show background alone.*fetch them again"):
        CUB(root=str(tmp_path), **SMALL).setup("fit")
