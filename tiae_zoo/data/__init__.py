"""Datasets as Lightning data modules; the batch contract is in `tiae_zoo.data.base`."""

from tiae_zoo.data.errors import DataError
from tiae_zoo.data.lfw import LFW
from tiae_zoo.data.mnist import MNIST

__all__ = ["LFW", "MNIST", "DataError"]
