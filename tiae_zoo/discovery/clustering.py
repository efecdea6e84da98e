"""Mean-shift clusters of descriptors: groups of patterns that look alike, wherever they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import MeanShift, estimate_bandwidth

from tiae_zoo.discovery.voting import Floats, Integers

LEAST_BANDWIDTH = 1e-3  # of the largest standard deviation: descriptors in equal pairs have a distance of rounding


@dataclass(frozen=True)
class Clusters:
    """A grouping of K descriptors."""

    labels: Integers
    """(K,), the cluster of each: 0 is the largest."""
    bandwidth: float
    """Radius of the mean shift's kernel, in the descriptors' own units."""

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return int(self.labels.max()) + 1

    def members(self, cluster: int) -> Integers:
        """Return which descriptors belong to a cluster, in their order."""
        return np.flatnonzero(self.labels == cluster)


def cluster(descriptors: Floats, quantile: float) -> Clusters:
    """Group descriptors by mean shift (Comaniciu and Meer 2002).

    Args:
        descriptors: (K, D), at least one.
        quantile: the bandwidth is the mean distance of a descriptor to the farthest of so large a share of all, its
            nearest, in (0, 1]: the larger, the fewer clusters.
    """
    count = len(descriptors)
    spread = float(descriptors.std(0, dtype=np.float64).max(initial=0))
    neighbours = min(count, max(2, round(quantile * count)))  # itself and at least one other
    # scikit-learn rounds the product down: half a neighbour more keeps the last one
    nearest = float(estimate_bandwidth(descriptors, quantile=min(1.0, (neighbours + 0.5) / count)))
    bandwidth = max(nearest, LEAST_BANDWIDTH * spread)
    alike = bandwidth == 0  # or only one
    found = np.zeros(count, np.int64) if alike else MeanShift(bandwidth=bandwidth).fit(descriptors).labels_
    _, labels, sizes = np.unique(found, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return Clusters(rank[labels], bandwidth)
