import numpy as np
import pytest
import torch

from tiae_zoo.data import MNIST, Colored2MNIST


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """200 training pictures at the paper's size: images (N, 3, 128, 128), masks (N, 128, 128)."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TIAE_ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
    dataset = Colored2MNIST(source="digits", num_train=200).dataset("train")
    samples = [dataset[i] for i in range(200)]
    patch.undo()
    return torch.stack([s["image"] for s in samples]), torch.stack([s["mask"] for s in samples])


def colour_of(image, mask, region):
    """The region's colour, after checking that it is one."""
    pixels = image[:, mask == region]
    assert (pixels == pixels[:, :1]).all()
    return pixels[:, 0]


def test_colours_are_those_of_the_paper(many):
    images, masks = many
    drawn = {
        region: torch.stack([colour_of(i, m, region) for i, m in zip(images, masks, strict=True)])
        for region in range(3)
    }
    for region, (low, high), (one, two), third in (
        (0, (0.33, 0.66), (0, 1), 2),
        (1, (0.0, 0.33), (1, 2), 0),
        (2, (0.66, 1.0), (0, 2), 1),
    ):
        colours = drawn[region]
        assert (colours[:, one] == colours[:, two]).all()
        for channel in (one, third):
            values = colours[:, channel]
            assert low <= values.min() < low + 0.02
            assert high - 0.02 < values.max() <= high
        assert abs(torch.corrcoef(colours[:, [one, third]].T)[0, 1]) < 0.2


def test_digits_lie_anywhere_and_each_is_on_top_half_the_time(many):
    _, masks = many
    heat = {region: (masks == region).any(0).any(1).nonzero().flatten() for region in (1, 2)}
    for rows in heat.values():
        assert rows.min() < 16
        assert rows.max() > 112
    assert ((masks == 1).any(2).any(1) & (masks == 2).any(2).any(1)).float().mean() > 0.99


def test_picture_is_two_enlarged_digits_of_either_parity_drawn_in_either_order():
    """A slow search: some even and some odd test digit, enlarged pixel by pixel, must explain the mask exactly."""
    data = Colored2MNIST(num_test=30)
    dataset = data.dataset("test")
    digits = data.digit_store("test", 0, 28)
    large = np.kron(digits.images[:, 0] > 127, np.ones((1, 2, 2), bool))
    covered = set()
    for i in range(30):
        mask = dataset[i]["mask"].numpy()
        found = {
            region: {
                (n, top, left)
                for n in np.flatnonzero(digits.labels % 2 == region - 1)
                for top, left in places(large[n], mask, region)
            }
            for region in (1, 2)
        }
        # The digit on top is seen whole; below it, the other one explains all that is left
        whole = [region for region in (1, 2) if any(exact(large, place, mask, region) for place in found[region])]
        assert whole
        below = 3 - whole[0]
        assert any(explains(large, place, mask, below) for place in found[below])
        if len(whole) == 1:
            covered.add(below)
    assert covered == {1, 2}


def places(digit, mask, region):
    """Where the digit may lie: its ink on pixels of the region or of the other digit, never on ground."""
    rows, columns = np.nonzero(digit)
    seen_rows, seen_columns = np.nonzero(mask == region)
    for top in range(max(0, seen_rows.max() - 55), min(72, seen_rows.min()) + 1):
        for left in range(max(0, seen_columns.max() - 55), min(72, seen_columns.min()) + 1):
            if (mask[rows + top, columns + left] > 0).all():
                yield top, left


def paste(large, place):
    n, top, left = place
    canvas = np.zeros((128, 128), bool)
    canvas[top : top + 56, left : left + 56] = large[n]
    return canvas


def exact(large, place, mask, region):
    return np.array_equal(paste(large, place), mask == region)


def explains(large, place, mask, region):
    ink = paste(large, place)
    return np.array_equal(ink & (mask != 3 - region), mask == region)


def test_pictures_depend_on_seed_split_and_index_alone():
    make = lambda **k: Colored2MNIST(num_train=8, image_size=64, **k)  # noqa: E731
    first, again, other = make().dataset("train"), make().dataset("train"), make(seed=1).dataset("train")
    backwards = [again[i] for i in reversed(range(8))][::-1]
    for i in range(8):
        assert torch.equal(first[i]["image"], backwards[i]["image"])
        assert torch.equal(first[i]["mask"], backwards[i]["mask"])
        assert not torch.equal(first[i]["image"], other[i]["image"])
        assert not torch.equal(first[i]["image"], first[(i + 1) % 8]["image"])
    longer = Colored2MNIST(num_train=20, image_size=64).dataset("train")
    assert torch.equal(longer[3]["image"], first[3]["image"])
    assert not torch.equal(make().dataset("val")[0]["image"], first[0]["image"])


def test_negative_and_too_large_positions():
    dataset = Colored2MNIST(num_val=5).dataset("val")
    assert dataset[-1]["index"] == 4
    with pytest.raises(IndexError):
        dataset[5]
    with pytest.raises(IndexError):
        MNIST().dataset("val")[10**6]


@pytest.mark.parametrize("size", [32, 64, 96, 256])
def test_other_sizes_scale_the_digits(size):
    mask = torch.stack([s["mask"] for s in Colored2MNIST(num_val=20, image_size=size).dataset("val")])
    reference = torch.stack([s["mask"] for s in Colored2MNIST(num_val=20).dataset("val")])
    assert abs((mask > 0).float().mean() - (reference > 0).float().mean()) < 0.01
