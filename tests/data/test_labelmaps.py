"""Label maps as images of one channel a class."""

import itertools

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from tests.data.modules import MODULES, SMALL
from tests.fakes import write_depths, write_grasps, write_lfw
from tiae_zoo.__main__ import main
from tiae_zoo.data import DataError, LFWParts, MaskFolder
from tiae_zoo.data.labelmaps import LabelRule, find_classes
from tiae_zoo.data.lfw import person_split

NUMBERS = np.array([[0, 1, 2, 7]], np.uint8)
RED, LIME = (255, 0, 0), (0, 255, 0)
COLOURS = np.array([[(0, 0, 0), RED, LIME, (0, 0, 255)]], np.uint8)


def in_palette(numbers, palette):
    label_map = Image.fromarray(numbers)
    label_map.putpalette(palette)
    return label_map


def draw(rule, label_map):
    """Channels (C, W) of a map that is one pixel high."""
    tall = label_map.resize((label_map.width, label_map.width), Image.Resampling.NEAREST)
    return (rule(tall, label_map.width, "antialias")[:, 0] // 255).tolist()


@pytest.mark.parametrize(
    "label_map",
    [
        Image.fromarray(NUMBERS),
        Image.fromarray(NUMBERS.astype(np.uint16)),
        Image.fromarray(NUMBERS).convert("RGB"),
        Image.fromarray(NUMBERS).convert("LA"),
        in_palette(NUMBERS, list(range(24))),
    ],
    ids=["grey", "16 bits", "grey in three bands", "grey and opaque", "palette"],
)
def test_numbers_are_those_of_the_pixels(label_map):
    assert draw(LabelRule((2, 1)), label_map) == [[0, 0, 1, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize(
    "label_map",
    [
        Image.fromarray(COLOURS),
        Image.fromarray(COLOURS).convert("RGBA"),
        in_palette(np.array([[0, 1, 2, 3]], np.uint8), COLOURS.ravel().tolist()),
    ],
    ids=["colours", "opaque", "palette"],
)
def test_colours_are_those_one_sees(label_map):
    assert draw(LabelRule((RED, LIME)), label_map) == [[0, 1, 0, 0], [0, 0, 1, 0]]


def most_frequent(numbers, block):
    """The slow way: count in every block; ties are left out."""
    size = len(numbers) // block
    result = np.full((size, size), -1)
    for row, column in itertools.product(range(size), range(size)):
        part = numbers[row * block : (row + 1) * block, column * block : (column + 1) * block]
        counts = np.bincount(part.ravel(), minlength=4)
        if (counts == counts.max()).sum() == 1:
            result[row, column] = counts.argmax()
    return result


def test_a_small_pixel_belongs_to_what_covers_most_of_it():
    """Blocks with a margin of their own class, as far as the filter reaches: then it must find the majority."""
    rng = np.random.default_rng(0)
    numbers = np.kron(rng.integers(0, 4, (8, 8)), np.ones((8, 8), int)).astype(np.uint8)
    spots = rng.random(numbers.shape) < 0.2
    numbers[spots] = rng.integers(0, 4, spots.sum())
    expected = most_frequent(numbers, 8)
    channels = LabelRule((1, 2, 3))(Image.fromarray(numbers), 8, "antialias")
    assert set(np.unique(channels)) == {0, 255}
    assert (channels > 0).sum(axis=0).max() == 1
    found = np.concatenate([channels.max(axis=0, keepdims=True) == 0, channels > 0]).argmax(axis=0)
    assert (found == expected).mean() > 0.95


def test_with_nearest_the_nearest_pixel_decides():
    numbers = np.random.default_rng(0).integers(0, 3, (32, 32)).astype(np.uint8)
    channels = LabelRule((1, 2))(Image.fromarray(numbers), 16, "nearest")
    small = np.asarray(Image.fromarray(numbers).resize((16, 16), Image.Resampling.NEAREST))
    assert np.array_equal(channels, np.stack([small == 1, small == 2]) * 255)


def test_three_thin_classes_leave_no_gap():
    """Thirds of a pixel each: none has a half of it, but it is not empty."""
    numbers = np.tile(np.repeat([1, 2, 3], 2), (24, 4)).astype(np.uint8)
    assert (LabelRule((1, 2, 3))(Image.fromarray(numbers), 4, "antialias") > 0).any(axis=0).all()


def test_images_are_zeros_and_ones_in_one_channel_at_most():
    for kind in ("lfw parts", "grasps"):
        images = torch.stack([sample["image"] for sample in MODULES[kind]().dataset("train")])
        assert images.unique().tolist() == [0, 1]
        assert images.sum(1).max() == 1


def test_parts_of_faces_are_hair_above_face():
    images = torch.stack([sample["image"] for sample in MODULES["lfw parts"]().dataset("train")]).mean(0)
    rows = torch.arange(32.0)[:, None]
    hair, face = ((rows * channel).sum() / channel.sum() for channel in images)
    assert hair < face


def test_nobody_is_in_two_splits():
    data = MODULES["lfw parts"]()
    persons = [{name.rpartition("_")[0] for name in data.names(split)} for split in ("train", "val", "test")]
    assert all(persons)
    assert not any(a & b for a, b in itertools.combinations(persons, 2))
    assert sum(len(data.names(split)) for split in ("train", "val", "test")) == 12
    shares = [[person_split(f"Name_{i}") for i in range(1000)].count(split) for split in ("train", "val", "test")]
    assert shares[0] == pytest.approx(800, abs=40)
    assert shares[1] == pytest.approx(100, abs=30)


def test_parts_need_no_photos_and_say_what_is_missing(tmp_path):
    folder = write_lfw(tmp_path)
    for photo in folder.rglob("*.jpg"):
        photo.unlink()
    LFWParts(root=str(tmp_path), **SMALL).setup()
    with pytest.raises(DataError, match=r"Missing LFW part labels.*place a copy of parts_lfw_funneled_gt_images\.tgz"):
        LFWParts(root=str(tmp_path / "empty"), **SMALL).setup("fit")


def test_own_label_maps_split_once_and_the_same_way():
    first, again, other = (MODULES["grasps"](seed=seed) for seed in (0, 0, 1))
    splits = [first.names(split) for split in ("train", "val", "test")]
    assert [len(names) for names in splits] == [20, 2, 2]
    assert sorted(itertools.chain(*splits)) == first.names("predict")
    assert first.names("val") == again.names("val") != other.names("val")


def test_folders_split_already(tmp_path):
    for split in ("train", "val", "test"):
        write_grasps(tmp_path / split, count=4)
    data = MaskFolder("{split}/grasps", root=str(tmp_path), **SMALL)
    data.setup()
    assert [len(data.names(split)) for split in ("train", "val", "test")] == [4, 4, 4]


def test_classes_are_found_in_the_files():
    found, named = MODULES["grasps as found"](), MODULES["grasps"]()
    assert found.channels == 2  # before anything was loaded
    for split in ("train", "test"):
        for a, b in zip(found.dataset(split), named.dataset(split), strict=True):
            assert torch.equal(a["image"], b["image"])
    assert found.classes == {"1": 1, "2": 2}


def save(folder, *label_maps):
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, label_map in enumerate(label_maps):
        paths.append(folder / f"map_{i:03d}.png")
        (label_map if isinstance(label_map, Image.Image) else Image.fromarray(label_map)).save(paths[-1])
    return paths


def test_found_classes_are_named_by_what_they_are(tmp_path):
    assert find_classes(save(tmp_path, NUMBERS)) == {"1": 1, "2": 2, "7": 7}
    assert find_classes(save(tmp_path, NUMBERS * 0, NUMBERS % 2 * 255)) == {"255": 255}
    blank = np.zeros((1, 4, 3), np.uint8)
    assert find_classes(save(tmp_path, blank, COLOURS)) == {
        "#0000ff": (0, 0, 255),
        "#00ff00": (0, 255, 0),
        "#ff0000": (255, 0, 0),
    }


@pytest.mark.parametrize(
    ("label_maps", "reason"),
    [
        ([NUMBERS * 0], "all their pixels are 0"),
        ([NUMBERS + 1], "no black"),
        ([np.array([[0, 1, 255]], np.uint8)], "255 may be a class or mean"),
        ([np.arange(100, dtype=np.uint8)[None]], "they hold more than 32 values, as photos do"),
        ([in_palette(NUMBERS, [0, 0, 0, *RED]), in_palette(NUMBERS, [0, 0, 0, *LIME])], "palettes differ"),
    ],
)
def test_what_a_class_is_must_be_clear(label_maps, reason, tmp_path):
    with pytest.raises(DataError, match=rf"not clear: .*{reason}.*--data\.classes '\{{cup: 1"):
        find_classes(save(tmp_path, *label_maps))


def test_a_value_that_only_later_files_hold_is_told(tmp_path):
    square = np.kron(NUMBERS[:, :2], np.ones((8, 4), np.uint8))
    save(tmp_path / "train", *[square] * 64, square * 3)
    save(tmp_path / "val", square)
    data = MaskFolder("{split}", root=str(tmp_path), **SMALL)
    with pytest.raises(DataError, match=r"holds 3, but the first 64 hold none but 1\. Name all classes"):
        data.setup("fit")


def test_a_class_that_is_nowhere_is_told():
    with pytest.raises(DataError, match=r"No training picture shows cup = 3; the first of them hold 0.*\. Correct"):
        MODULES["grasps"](classes={"hand": 1, "cup": 3}).setup("fit")


def test_a_class_that_is_nowhere_is_told_of_maps_whose_palettes_differ(tmp_path):
    square = np.kron(NUMBERS, np.ones((8, 4), np.uint8))
    save(tmp_path / "maps", *[in_palette(square, [0, 0, 0, *colour]) for colour in (RED, LIME) for _ in range(4)])
    with pytest.raises(DataError, match=r"No training picture shows cup = 9; the first of them hold 0"):
        MaskFolder("maps", {"hand": 1, "cup": 9}, root=str(tmp_path), **SMALL).setup("fit")


def test_numbers_for_coloured_maps_are_told(tmp_path):
    save(tmp_path / "maps", *[np.kron(COLOURS, np.ones((8, 2, 1), np.uint8))] * 4)
    with pytest.raises(DataError, match=r"in colour, but --data\.classes gives numbers"):
        MaskFolder("maps", {"hand": 1}, root=str(tmp_path), **SMALL).setup("fit")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MaskFolder("x", {}), "names no class"),
        (lambda: MaskFolder("x", {"a": 1, "b": (0, 0, 9)}), "mixes numbers and colours"),
        (lambda: MaskFolder("x", {"a": 1, "b": 1}), "two classes the same value"),
        (lambda: MaskFolder("x", {"a": (0, 0, 256)}), "not three numbers from 0 to 255"),
        (lambda: MaskFolder("x", val_fraction=0.9, test_fraction=0.1), "leave a split empty"),
        (lambda: MaskFolder("nowhere").setup("fit"), r"no folder .*nowhere.*--data\.folder .*label maps"),
    ],
)
def test_impossible_arguments_are_refused(make, words):
    with pytest.raises(DataError, match=words):
        make()


@pytest.mark.parametrize("kind", ["grasps", "depths"])
def test_files_that_are_all_damaged_are_told(kind, tmp_path):
    for path in (*write_grasps(tmp_path).rglob("*.png"), *write_depths(tmp_path).rglob("*.png")):
        path.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"None of the 20 images of (maskfolder|folder) can be read"):
        MODULES[kind](root=str(tmp_path)).dataset("train")


def test_too_few_label_maps_are_told(tmp_path):
    write_grasps(tmp_path, count=2)
    with pytest.raises(DataError, match=r"grasps has 2 pictures, .*at least 3\. .*\{split\} in --data\.folder"):
        MaskFolder("grasps", root=str(tmp_path), **SMALL).setup("fit")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no label maps in .*empty\. Copy some"):
        MaskFolder("empty", root=str(tmp_path), **SMALL).setup("fit")


@pytest.mark.parametrize(
    ("given", "classes"),
    [("{hand: 1, object: 2}", {"hand": 1, "object": 2}), ("{hand: [255, 0, 0]}", {"hand": [255, 0, 0]})],
)
def test_classes_are_given_on_the_command_line(given, classes, capsys):
    choice = ["--data", "MaskFolder", "--data.folder", "grasps", "--data.classes", given]
    assert main(["fit", "--model", "ShiftInvariantAE", *choice, "--print_config"]) == 0
    parsed = yaml.safe_load(capsys.readouterr().out)["data"]["init_args"]
    assert parsed["classes"] == classes
    assert MODULES["grasps"](classes=parsed["classes"]).dataset("train")[0]["image"].shape[0] == len(classes)
