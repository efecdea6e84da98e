"""One LightningModule a file: the paper's algorithm, to be read from top to bottom."""

from tiae_zoo.methods.autoencoder import AutoEncoder
from tiae_zoo.methods.base import Segmenter
from tiae_zoo.methods.describer import Describer
from tiae_zoo.methods.foreground_ae import ForegroundAE
from tiae_zoo.methods.pca import PCA
from tiae_zoo.methods.redo import ReDO
from tiae_zoo.methods.shift_ae import ShiftInvariantAE
from tiae_zoo.methods.stn import STNClassifier
from tiae_zoo.methods.supervised import SupervisedSegmenter

__all__ = [
    "PCA",
    "AutoEncoder",
    "Describer",
    "ForegroundAE",
    "ReDO",
    "STNClassifier",
    "Segmenter",
    "ShiftInvariantAE",
    "SupervisedSegmenter",
]
