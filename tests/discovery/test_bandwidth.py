"""The bandwidth of the mean shift, whatever the number of hot spots."""

import numpy as np
import pytest

from tiae_zoo.discovery.clustering import cluster


@pytest.mark.parametrize("quantile", [0.02, 0.05])
def test_the_bandwidth_reaches_another_descriptor_for_any_number_of_them(quantile: float) -> None:
    descriptors = np.random.default_rng(0).normal(size=(130, 2)).astype(np.float32)
    for count in range(2, len(descriptors) + 1):
        assert cluster(descriptors[:count], quantile).bandwidth > 0, count


def test_of_descriptors_that_are_alike_the_most_frequent_are_cluster_zero() -> None:
    alike = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]], np.float32)
    assert cluster(np.repeat(alike, 5, 0), 0.02).labels[-1] == 0
