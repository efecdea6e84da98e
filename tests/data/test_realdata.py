"""The true files, or the scaled-down and partly incomplete copies a development machine may have."""

import pytest
import torch

from tiae_zoo.data import CUB, LFW, MNIST, DataError, Flowers, Folder, LFWParts
from tiae_zoo.data.backgrounds import PhotoBackgrounds
from tiae_zoo.data.digits import FILES
from tiae_zoo.download import file_digest

pytestmark = [pytest.mark.realdata, pytest.mark.filterwarnings("ignore:.*images of.*:UserWarning")]


@pytest.fixture
def needs(real_data):
    def skip_without(folder):
        if not (real_data / folder).exists():
            pytest.skip(f"no {folder} in TIAE_ZOO_DATA")

    return skip_without


def foreground(dataset, count=200):
    """Mean foreground of the first masks."""
    return torch.stack([(dataset[i]["mask"] == 1).float().mean() for i in range(min(count, len(dataset)))])


def test_mnist_is_the_official_one(needs):
    needs("mnist")
    data = MNIST(num_workers=0)
    data.setup()
    assert [len(data.names(split)) for split in ("train", "val", "test")] == [55000, 5000, 10000]
    for file in FILES.values():
        assert file_digest(data.find(file), "md5") == file.digest
    assert [data.dataset("train")[i]["label"] for i in range(5)] == [5, 0, 4, 1, 9]
    assert [data.dataset("test")[i]["label"] for i in range(5)] == [7, 2, 1, 0, 4]


def test_faces_have_redos_splits_and_whole_masks(needs):
    needs("lfw")
    data = LFW(num_workers=0, image_size=64)
    data.setup()
    assert [len(data.names(split)) for split in ("train", "val", "test")] == [10306, 1327, 1600]
    for split in ("val", "test"):
        assert 0.1 < foreground(data.dataset(split)).mean() < 0.5
    # faces are in the middle of funneled photos
    centre = torch.stack([data.dataset("test")[i]["mask"][28:36, 28:36] for i in range(100)])
    assert (centre == 1).float().mean() > 0.95


def test_parts_of_faces_are_all_there(needs):
    needs("lfw")
    data = LFWParts(num_workers=0)
    data.setup()
    assert [len(data.names(split)) for split in ("train", "val", "test")] == [2304, 294, 329]
    images = torch.stack([sample["image"] for sample in data.dataset("val")])
    assert images.shape == (294, 2, 32, 32)
    hair, face = images.mean((0, 2, 3))
    assert 0.02 < hair < face < 0.5
    assert images[:, 1, 14:18, 14:18].mean() > 0.95


def test_rooms_are_split_by_photos(real_data, needs):
    needs("rooms")
    sizes = []
    for split in ("train", "val", "test"):
        draw = PhotoBackgrounds("rooms").open(split, 32, 1, real_data)
        sizes.append(len(draw.keywords["photos"]))
        assert draw(range(100)).std() > 0.1
    assert sizes == [432, 48, 40]


def test_flowers_have_the_official_splits(needs):
    needs("flowers")
    sizes = {"redo": [6149, 1020, 1020], "official": [1020, 1020, 6149]}
    for protocol, expected in sizes.items():
        data = Flowers(protocol=protocol, with_masks=False)
        assert [len(data.items(split)) for split in ("train", "val", "test")] == expected
    labels = {item.label for item in data.items("train")}
    assert labels == set(range(102))


def test_flower_masks_separate_flower_and_ground(needs):
    needs("flowers/segmim")
    data = Flowers(protocol="official", num_workers=0)
    dataset = data.dataset("test")
    assert 10 <= len(dataset) <= 6149
    amount = foreground(dataset)
    assert 0.1 < amount.median() < 0.9


def test_birds_follow_both_lists(needs):
    needs("cub")
    sizes = {"redo": [10000, 788, 1000], "official": [5395, 599, 5794]}
    for protocol, expected in sizes.items():
        data = CUB(protocol=protocol, with_masks=False)
        assert [len(data.items(split)) for split in ("train", "val", "test")] == expected
    data = CUB(with_masks=False, image_size=64, num_workers=0)
    data.setup("fit")
    assert 0 < len(data.names("val")) <= 788
    assert data.dataset("train")[0]["image"].std() > 0.05


def test_birds_without_masks_say_so(real_data, needs):
    needs("cub")
    if list((real_data / "cub").glob("**/segmentations*")):
        pytest.skip("the masks are there")
    with pytest.raises(DataError, match=r"Missing bird masks.*--data\.with_masks false"):
        CUB().setup("fit")


def test_horses_are_a_folder_of_ones_own(needs):
    needs("horses")
    data = Folder("horses/images", "horses/masks", image_size=64, num_workers=0)
    data.setup()
    assert len(data.names("predict")) == 327
    assert 0.1 < foreground(data.dataset("train")).mean() < 0.6


def test_handmade_masks_have_unjudged_pixels(needs):
    needs("flowers_handmade")
    data = Folder(
        "flowers_handmade/{split}/images",
        "flowers_handmade/{split}/masks",
        ignore_value=128,
        image_size=64,
        num_workers=0,
    )
    data.setup("fit")
    assert [len(data.names(split)) for split in ("train", "val")] == [330, 73]
    values = torch.stack([data.dataset("val")[i]["mask"] for i in range(73)])
    assert set(values.unique().tolist()) == {0, 1, 255}
