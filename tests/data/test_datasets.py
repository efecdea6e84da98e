"""Each dataset's own splits and pictures."""

import pytest
import torch

from tests.data.modules import MODULES, SMALL
from tiae_zoo.data import CUB, LFW, MNIST, DataError, Folder


def test_faces_have_the_lists_splits_and_masks_of_hair_and_face():
    data = MODULES["lfw"]()
    assert [len(data.names(split)) for split in ("train", "val", "test")] == [24, 6, 6]
    assert data.names("val")[0] == "Person_No_12_0001"
    sample = data.dataset("val")[0]
    bright = sample["image"].mean(0) > 0.45
    assert (bright == (sample["mask"] == 1)).float().mean() > 0.95


def test_flower_protocols_swap_training_and_test():
    redo, official = MODULES["flowers"](), MODULES["flowers official"]()
    assert redo.names("train") == official.names("test")
    assert redo.names("test") == official.names("train")
    assert redo.names("val") == official.names("val")


def test_bird_protocols_follow_their_lists():
    redo, official = MODULES["cub"](), MODULES["cub official"]()
    assert [len(redo.names(split)) for split in ("train", "val", "test")] == [24, 6, 6]
    # every other bird is an official training bird, every tenth of those is held out
    assert [len(official.names(split)) for split in ("train", "val", "test")] == [17, 1, 18]


@pytest.mark.parametrize("source", ["mnist", "digits"])
def test_digits_lie_in_the_middle_box(source):
    images = torch.stack([sample["image"] for sample in MNIST(source=source, **SMALL).dataset("test")])
    assert images.shape[1:] == (1, 32, 32)
    heat = images.amax((0, 1))
    assert heat[6:26, 6:26].max() > 0.9
    assert heat[:2].max() == heat[-2:].max() == heat[:, :2].max() == 0
    if source == "digits":
        assert heat[:6].max() == heat[:, 26:].max() == 0


def test_digits_scale_with_the_image_size():
    small, large = (
        MNIST(**SMALL | {"image_size": size, "resize": "nearest"}).dataset("val")[0]["image"] for size in (32, 64)
    )
    assert torch.equal(large, small.repeat_interleave(2, 1).repeat_interleave(2, 2))


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: CUB(protocol="offical"), "'official'"),
        (lambda: LFW(resize="nearist"), "'nearest'"),
        (lambda: MNIST(source="digit"), "'digits'"),
        (lambda: MNIST().dataset("validation"), "'val'"),
        (lambda: LFW(image_size=0), "image_size=0"),
        (lambda: Folder("x", val_fraction=0.6, test_fraction=0.5), "sum below 1"),
        (lambda: Folder("x", num_classes=3), "mask_rule='index'"),
        (lambda: Folder("x", value_range=(0, 4000)), "channels=1"),
        (lambda: Folder("x", channels=1, value_range=(5, 5)), "from a lower to a higher"),
    ],
)
def test_impossible_arguments_are_refused_with_a_hint(make, hint):
    with pytest.raises(DataError, match=hint):
        make()
