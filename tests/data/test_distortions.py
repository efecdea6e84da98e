"""Distorted digits: pure functions of seed and index, and what each distortion promises."""

import struct
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from scipy.ndimage import find_objects, label, map_coordinates

from tiae_zoo.data import ClutteredMNIST, DataError, DistortedMNIST
from tiae_zoo.data.digits import SIDE
from tiae_zoo.data.distortions import CENTRE, DISTORTIONS

SIZES = {
    "rotated": 28,
    "rotated_scaled_translated": 42,
    "projected": 42,
    "elastic": 28,
    "translated": 60,
    "cluttered": 60,
}


def ring() -> np.ndarray:
    """A digit that looks the same when turned: a ring of radius 8."""
    y, x = np.mgrid[:SIDE, :SIDE] - CENTRE
    return 255 * np.exp(-(((np.hypot(x, y) - 8) / 2) ** 2))


@pytest.mark.parametrize("name", SIZES)
def test_pictures_are_functions_of_seed_and_index(name: str) -> None:
    how = {"distortion": name, "image_size": SIZES[name], "source": "digits"}
    one, two, other = (DistortedMNIST(**how, seed=seed).dataset("test") for seed in (0, 0, 1))
    for index in (0, 5):
        assert one[index]["image"].shape == (1, SIZES[name], SIZES[name])
        assert one[index]["image"].min() >= 0
        assert one[index]["image"].max() <= 1
        assert one[index]["label"] == other[index]["label"]
        assert torch.equal(one[index]["image"], two[index]["image"])
        assert not torch.equal(one[index]["image"], other[index]["image"])


def test_turning_keeps_a_ring() -> None:
    for seed in range(5):
        places = DISTORTIONS["rotated"](np.random.default_rng(seed), SIDE).transpose(2, 0, 1)
        np.testing.assert_allclose(map_coordinates(ring(), places, order=1), ring(), atol=20)


def test_angles_scales_and_places_are_the_papers() -> None:
    rng = np.random.default_rng(0)
    found = {}
    for name in ("rotated", "rotated_scaled_translated"):
        rows = []
        for grid in (DISTORTIONS[name](rng, 42) for _ in range(400)):
            across = grid[0, 1] - grid[0, 0]  # of the digit, a pixel to the right
            turn = np.stack([grid[1, 0] - grid[0, 0], across], 1)
            scale = 1 / np.hypot(*across)
            off = np.linalg.solve(turn, CENTRE - grid[0, 0]) - 20.5  # the digit's centre from that of the picture
            room = (42 - 28 * scale) / 2
            rows.append([np.rad2deg(np.arctan2(*across)), scale, *off, *off / room])
        found[name] = np.min(rows, 0), np.max(rows, 0)
    np.testing.assert_allclose(np.transpose(found["rotated"])[:4], [(-90, 90), (1, 1), (0, 0), (0, 0)], atol=2)
    angles, scales, _, _, *places = np.transpose(found["rotated_scaled_translated"])
    np.testing.assert_allclose(angles, (-45, 45), atol=2)
    np.testing.assert_allclose(scales, (0.7, 1.2), atol=0.02)
    np.testing.assert_allclose(places, [(-1, 1), (-1, 1)], atol=0.03)  # anywhere, but whole when upright


def test_translated_digits_are_whole_and_everywhere() -> None:
    corners = []
    for seed in range(300):
        grid = DISTORTIONS["translated"](np.random.default_rng(seed), 60)
        inside = ((grid >= -0.5) & (grid <= SIDE - 0.5)).all(2)
        assert inside.sum() == SIDE**2
        assert np.allclose(grid, np.rint(grid))
        corners.append(np.argwhere(inside)[0])
    assert np.min(corners) == 0
    assert np.max(corners) == 60 - SIDE


def test_projections_keep_lines_straight_and_are_no_affine_maps() -> None:
    bends = []
    for seed in range(20):
        grid = DISTORTIONS["projected"](np.random.default_rng(seed), 42)[14:28, 14:28]
        if (grid == -SIDE).any():  # seen from behind: nothing
            continue
        ends, middle = (grid[0, 0], grid[-1, -1]), grid[6, 6]
        (a, b), (c, d) = ends[1] - ends[0], middle - ends[0]
        assert abs(a * d - b * c) < 1e-6 * np.square(ends[1] - ends[0]).sum()
        bends.append(np.linalg.norm(grid[0, 0] + grid[-1, -1] - grid[0, -1] - grid[-1, 0]))
    assert len(bends) > 10
    assert np.median(bends) > 0.5


def test_elastic_moves_of_control_points_are_about_one_and_a_half_pixels_of_a_scaled_digit() -> None:
    points = np.stack(np.meshgrid(*[np.linspace(0, SIDE - 1, 4)] * 2, indexing="ij"), -1) - CENTRE
    scales, moves = [], []
    for seed in range(400):
        grid = DISTORTIONS["elastic"](np.random.default_rng(seed), SIDE)[::9, ::9] - CENTRE
        scales.append(np.random.default_rng(seed).uniform(0.75, 1.0))
        moves.append(scales[-1] * grid - points)  # in the picture, on which the digit is that much smaller
    assert np.std(moves) == pytest.approx(1.5, rel=0.03)
    assert np.abs(np.mean(moves, 0)).max() < 0.4  # no scale is left in them
    assert np.mean(scales) == pytest.approx(0.875, abs=0.02)


@dataclass
class Painted:
    """Digits painted for a test, in place of a store."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def test_clutter_adds_pieces_to_the_translated_digit() -> None:
    names = ("translated", "cluttered")
    datasets = [DistortedMNIST(name, image_size=60, source="digits").dataset("test") for name in names]
    plain, cluttered = (dataset[3]["image"] for dataset in datasets)
    assert (cluttered >= plain).all()
    assert ((cluttered > 0) & (plain == 0)).any()


def test_clutter_is_sixteen_pieces_of_six_pixels() -> None:
    dataset = DistortedMNIST("cluttered", image_size=600, source="digits").dataset("test")
    white = np.full((1000, 1, SIDE, SIDE), 255, np.uint8)
    white[0] = 0  # the digit itself is not to be seen, and on such a large picture no pieces meet
    dataset.digits = Painted(white, np.zeros(1000, np.int64))  # type: ignore[attr-defined]
    pieces, count = label(dataset[0]["image"][0].numpy() == 1)
    assert count == 16
    assert [(rows.stop - rows.start, cols.stop - cols.start) for rows, cols in find_objects(pieces)] == [(6, 6)] * 16


def test_several_digits_read_from_left_to_right(monkeypatch: pytest.MonkeyPatch) -> None:
    data = DistortedMNIST(num_digits=3, image_size=100, source="digits")
    batch = next(iter(data.test_dataloader()))
    assert batch["label"].shape == (20, 3)
    assert batch["label"].dtype == torch.int64
    dataset = data.dataset("test")
    dots = np.zeros((10, 1, SIDE, SIDE), np.uint8)
    dots[:, 0, SIDE // 2, SIDE // 2] = 20 * np.arange(1, 11)  # each digit is a dot of its own brightness
    monkeypatch.setattr(dataset, "digits", Painted(dots, np.arange(10)))
    monkeypatch.setattr(dataset, "labels", np.arange(10))
    monkeypatch.setattr(dataset, "clutter", lambda *how: None)
    for index in range(20):
        picture = 255 * dataset[index]["image"][0]
        columns, rows = picture.T.nonzero().T  # from left to right
        assert (picture[rows, columns] / 20 - 1).round().tolist() == dataset[index]["label"].tolist()
        assert dataset[index]["label"][0] == index % 10
        assert columns.diff().tolist() == [22, 22]
        assert rows.diff().abs().max() <= 22 + 1  # rounding


def test_more_training_pictures_than_digits_are_other_pictures_of_the_same_digits() -> None:
    data = DistortedMNIST("rotated", num_train=3000, source="digits")
    dataset = data.dataset("train")
    assert len(dataset) == 3000
    assert len(data.dataset("test")) == 297
    first, again = dataset[0], dataset[1300]
    assert first["label"] == again["label"]
    assert not torch.equal(first["image"], again["image"])
    assert len(dataset.names) == len(set(dataset.names)) == 3000


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"distortion": "elastc"}, "elastic"),
        ({"num_digits": 3, "image_size": 50}, "do not fit into 50 px"),
        ({"image_size": 20}, "do not fit into 20 px"),
        ({"distortion": "translated"}, "Give a larger image_size; the paper's is 60"),
        ({"distortion": "cluttered"}, "Give a larger image_size; the paper's is 60"),
        ({"seed": -1}, "seed=-1 is negative"),
        ({"num_train": 0}, "num_train=0 is too small"),
    ],
)
def test_what_cannot_be_drawn_is_refused(how: dict[str, object], told: str) -> None:
    with pytest.raises(DataError, match=told):
        DistortedMNIST(**how)  # type: ignore[arg-type]


def test_the_public_file_is_read_in_its_three_parts() -> None:
    data = ClutteredMNIST(batch_size=4, num_workers=0)
    assert [len(data.dataset(split)) for split in ("train", "val", "test", "predict")] == [24, 8, 8, 8]
    sample = data.dataset("test")[0]
    assert sample["image"].shape == (1, 40, 40)
    assert 0 <= sample["label"] < 10


def test_another_file_under_its_name_is_told(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "mnist_cluttered"
    folder.mkdir()
    (folder / "mnist_sequence1_sample_5distortions5x5.npz").write_bytes(b"not an archive")
    with pytest.raises(DataError, match="cannot be read"):
        ClutteredMNIST(root=str(tmp_path)).dataset("test")


def test_a_damaged_public_file_is_told(tmp_path: Path, fake_data: Path) -> None:
    path = tmp_path / "mnist_cluttered" / "mnist_sequence1_sample_5distortions5x5.npz"
    path.parent.mkdir()
    with np.load(fake_data / "mnist_cluttered" / path.name) as arrays:
        np.savez_compressed(path, **arrays)
    content = bytearray(path.read_bytes())
    with ZipFile(path) as archive:
        for member in archive.infolist():  # the first compressed byte of each: behind header, name and extra field
            start = member.header_offset
            lengths = struct.unpack_from("<HH", content, start + 26)
            content[start + 30 + sum(lengths)] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        ClutteredMNIST(root=str(tmp_path)).dataset("test")
