"""Supervised networks that give a class to each pixel: images (B, C, H, W) -> a tuple of logits (B, K, H, W).

The first logits are the answer; others, given in training only, help to learn.
"""

from tiae_zoo.networks.segmentation.deconvnet import DeconvNet
from tiae_zoo.networks.segmentation.fcn import FCN8s
from tiae_zoo.networks.segmentation.multiscale import MultiScaleNet
from tiae_zoo.networks.segmentation.pspnet import PSPNet
from tiae_zoo.networks.segmentation.segnet import SegNet
from tiae_zoo.networks.segmentation.windows import covering_windows, stitched

__all__ = ["DeconvNet", "FCN8s", "MultiScaleNet", "PSPNet", "SegNet", "covering_windows", "stitched"]
