"""Distortions of digits: where on a 28x28 digit to look for each pixel of a picture (Jaderberg et al. 2015, A.4).

A distortion is a function of a random generator: it gives coordinates (H, W, 2), row and column on the digit in pixels.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from tiae_zoo.data.digits import SIDE

Floats = NDArray[np.float64]
Distortion = Callable[[np.random.Generator, int], Floats]
"""From a source of randomness and the side of the picture in pixels."""

CENTRE = (SIDE - 1) / 2
SHRUNK = 0.75, 1.0  # scales of P and E
ELASTIC_POINTS = 4  # control points along a side
ELASTIC_STEP = 1.5  # px, standard deviation of a control point
CORNER_STEP = 5.0  # px, standard deviation of a corner


def rotated(rng: np.random.Generator, size: int) -> Floats:
    """Turn by up to 90 degrees about the centre: the paper's R."""
    return _similar(rng.uniform(-90, 90), 1.0, np.full(2, (size - 1) / 2), size)


def rotated_scaled_translated(rng: np.random.Generator, size: int) -> Floats:
    """Turn by up to 45 degrees, scale by 0.7 to 1.2, put anywhere in the picture: the paper's RTS (on 42x42)."""
    angle, scale = rng.uniform(-45, 45), rng.uniform(0.7, 1.2)
    room = max(0.0, (size - scale * SIDE) / 2)
    return _similar(angle, scale, (size - 1) / 2 + rng.uniform(-room, room, 2), size)


def translated(rng: np.random.Generator, size: int) -> Floats:
    """Put anywhere in the picture, by whole pixels: the paper's T (on 60x60)."""
    corner = rng.integers(0, size - SIDE + 1, 2)
    return _similar(0.0, 1.0, corner + CENTRE, size)


def projected(rng: np.random.Generator, size: int) -> Floats:
    """Scale by 0.75 to 1 and move each corner by about 5 px: the paper's P."""
    scale = rng.uniform(*SHRUNK)
    corners = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)]) * SIDE / 2
    places = (size - 1) / 2 + scale * corners + rng.normal(0, CORNER_STEP, (4, 2))
    matrix = _homography(places, corners + CENTRE)
    grid = np.concatenate([_pixels(size), np.ones((size, size, 1))], 2) @ matrix.T
    behind = grid[..., 2:] <= 1e-6
    return np.where(behind, -SIDE, grid[..., :2] / np.where(behind, 1, grid[..., 2:]))


def elastic(rng: np.random.Generator, size: int) -> Floats:
    """Scale by 0.75 to 1 and bend by a spline of 16 control points, each moved by about 1.5 px: the paper's E."""
    scale = rng.uniform(*SHRUNK)
    moves = (_spline(size) @ rng.normal(0, ELASTIC_STEP, (ELASTIC_POINTS**2, 2))).reshape(size, size, 2)
    return _similar(0.0, scale, (size - 1) / 2 - moves, size)


def _similar(angle: float, scale: float, centre: NDArray[np.floating], size: int) -> Floats:
    """A digit turned (degrees), scaled and put at `centre`: a place (2,), or one for each pixel (S, S, 2)."""
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / scale
    return (_pixels(size) - centre) @ matrix.T + CENTRE


@cache
def _pixels(size: int) -> Floats:
    """Row and column (S, S, 2) of each pixel."""
    return np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij"), -1).astype(np.float64)


def _homography(places: Floats, corners: Floats) -> Floats:
    """The projective map (3, 3) from four places (4, 2) to four corners (4, 2)."""
    rows = []
    for (a, b), (u, v) in zip(places, corners, strict=True):
        rows += [[a, b, 1, 0, 0, 0, -u * a, -u * b], [0, 0, 0, a, b, 1, -v * a, -v * b]]
    try:
        return np.append(np.linalg.solve(rows, corners.ravel()), 1).reshape(3, 3)
    except np.linalg.LinAlgError:  # three corners on a line: nothing is to be seen but the line
        return np.diag([1e6, 1e6, 1.0])


@cache
def _spline(size: int) -> Floats:
    """What each control point's move does to each pixel, (S * S, 16): a spline is linear in the moves."""
    line = np.linspace(0, size - 1, ELASTIC_POINTS)
    points = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    spline = RBFInterpolator(points, np.eye(len(points)), kernel="thin_plate_spline")
    return spline(_pixels(size).reshape(-1, 2))


DISTORTIONS: dict[str, Distortion] = {
    "rotated": rotated,
    "rotated_scaled_translated": rotated_scaled_translated,
    "projected": projected,
    "elastic": elastic,
    "translated": translated,
    "cluttered": translated,
}
