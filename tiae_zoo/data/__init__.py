"""Datasets as Lightning data modules; the batch contract is in `tiae_zoo.data.datasets`."""

from tiae_zoo.data.base import ZooDataModule
from tiae_zoo.data.clutteredmnist import ClutteredMNIST
from tiae_zoo.data.colored2mnist import Colored2MNIST
from tiae_zoo.data.cub import CUB
from tiae_zoo.data.distortedmnist import DistortedMNIST
from tiae_zoo.data.errors import DataError
from tiae_zoo.data.flowers import Flowers
from tiae_zoo.data.folder import Folder
from tiae_zoo.data.lfw import LFW, LFWParts
from tiae_zoo.data.maskfolder import MaskFolder
from tiae_zoo.data.mnist import MNIST
from tiae_zoo.data.page import PagePatches

__all__ = [
    "CUB",
    "LFW",
    "MNIST",
    "ClutteredMNIST",
    "Colored2MNIST",
    "DataError",
    "DistortedMNIST",
    "Flowers",
    "Folder",
    "LFWParts",
    "MaskFolder",
    "PagePatches",
    "ZooDataModule",
]
