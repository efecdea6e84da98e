"""Randomness of drawn data: a pure function of (seed, split, index), whatever machine, worker or rank asks."""

import numpy as np

from tiae_zoo.data.errors import DataError

SPLIT_CODE = {"train": 0, "val": 1, "test": 2}


def check_seed(argument: str, seed: int) -> None:
    """Accept a seed that NumPy takes.

    Raises:
        DataError: it is negative.
    """
    if seed < 0:
        raise DataError(f"{argument}={seed} is negative; give one of at least 0.")


def generator(seed: int, split: str, index: int) -> np.random.Generator:
    """The source of randomness of one sample.

    Args:
        seed: Not negative; another one gives other samples.
        split: `train`, `val` or `test`.
        index: Position in the split.
    """
    return np.random.default_rng((seed, SPLIT_CODE[split], index))
