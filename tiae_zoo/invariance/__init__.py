"""Families of transforms T_theta of the input that a descriptor should not depend on."""

from tiae_zoo.invariance.base import Nearest, TransformFamily
from tiae_zoo.invariance.shift import Shift

__all__ = ["Nearest", "Shift", "TransformFamily"]
