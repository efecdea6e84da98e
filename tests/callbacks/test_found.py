"""What was found in one picture, from the squares that cover it."""

import numpy as np
import torch

from tiae_zoo.callbacks.found import found_in
from tiae_zoo.squares import joined


def test_squares_become_a_mask_of_the_pictures_size() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, 8, 8, generator=generator)
    masks = torch.rand(3, 2, 8, 8, generator=generator).softmax(1)
    found = found_in(images, masks, [30, 45])
    assert torch.equal(found.mask, joined(masks, 30, 45))
    assert torch.equal(found.middle, images[1:2])
    winner = found.winner([1, 0])
    assert winner.shape == (30, 45)
    soft = dict(found.soft([1, 0]))
    assert np.array_equal(winner, (soft[1] > soft[0]).astype(np.uint8))


def test_a_picture_that_is_no_squares_keeps_its_size() -> None:
    masks = torch.rand(1, 2, 6, 9).softmax(1)
    found = found_in(torch.rand(1, 3, 6, 9), masks, None)
    assert torch.equal(found.mask, masks[0])
    assert found.size == (6, 9)
