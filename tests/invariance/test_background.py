"""Objects in front of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from slow_transforms import digits

from tiae_zoo.invariance import Background


def test_the_picture_is_seen_where_the_object_is_dark() -> None:
    images, pool = digits(6, 8).view(3, 2, 8, 8), torch.rand(4, 2, 8, 8)
    theta = torch.tensor([[2.0], [-1.0], [0.0]])
    composed = Background(pool).apply(images, theta)
    for image, result, number in zip(images, composed, (2, -1, 0), strict=True):
        for row in range(8):
            for column in range(8):
                pixel = image[:, row, column]
                behind = pool[number, :, row, column] if number >= 0 else torch.zeros(2)
                torch.testing.assert_close(result[:, row, column], pixel + (1 - pixel.max()) * behind)


def test_every_picture_is_drawn() -> None:
    _, theta = Background(torch.rand(5, 1, 2, 2)).sample(torch.zeros(200, 1, 2, 2))
    assert theta.unique().tolist() == [0, 1, 2, 3, 4]


def test_nearest_is_the_object_on_black_whatever_was_restored() -> None:
    images = digits(3, 8)
    found = Background(torch.rand(5, 1, 8, 8)).nearest(torch.rand(3, 1, 8, 8), images)
    assert torch.equal(found.image, images)
    assert found.theta.tolist() == [[-1], [-1], [-1]]


def test_a_grid_spreads_over_the_pool() -> None:
    family = Background(torch.rand(9, 1, 2, 2))
    assert family.grid(3).tolist() == [[0], [4], [8]]
    assert len(family.grid(99)) == 9


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_a_pool_is_read_from_a_file(dtype: type, tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 1, 4, 5))
    np.save(tmp_path / "pool.npy", (pictures if dtype is np.uint8 else pictures / 255).astype(dtype))
    family = Background(str(tmp_path / "pool.npy"))
    torch.testing.assert_close(family.pool, torch.from_numpy(pictures / 255).float())
    assert family.pool.dtype == torch.float32


def test_what_is_no_pool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Background(torch.rand(0, 1, 4, 4))
    with pytest.raises(ValueError, match="No pictures can be read from"):
        Background(str(tmp_path / "nothing.npy"))
    np.save(tmp_path / "bright.npy", np.full((1, 1, 2, 2), 255.0))
    with pytest.raises(ValueError, match="not in \\[0, 1\\]"):
        Background(str(tmp_path / "bright.npy"))
    with pytest.raises(ValueError, match="Give a pool of the images' size"):
        Background(torch.rand(2, 1, 4, 4)).sample(torch.zeros(2, 1, 4, 5))
