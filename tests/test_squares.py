"""Whole pictures as squares side by side."""

from itertools import pairwise

import pytest
import torch

from tiae_zoo.squares import joined, shrunk_size, square_starts


@pytest.mark.parametrize("length", [64, 65, 85, 127, 128, 129, 500])
def test_squares_cover_the_whole_length_around_the_centre(length: int) -> None:
    starts = square_starts(length, 64)
    assert (starts[0], starts[-1]) == (0, length - 64)
    assert starts[len(starts) // 2] == round((length - 64) / 2)
    assert all(later - earlier <= 32 for earlier, later in pairwise(starts))


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (200, 200), (100, 731), (731, 100)])
def test_squares_of_a_mask_give_the_mask(size: tuple[int, int]) -> None:
    height, width = shrunk_size(*size, 32)
    mask = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    starts = square_starts(max(height, width), 32)
    corners = [(0, start) if width > height else (start, 0) for start in starts]
    squares = torch.stack([mask[:, y : y + 32, x : x + 32] for y, x in corners])
    assert torch.allclose(joined(squares, *size), mask, atol=1e-6)


def test_squares_that_disagree_leave_no_seam() -> None:
    squares = torch.stack([torch.full((1, 32, 32), float(value)) for value in (0, 1, 0)])
    line = joined(squares, 100, 150)[0, 0]
    assert line.diff().abs().max() < 0.11
