"""Figures: exact pixels, whole titles, nothing left behind."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from tiae_zoo.callbacks.drawing import GAP, MARGIN, NAN_COLOUR, image_grid, save_png, to_pixels


def random_images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def read(figure, path):
    save_png(figure, path)
    return np.asarray(Image.open(path).convert("RGB"))


def tile_at(picture, images, row, column, side):
    """Cut the tile of a grid with square tiles of `side` pixels and a frame of 1."""
    rows = len(images)
    top = picture.shape[0] - MARGIN - rows * (side + 2) - (rows - 1) * GAP + row * (side + 2 + GAP) + 1
    left = MARGIN + column * (side + 2 + GAP) + 1
    return picture[top : top + side, left : left + side]


@pytest.mark.parametrize(("size", "scale"), [(32, 4), (128, 1), (64, 2), (28, 5), (200, 1)])
def test_every_pixel_of_an_image_is_a_square_of_its_value(tmp_path, size, scale):
    columns = {"input": random_images(3, 3, size, size), "mask": random_images(3, 1, size, size, seed=1)}
    picture = read(image_grid(columns, "Validation after 500 training batches"), tmp_path / "grid.png")
    for column, images in enumerate(columns.values()):
        for row in range(3):
            expected = to_pixels(images[row : row + 1], scale)[0]
            assert np.array_equal(tile_at(picture, images, row, column, size * scale), expected)


def test_grey_half_precision_and_values_out_of_range():
    images = torch.tensor([-0.5, 0.0, 0.5, 1.0, 1.5, torch.nan]).half().view(1, 1, 2, 3)
    pixels = to_pixels(images)
    assert pixels[..., 0].flatten().tolist()[:5] == [0, 0, 128, 255, 255]
    assert tuple(pixels[0, 1, 2]) == NAN_COLOUR
    assert (pixels[0, 0, :, 0] == pixels[0, 0, :, 2]).all()


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
    figure = image_grid({title: random_images(2, 1, size, size) for title in titles}, "Validation after 20 batches")
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    width, height = figure.get_size_inches() * figure.dpi
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
    assert not any(box.overlaps(other) for number, box in enumerate(boxes) for other in boxes[:number])
    assert {word for text in figure.texts[1:] for word in text.get_text().split()} >= set(titles[1].split())


def test_columns_of_different_sizes_are_centred(tmp_path):
    columns = {"input": torch.zeros(1, 3, 128, 128), "half": torch.zeros(1, 1, 64, 128), "dot": torch.zeros(1, 1, 1, 1)}
    picture = read(image_grid(columns), tmp_path / "grid.png")
    assert picture.shape[1] == 3 * 130 + 2 * GAP + 2 * MARGIN
    middle = picture[-MARGIN - 65]
    assert (middle[[MARGIN + 65, MARGIN + 130 + GAP + 65, MARGIN + 2 * (130 + GAP) + 65]] == 0).all()


def test_drawing_leaves_no_figure_open(tmp_path):
    before = plt.get_fignums()
    read(image_grid({"input": random_images(1, 1, 8, 8)}), tmp_path / "grid.png")
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "no column"),
        ({"input": torch.rand(2, 1, 4, 4), "mask": torch.rand(2, 4, 4)}, r"'mask' has shape \(2, 4, 4\)"),
        ({"input": torch.rand(2, 2, 4, 4)}, "1 or 3"),
        ({"input": torch.rand(2, 1, 4, 4), "mask": torch.rand(3, 1, 4, 4)}, "'mask'"),
        ({"input": torch.rand(0, 1, 4, 4)}, "at least one"),
    ],
)
def test_wrong_columns_are_named(columns, message):
    with pytest.raises(ValueError, match=message):
        image_grid(columns)
