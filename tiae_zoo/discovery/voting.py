"""Typical patterns of a page, found without labels: every patch votes for the place where its pattern belongs.

A shift-invariant auto-encoder splits a patch into a pattern and the shift R that moves the pattern onto the patch. So
a patch around p says that its pattern lies around p + R. Where many patches agree, there is a pattern that the model
knows (Matsuo and Shimada, "Transform Invariant Auto-encoder": the documents of the slides).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from tqdm import tqdm

if TYPE_CHECKING:
    from tiae_zoo.data.page import Patches

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

BATCH = 1024  # patches at a time: 4 MB, and the first layer's 38 MB
SMOOTHING = 1.0  # px, standard deviation: an estimated shift is about as precise
REACH = 2  # px: votes within a square of this half side count for one hot spot
LEAST_CONCENTRATION = 3.0  # times the votes of a place at which every patch stays where it is


class Placing(Protocol):
    """What is asked of a method."""

    def encode(self, images: Tensor) -> Tensor:
        """Return descriptors (B, D) for images (B, 1, S, S) in [0, 1]."""
        ...

    def estimate_shift(self, images: Tensor) -> Tensor:
        """Return (dx, dy) in pixels (B, 2), right and down positive: what moves the restored pattern onto the image."""
        ...


@dataclass(frozen=True)
class Votes:
    """Where patches are, and for which places of the page they vote."""

    shape: tuple[int, int]
    """Height and width of the page in pixels."""
    stride: int
    """Distance of the patches along either axis in pixels."""
    centres: Integers
    """(N, 2), x and y of the patches."""
    targets: Floats
    """(N, 2), x and y of what they vote for; may lie outside the page."""

    def counts(self) -> Integers:
        """Return the votes for each pixel of the page, (H, W); those for places outside are lost."""
        height, width = self.shape
        x, y = np.rint(self.targets).astype(np.int64).T
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return np.bincount(y[inside] * width + x[inside], minlength=height * width).reshape(self.shape)

    def concentration(self) -> Floats:
        """Return the smoothed votes as multiples of what they are if every patch votes for its own place, (H, W)."""
        return ndimage.gaussian_filter(self.counts().astype(np.float32), SMOOTHING) * self.stride**2


@dataclass(frozen=True)
class HotSpots:
    """Where votes gather, most votes first."""

    places: Integers
    """(K, 2), x and y."""
    votes: Integers
    """(K,), votes within `REACH`."""

    def strongest(self, count: int) -> HotSpots:
        """Return the first `count`."""
        return HotSpots(self.places[:count], self.votes[:count])


@torch.no_grad()
def cast_votes(method: Placing, patches: Patches, stride: int, device: torch.device | str = "cpu") -> Votes:
    """Let the patches of a page vote.

    Args:
        method: the model, on `device` and in evaluation mode.
        patches: of the page.
        stride: distance of the patches along either axis in pixels.
        device: where the model is.
    """
    centres = patches.centres(stride)
    shifts = [
        method.estimate_shift(patches.cut(centres[start : start + BATCH]).to(device)).float().cpu().numpy()
        for start in _starts(len(centres), "Patches voting")
    ]
    height, width = patches.ink.shape
    targets = centres + np.concatenate([np.empty((0, 2)), *shifts])
    return Votes((height, width), stride, centres, targets.astype(np.float32))


@torch.no_grad()
def describe(method: Placing, patches: Patches, places: Integers, device: torch.device | str = "cpu") -> Floats:
    """Return the descriptors (K, D) of the patches around `places` (K, 2); arguments as in :func:`cast_votes`."""
    described = [
        method.encode(patches.cut(places[start : start + BATCH]).to(device)).float().cpu().numpy()
        for start in _starts(len(places), "Describing hot spots")
    ]
    return np.concatenate(described)


def find_hot_spots(votes: Votes) -> HotSpots:
    """Find the places where votes gather.

    A hot spot is the maximum of the concentration within twice `REACH` pixels around, so that no vote counts for two.
    It has, within `REACH`, at least `LEAST_CONCENTRATION` times the votes that it would have if every patch voted for
    its own place. Of equal maxima the upper or left one counts.
    """
    rank = np.empty(votes.shape, np.int64)  # no two places share one, so no two of equal heat are both the first
    rank.flat[np.argsort(-votes.concentration(), axis=None, kind="stable")] = np.arange(rank.size)
    side = 2 * REACH + 1
    gathered = ndimage.convolve(votes.counts(), np.ones((side, side), np.int64), mode="constant")
    enough = gathered * votes.stride**2 >= LEAST_CONCENTRATION * side**2
    y, x = np.nonzero((rank == ndimage.minimum_filter(rank, 4 * REACH + 1)) & enough)
    order = np.lexsort((x, y, -gathered[y, x]))  # ties from top to bottom
    return HotSpots(np.stack([x, y], 1)[order], gathered[y, x][order])


def _starts(count: int, what: str) -> tqdm[int]:
    return tqdm(range(0, count, BATCH), desc=what, unit="batch", disable=None)
