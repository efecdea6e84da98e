"""Few labels: a seeded, nested choice of training images, and a split of LFW that has masks to train on."""

import pytest
import torch

from tests.data.modules import MODULES
from tiae_zoo.data import LFW, DataError, DistortedMNIST
from tiae_zoo.data.distortedmnist import DistortedDigits


def chosen(count: int | None, seed: int = 0) -> list[str]:
    return MODULES["flowers"](labelled=count, labelled_seed=seed).names("train")


@pytest.mark.parametrize("seed", [0, 1])
def test_fewer_labels_are_among_more(seed: int) -> None:
    few, more, everything = (chosen(count, seed) for count in (3, 10, None))
    assert (len(few), len(more), len(everything)) == (3, 10, 24)
    assert set(few) < set(more) < set(everything)
    assert more == sorted(more, key=everything.index)
    assert chosen(3, seed) == few


def test_another_seed_draws_others() -> None:
    assert MODULES["flowers"](labelled=3).names("train") == chosen(3)  # as ever
    assert chosen(3, 1) != chosen(3) != chosen(3, 2)
    assert chosen(None, 1) == chosen(None)
    with pytest.raises(DataError, match="labelled_seed=-1 is negative"):
        chosen(3, -1)


def test_only_training_images_are_left_out_and_keep_image_mask_and_name_together() -> None:
    whole, few = MODULES["flowers"](), MODULES["flowers"](labelled=5)
    assert whole.names("val") == few.names("val")
    names = whole.names("train")
    batch = next(iter(few.train_dataloader()))
    for image, mask, index in zip(batch["image"], batch["mask"], batch["index"], strict=True):
        original = whole.dataset("train")[names.index(few.names("train")[index])]
        assert torch.equal(image, original["image"])
        assert torch.equal(mask, original["mask"])


def test_names_are_made_once_however_many_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def names(dataset: DistortedDigits) -> list[str]:
        made.append(len(dataset))
        return [str(i) for i in range(len(dataset))]

    monkeypatch.setattr(DistortedDigits, "names", property(names))
    data = DistortedMNIST(source="digits", labelled=40, batch_size=4, num_workers=0)
    dataset = data.dataset("train")
    assert [dataset[index]["index"] for index in range(len(dataset))] == list(range(40))
    assert len(list(data.train_dataloader())) == 10
    assert made == []  # samples need no names
    assert len(data.names("train")) == len(data.names("train")) == 40
    assert made == [1300]


@pytest.mark.parametrize(("count", "told"), [(0, "labelled=0 is too small"), (99, "has 24 images. Give at most that")])
def test_impossible_numbers_are_refused(count: int, told: str) -> None:
    with pytest.raises(DataError, match=told):
        chosen(count)


def test_lfw_for_supervised_methods_trains_on_validation_masks_and_keeps_the_test() -> None:
    redo, supervised = (LFW(protocol=protocol, image_size=32, num_workers=0) for protocol in ("redo", "supervised"))
    train, val = (set(supervised.names(split)) for split in ("train", "val"))
    assert train | val == set(redo.names("val"))
    assert not train & val
    assert len(train) == round(0.8 * len(redo.names("val")))
    assert supervised.names("test") == redo.names("test")
    assert all("mask" in supervised.dataset(split)[0] for split in ("train", "val", "test"))
    with pytest.raises(DataError, match="protocol"):
        LFW(protocol="official")  # type: ignore[arg-type]
