"""What lies behind objects: the same wherever it is drawn, and never a photo of another split."""

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torchvision.transforms import v2

from tests.data.modules import OWN, SMALL
from tests.fakes import write_rooms
from tiae_zoo.__main__ import main
from tiae_zoo.data import MNIST, DataError, Folder
from tiae_zoo.data.backgrounds import NoiseBackgrounds, PhotoBackgrounds
from tiae_zoo.data.seeding import SPLIT_CODE

KINDS = {"noise": NoiseBackgrounds, "photos": lambda **k: PhotoBackgrounds("rooms", **k), "sample": PhotoBackgrounds}


def digits(backgrounds, **options):
    return MNIST(source="digits", backgrounds=backgrounds, **SMALL | options)


def drawn(data, split, indices):
    return torch.stack([sample["background"] for sample in data.dataset(split).__getitems__(list(indices))])


@pytest.mark.parametrize("kind", KINDS)
def test_a_background_depends_on_seed_split_and_index_alone(kind):
    first, again, other = (digits(KINDS[kind](seed=seed)) for seed in (0, 0, 1))
    together = drawn(first, "train", range(8))
    assert torch.equal(together, drawn(again, "train", [7, 3, 0, 1, 2, 4, 5, 6])[[2, 3, 4, 1, 5, 6, 7, 0]])
    assert torch.equal(together[3], again.dataset("train")[3]["background"])
    assert torch.equal(first.dataset("train")[-1]["background"], drawn(first, "train", [1299])[0])
    assert len({picture.numpy().tobytes() for picture in together}) == 8
    for unlike in (drawn(other, "train", range(8)), drawn(first, "val", range(8)), drawn(first, "test", range(8))):
        assert not torch.isclose(together, unlike).all(dim=(1, 2, 3)).any()


def test_noise_is_uniform_in_every_channel():
    noise = drawn(Folder(backgrounds=NoiseBackgrounds(), images=OWN["images"], **SMALL), "train", range(20))
    assert noise.shape == (20, 3, 32, 32)
    levels = torch.histc(noise, 10, 0, 1) / noise.numel()
    assert torch.allclose(levels, torch.full((10,), 0.1), atol=0.01)
    assert torch.corrcoef(noise.transpose(0, 1).reshape(3, -1)).triu(1).abs().max() < 0.02


def test_noise_is_that_of_the_plain_generator():
    expected = np.random.default_rng((5, SPLIT_CODE["val"], 7)).random((1, 32, 32), np.float32)
    assert np.array_equal(digits(NoiseBackgrounds(5)).dataset("val")[7]["background"], expected)


def test_pieces_are_cut_from_the_photos_as_they_are(fake_data):
    """Photos as high as `photo_size` are not scaled: every piece must lie somewhere in one, or in its mirror image."""
    data = Folder(
        backgrounds=PhotoBackgrounds("rooms", photo_size=60), images=OWN["images"], **SMALL | {"image_size": 16}
    )
    photos = [np.asarray(Image.open(path))[:, 10:70] for path in sorted((fake_data / "rooms" / "test").rglob("*.png"))]
    windows = {
        np.ascontiguousarray(view[top : top + 16, left : left + 16]).tobytes()
        for photo in photos
        for view in (photo, photo[:, ::-1])
        for top in range(45)
        for left in range(45)
    }
    pieces = (drawn(data, "test", range(2)) * 255).round().byte().permute(0, 2, 3, 1).contiguous()
    assert all(piece.numpy().tobytes() in windows for piece in pieces)


def test_pieces_come_from_everywhere(tmp_path):
    """Each pixel of the only photos says where it is."""
    across = np.broadcast_to(np.arange(64, dtype=np.uint8), (64, 64))
    (tmp_path / "own" / "train").mkdir(parents=True)
    (tmp_path / "own" / "test").mkdir()
    for name, pixels in (("0 across", across), ("1 validates", across), ("2 down", across.T)):
        Image.fromarray(pixels).save(tmp_path / "own" / "train" / f"{name}.png")
    data = digits(PhotoBackgrounds("own", photo_size=64), root=str(tmp_path))
    pieces = (drawn(data, "train", range(1300)) * 255).round().int()[:, 0]
    along, down = pieces[:, 0, 1] - pieces[:, 0, 0], pieces[:, 1, 0] - pieces[:, 0, 0]
    assert {-1, 0, 1} == set(along.tolist())
    assert {0, 1} == set(down.tolist())  # flipped from left to right, never upside down
    for towards, first in ((along == 1, 0), (down == 1, 0), (along == -1, 31)):
        corners = pieces[towards][:, 0, 0] - first
        assert corners.min() == 0
        assert corners.max() == 32


def test_grey_images_have_grey_backgrounds(fake_data):
    options = SMALL | {"image_size": 60}
    photos = PhotoBackgrounds("rooms", photo_size=60)
    colour = drawn(Folder(backgrounds=photos, images=OWN["images"], **options), "test", [0])[0]
    grey = drawn(MNIST(source="digits", backgrounds=photos, **options), "test", [0])[0]
    luma = (colour * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True)
    assert torch.allclose(grey, luma, atol=0.01)


def names(data, split):
    return {name.rpartition("rooms/")[2] for name in data.dataset(split).draw.keywords["photos"].names}


@pytest.mark.parametrize("divided", [True, False])
def test_no_photo_serves_two_splits(divided, tmp_path):
    folder = write_rooms(tmp_path)
    if not divided:
        (folder / "test").rename(folder / "hidden rooms")
    data = digits(PhotoBackgrounds("rooms"), root=str(tmp_path))
    train, val, test = (names(data, split) for split in ("train", "val", "test"))
    assert not train & val
    assert not train & test
    assert not val & test
    if divided:
        assert (len(train), len(val)) == (10, 2)
        assert test == {"test/hall/room_000.png", "test/room_001.png", "test/room_002.png"}
        assert drawn(data, "test", range(8)).max() < 0.5 < drawn(data, "val", range(8)).min()
    else:
        assert (len(train), len(val), len(test)) == (11, 2, 2)


def test_photos_inside_scikit_learn_are_split_by_columns():
    data = digits(PhotoBackgrounds(photo_size=64))
    kept = {split: data.dataset(split).draw.keywords["photos"] for split in ("train", "val", "test")}
    assert [len(photos) for photos in kept.values()] == [18, 6, 6]
    assert kept["train"].images.shape == (18, 1, 64, 64)
    assert {name.rpartition("_")[2] for name in kept["test"].names} == {"1"}
    assert len({picture.tobytes() for photos in kept.values() for picture in photos.images}) == 30


def test_a_transform_of_training_images_leaves_backgrounds_alone():
    turned = digits(NoiseBackgrounds(), transform=v2.RandomVerticalFlip(p=1.0))
    plain = digits(NoiseBackgrounds())
    moved, still = turned.dataset("train")[0], plain.dataset("train")[0]
    assert torch.equal(moved["image"], still["image"].flip(1))
    assert torch.equal(moved["background"], still["background"])


def test_prediction_gets_no_backgrounds():
    assert set(digits(NoiseBackgrounds()).dataset("predict")[0]) == {"image", "label", "index"}


def empty(folder):
    for path in folder.rglob("*.png"):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda rooms: rooms.rename(rooms.with_name("halls")), r"no folder .*rooms.*--data\.backgrounds\.folder"),
        (lambda rooms: empty(rooms / "train"), r"rooms/train has 0; it needs 2 or more.*--data\.backgrounds\.folder"),
        (lambda rooms: empty(rooms / "test"), r"rooms/test has 0; it needs 1 or more"),
    ],
)
def test_too_few_photos_are_told(spoil, words, tmp_path):
    spoil(write_rooms(tmp_path))
    data = digits(PhotoBackgrounds("rooms"), root=str(tmp_path))
    with pytest.raises(DataError, match=words):
        data.setup(None)


def test_damaged_photos_are_counted_and_left_out(tmp_path, own_cache):
    (write_rooms(tmp_path) / "test" / "room_001.png").write_bytes(b"no photo")
    data = digits(PhotoBackgrounds("rooms"), root=str(tmp_path))
    with pytest.warns(UserWarning, match=r"1 of 3 images of backgrounds/test are damaged.*room_001"):
        data.setup("test")
    assert len(data.names("test")) == 297


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: NoiseBackgrounds(-1), "seed=-1 is negative"),
        (lambda: digits(PhotoBackgrounds(photo_size=16)).setup("test"), r"piece of 32 px .*photo_size=16\. Raise"),
    ],
)
def test_impossible_arguments_are_refused(make, words):
    with pytest.raises(DataError, match=words):
        make()


def test_they_are_chosen_on_the_command_line(capsys):
    choice = ["--data.backgrounds", "PhotoBackgrounds", "--data.backgrounds.folder", "rooms"]
    assert main(["fit", "--model", "ShiftInvariantAE", "--data", "MNIST", *choice, "--print_config"]) == 0
    chosen = yaml.safe_load(capsys.readouterr().out)["data"]["init_args"]["backgrounds"]
    assert chosen["class_path"].endswith(".PhotoBackgrounds")
    assert chosen["init_args"] == {"folder": "rooms", "photo_size": 128, "seed": 0}
