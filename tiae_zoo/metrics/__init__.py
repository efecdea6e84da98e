"""Scores of segmentations without labels, and of descriptors that should ignore a change."""

from tiae_zoo.metrics.functional import IGNORED
from tiae_zoo.metrics.invariance import WithinBetweenVariance
from tiae_zoo.metrics.probes import probe_descriptors
from tiae_zoo.metrics.segmentation import MatchedSegmentation

__all__ = ["IGNORED", "MatchedSegmentation", "WithinBetweenVariance", "probe_descriptors"]
