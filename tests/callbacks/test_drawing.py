"""Grids of pictures: exact pixels, whole titles, several methods side by side."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_methods import Shown

from tiae_zoo.callbacks import save_grid, side_by_side
from tiae_zoo.callbacks.drawing import (
    COLOURS,
    GAP,
    HEADING,
    MARGIN,
    NAN_COLOUR,
    image_grid,
    longest_word,
    text_width,
    to_pictures,
    wrap,
)


def random_images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def read(path):
    return np.asarray(Image.open(path).convert("RGB"))


def pixels(images):
    return np.stack([np.asarray(picture) for picture in to_pictures(images)])


def tile_at(picture, images, row, column, side):
    """Cut the tile of a grid with square tiles of `side` pixels and a frame of 1."""
    rows = len(images)
    top = picture.shape[0] - MARGIN - rows * (side + 2) - (rows - 1) * GAP + row * (side + 2 + GAP) + 1
    left = MARGIN + column * (side + 2 + GAP) + 1
    return picture[top : top + side, left : left + side]


@pytest.mark.parametrize(("size", "scale"), [(32, 4), (128, 1), (64, 2), (28, 5), (200, 1)])
def test_every_pixel_of_an_image_is_a_square_of_its_value(tmp_path, size, scale):
    columns = {"input": random_images(3, 3, size, size), "mask": random_images(3, 1, size, size, seed=1)}
    save_grid(columns, tmp_path / "new folder" / "grid.png", "Validation after 500 training batches")
    picture = read(tmp_path / "new folder" / "grid.png")
    for column, images in enumerate(columns.values()):
        for row in range(3):
            expected = pixels(images)[row].repeat(scale, 0).repeat(scale, 1)
            assert np.array_equal(tile_at(picture, images, row, column, size * scale), expected)


def test_grey_half_precision_and_values_out_of_range():
    images = torch.tensor([-0.5, 0.0, 0.5, 1.0, 1.5, torch.nan]).half().view(1, 1, 2, 3)
    drawn = pixels(images)
    assert drawn[..., 0].flatten().tolist()[:5] == [0, 0, 128, 255, 255]
    assert tuple(drawn[0, 1, 2]) == NAN_COLOUR
    assert (drawn[0, 0, :, 0] == drawn[0, 0, :, 2]).all()


def test_two_masks_are_yellow_and_blue_on_black_and_white_where_they_overlap():
    hair, face = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.5]), torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0])
    drawn = pixels(torch.stack([hair, face]).view(1, 2, 1, 5))[0, 0].tolist()
    assert drawn == [[0, 0, 0], list(COLOURS[0]), list(COLOURS[1]), [255, 255, 255], [120, 114, 33]]


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_each_mask_has_a_colour_of_its_own(channels):
    masks = torch.eye(channels).view(1, channels, 1, channels)  # one of them at each pixel
    colours = {tuple(colour) for colour in pixels(masks)[0, 0].tolist()}
    assert len(colours) == channels
    assert not colours & {(0, 0, 0), (255, 255, 255), NAN_COLOUR}


@pytest.mark.parametrize("channels", [2, 9])
def test_a_missing_value_shows_in_any_number_of_channels(channels):
    masks = torch.zeros(1, channels, 2, 2)
    masks[0, -1, 0, 1] = torch.nan
    assert (pixels(masks) == NAN_COLOUR).all(3).nonzero()[1:] == ([0], [1])


@pytest.mark.parametrize(
    "titles",
    [
        ["input", "truth", "mask"],
        ["input", "the object redrawn with another texture", "region 0, z 1"],
        ["$x_1$ and $ \\frac{", "mask_1", "incomprehensibilities"],
    ],
)
@pytest.mark.parametrize("size", [4, 32, 128])
def test_titles_are_whole_and_apart(titles, size):
    columns = {title: torch.zeros(2, 1, size, size) for title in titles}
    page = np.asarray(image_grid(columns, "Validation after 20 batches"))
    edge = np.ones(page.shape[:2], bool)
    edge[MARGIN:-MARGIN, MARGIN:-MARGIN] = False
    assert (page[edge] == 255).all()  # nothing runs out of the page

    right = MARGIN
    for title in titles[:-1]:  # from column to column
        right += max(tile_width(size), longest_word(title, 14))
        below_heading = page[MARGIN + round(1.3 * HEADING) + GAP :, right : right + GAP]
        assert (below_heading == 255).all()
        right += GAP


def tile_width(size):
    return size * max(1, round(128 / size)) + 2


def test_wrapping_loses_no_word_and_keeps_to_the_width():
    text = "the object redrawn with another texture θ incomprehensibilities"
    width = longest_word(text, 14)
    lines = wrap(text, width, 14).splitlines()
    assert " ".join(lines) == text
    assert len(lines) > 2
    assert all(text_width(line, 14) <= width for line in lines)


def test_a_page_without_heading_has_no_room_for_one():
    images = torch.zeros(1, 1, 32, 32)
    with_heading, without = (image_grid({"input": images}, heading) for heading in ("Test", ""))
    assert with_heading.height - without.height == round(1.3 * HEADING) + GAP


def test_columns_of_different_sizes_are_centred(tmp_path):
    columns = {"input": torch.zeros(1, 3, 128, 128), "half": torch.zeros(1, 1, 64, 128), "dot": torch.zeros(1, 1, 1, 1)}
    save_grid(columns, tmp_path / "grid.png")
    picture = read(tmp_path / "grid.png")
    assert picture.shape[1] == 3 * 130 + 2 * GAP + 2 * MARGIN
    middle = picture[-MARGIN - 65]
    assert (middle[[MARGIN + 65, MARGIN + 130 + GAP + 65, MARGIN + 2 * (130 + GAP) + 65]] == 0).all()


class Painter(Shown):
    """Paints all images in one grey."""

    def __init__(self, grey):
        super().__init__()
        self.grey = grey

    def gallery(self, batch):
        return super().gallery(batch) | {"restored": torch.full_like(batch["image"], self.grey)}


def test_methods_side_by_side_share_what_is_equal_for_all():
    images = random_images(2, 1, 8, 8)
    columns = side_by_side({"PCA": Painter(0.1), "ours": Painter(0.9)}, {"image": images})
    assert list(columns) == ["input", "mask", "drawn", "PCA: restored", "ours: restored"]
    assert torch.equal(columns["input"], images)
    assert columns["PCA: restored"].unique().tolist() == pytest.approx([0.1])
    assert columns["ours: restored"].unique().tolist() == pytest.approx([0.9])
    assert len(side_by_side({"ours": Painter(0.9)}, {"image": images})) == 4


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "no column"),
        ({"input": torch.rand(2, 1, 4, 4), "mask": torch.rand(2, 4, 4)}, r"'mask' has shape \(2, 4, 4\)"),
        ({"input": torch.rand(2, 0, 4, 4)}, r"'input' has shape \(2, 0, 4, 4\)"),
        ({"input": torch.rand(2, 1, 4, 4), "mask": torch.rand(3, 1, 4, 4)}, "'mask'"),
        ({"input": torch.rand(0, 1, 4, 4)}, "at least one"),
    ],
)
def test_wrong_columns_are_named(columns, message):
    with pytest.raises(ValueError, match=message):
        image_grid(columns)
