"""What a training step should not know about: the pictures of a run."""

from tiae_zoo.callbacks.descriptor_map import DescriptorMap
from tiae_zoo.callbacks.gallery import Gallery

__all__ = ["DescriptorMap", "Gallery"]
