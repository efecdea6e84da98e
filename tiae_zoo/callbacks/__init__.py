"""What a training step should not know about: the pictures of a run, and what its descriptors are good for."""

from tiae_zoo.callbacks.collapse_guard import CollapseGuard
from tiae_zoo.callbacks.compiled import Compiled
from tiae_zoo.callbacks.curves import TrainingCurves
from tiae_zoo.callbacks.descriptor_map import DescriptorMap
from tiae_zoo.callbacks.descriptor_probe import DescriptorProbe
from tiae_zoo.callbacks.divergence_guard import DivergenceGuard
from tiae_zoo.callbacks.drawing import save_grid
from tiae_zoo.callbacks.gallery import Gallery
from tiae_zoo.callbacks.mask_average import MaskAverage
from tiae_zoo.callbacks.pictures import side_by_side
from tiae_zoo.callbacks.ranked_masks import RankedMasks
from tiae_zoo.callbacks.wandb_masks import WandbMasks

__all__ = [
    "CollapseGuard",
    "Compiled",
    "DescriptorMap",
    "DescriptorProbe",
    "DivergenceGuard",
    "Gallery",
    "MaskAverage",
    "RankedMasks",
    "TrainingCurves",
    "WandbMasks",
    "save_grid",
    "side_by_side",
]
