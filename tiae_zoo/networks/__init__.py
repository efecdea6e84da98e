"""The architectures, as plain modules; each names the paper's table."""

from tiae_zoo.networks.stn import RecurrentTransformer, SpatialTransformer

__all__ = ["RecurrentTransformer", "SpatialTransformer"]
