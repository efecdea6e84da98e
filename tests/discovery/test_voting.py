"""Votes against a loop over patches, and hot spots where the patterns are known to be."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.discovery.centre_of_mass import CentreOfMass
from tiae_zoo.data.page import Patches
from tiae_zoo.discovery.voting import Votes, cast_votes, describe, find_hot_spots
from tiae_zoo.methods import ShiftInvariantAE

SIZE = 16
BLOBS = [(5, 30), (40, 12), (70, 30), (40, 52)]  # centres x, y; the first is at the edge of the page


def page_of_blobs() -> np.ndarray:
    """A page 80 wide and 64 high with squares of 5x5 pixels, further apart than a patch is wide."""
    ink = np.zeros((64, 80), np.float32)
    for x, y in BLOBS:
        ink[y - 2 : y + 3, x - 2 : x + 3] = 1
    return ink


class Fixed(CentreOfMass):
    """Finds every pattern moved by the same shift."""

    def __init__(self, shift: tuple[float, float]) -> None:
        self.shift = torch.tensor(shift)

    def estimate_shift(self, images: Tensor) -> Tensor:
        return self.shift.expand(len(images), 2)


def reference_counts(ink: np.ndarray, size: int, stride: int) -> np.ndarray:
    """The votes by looking at one patch after the other, pixel by pixel where it reaches beyond the page."""
    height, width = ink.shape
    counts = np.zeros(ink.shape, int)
    first = size // 2 - size // 4
    for y in range(first, height - first + 1, stride):
        for x in range(first, width - first + 1, stride):
            patch = np.zeros((size, size), np.float32)
            for row in range(size):
                for column in range(size):
                    there = y + row - size // 2, x + column - size // 2
                    if 0 <= there[0] < height and 0 <= there[1] < width:
                        patch[row, column] = ink[there]
            if patch.mean() >= 0.02:
                shift = CentreOfMass().estimate_shift(torch.from_numpy(patch)[None, None])[0]
                to_x, to_y = round(x + float(shift[0])), round(y + float(shift[1]))
                if 0 <= to_x < width and 0 <= to_y < height:
                    counts[to_y, to_x] += 1
    return counts


@pytest.mark.parametrize("stride", [1, 3])
def test_votes_are_those_of_each_patch(stride: int) -> None:
    ink = page_of_blobs()[:40, :52].copy()
    counts = cast_votes(CentreOfMass(), Patches(ink, SIZE), stride).counts()
    assert np.array_equal(counts, reference_counts(ink, SIZE, stride))


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_hot_spots_are_the_centres_of_the_patterns(stride: int) -> None:
    spots = find_hot_spots(cast_votes(CentreOfMass(), Patches(page_of_blobs(), SIZE), stride))
    assert {tuple(place) for place in spots.places.tolist()} == set(BLOBS)
    assert (np.diff(spots.votes) <= 0).all()
    # each blob is seen from where it overlaps the patch enough, whatever the stride
    assert spots.votes[0] * stride**2 == pytest.approx((SIZE + 4) ** 2, rel=0.35)


def test_a_shift_is_the_way_from_the_patch_to_its_pattern() -> None:
    """Right and down are positive."""
    ink = np.zeros((64, 64), np.float32)
    ink[20:25, 30:35] = 1
    votes = cast_votes(CentreOfMass(), Patches(ink, SIZE), 1)
    upper_left = (votes.centres == (28, 18)).all(1)
    assert votes.targets[upper_left].tolist() == [[32, 22]]


def test_patches_vote_for_the_place_to_which_the_regressor_moves_their_pattern() -> None:
    method = ShiftInvariantAE().eval()
    with torch.no_grad():
        method.regressor.shift[-1].weight.zero_()
        method.regressor.shift[-1].bias.copy_(torch.tensor([4 / 16, -2 / 16]))  # right and up; 16 is half a side
    votes = cast_votes(method, Patches(page_of_blobs(), 32), 4)
    assert np.allclose(votes.targets - votes.centres, [4, -2], atol=1e-4)


def test_patches_that_stay_where_they_are_make_no_hot_spot() -> None:
    votes = cast_votes(Fixed((0, 0)), Patches(np.ones((64, 80), np.float32), SIZE), 2)
    inner = votes.concentration()[12:-12, 12:-12]
    assert inner.mean() == pytest.approx(1, abs=0.05)
    assert not len(find_hot_spots(votes).places)


def test_votes_for_places_outside_are_lost() -> None:
    votes = cast_votes(Fixed((500, 0)), Patches(page_of_blobs(), SIZE), 2)
    assert len(votes.centres) > 0
    assert votes.counts().sum() == 0


def test_an_almost_empty_page_has_no_patches_where_there_is_no_ink() -> None:
    centres = Patches(page_of_blobs(), SIZE).centres(1)
    for x, y in centres:
        assert any(abs(x - cx) <= SIZE // 2 + 2 and abs(y - cy) <= SIZE // 2 + 2 for cx, cy in BLOBS)


def test_no_ink_at_all_gives_no_votes() -> None:
    votes = cast_votes(CentreOfMass(), Patches(np.zeros((40, 40), np.float32), SIZE), 2)
    assert votes.counts().sum() == 0
    assert not len(find_hot_spots(votes).places)


def test_descriptors_are_those_of_the_patches_around_the_places() -> None:
    patches = Patches(page_of_blobs(), SIZE)
    described = describe(CentreOfMass(), patches, np.array([(40, 12), (20, 50), (38, 12)]))
    assert described.tolist() == [[25.0], [0.0], [25.0]]
    assert patches.cut(np.array([(40, 12)]))[0, 0, SIZE // 2, SIZE // 2] == 1


def test_two_places_with_equal_votes_near_each_other_are_one_hot_spot() -> None:
    centres = np.full((80, 2), 30)
    targets = np.repeat(np.array([[30, 30], [31, 30]], np.float32), 40, axis=0)
    spots = find_hot_spots(Votes((64, 64), 1, centres, targets))
    assert spots.places.tolist() == [[30, 30]]
    assert spots.votes.tolist() == [80]


def test_few_votes_at_one_place_are_not_hot() -> None:
    stride = 2
    x, y = np.mgrid[10:50:stride, 10:50:stride].reshape(2, -1)
    centres = np.stack([x, y], 1)
    targets = centres.astype(np.float32)
    near = np.abs(centres - 30).max(1) <= 4
    targets[near] = 30  # 25 patches agree
    votes = Votes((64, 64), stride, centres, targets)
    spots = find_hot_spots(votes)
    assert spots.places.tolist() == [[30, 30]]
    assert spots.votes.tolist() == [25]
