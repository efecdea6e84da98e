"""Families of transforms T_theta of the input that a descriptor should not depend on."""

from tiae_zoo.invariance.background import Background
from tiae_zoo.invariance.base import Nearest, TransformFamily, best_error
from tiae_zoo.invariance.blur import Blur
from tiae_zoo.invariance.composition import Composition
from tiae_zoo.invariance.interval import Interval
from tiae_zoo.invariance.linear import LinearFamily
from tiae_zoo.invariance.rotation import Rotation
from tiae_zoo.invariance.scale import Scale
from tiae_zoo.invariance.shift import Shift

__all__ = [
    "Background",
    "Blur",
    "Composition",
    "Interval",
    "LinearFamily",
    "Nearest",
    "Rotation",
    "Scale",
    "Shift",
    "TransformFamily",
    "best_error",
]
