"""Clusters of descriptors."""

import numpy as np
import pytest

from tiae_zoo.discovery.clustering import cluster


def bunches(sizes: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Descriptors in tight bunches that are far apart, in a random order."""
    rng = np.random.default_rng(seed)
    centres = 10 * np.eye(len(sizes), 5)
    descriptors = np.concatenate(
        [centre + rng.normal(0, 0.1, (size, 5)) for centre, size in zip(centres, sizes, strict=True)]
    )
    return rng.permutation(descriptors).astype(np.float32)


def test_bunches_are_clusters_and_the_largest_comes_first() -> None:
    descriptors = bunches((5, 20, 10))
    found = cluster(descriptors, 0.3)
    assert found.count == 3
    assert np.bincount(found.labels).tolist() == [20, 10, 5]
    for number in range(3):
        members = descriptors[found.members(number)]
        assert np.ptp(members, axis=0).max() < 2


def test_a_larger_quantile_gives_no_more_clusters() -> None:
    descriptors = bunches((6, 6, 6, 6))
    counts = [cluster(descriptors, quantile).count for quantile in (0.05, 0.2, 1.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 1


@pytest.mark.parametrize("quantile", [0.001, 0.3, 1.0])
def test_few_or_equal_descriptors_are_clusters_too(quantile: float) -> None:
    assert cluster(np.ones((1, 3), np.float32), quantile).labels.tolist() == [0]
    assert cluster(np.ones((4, 3), np.float32), quantile).labels.tolist() == [0, 0, 0, 0]
    assert len(cluster(np.eye(2, dtype=np.float32), quantile).labels) == 2


@pytest.mark.parametrize("seed", [0, 38])
def test_equal_twins_belong_together(seed: int) -> None:
    some = np.random.default_rng(seed).normal(size=(8, 30)).astype(np.float32)
    labels = cluster(np.tile(some, (2, 1)), 0.02).labels
    assert np.array_equal(labels[:8], labels[8:])
    assert len(set(labels)) == 8


def test_the_same_descriptors_give_the_same_clusters() -> None:
    descriptors = bunches((9, 8, 7, 6))
    first, second = cluster(descriptors, 0.1), cluster(descriptors, 0.1)
    assert np.array_equal(first.labels, second.labels)
    assert first.bandwidth == second.bandwidth


@pytest.mark.parametrize("quantile", [0.02, 0.05])
def test_the_bandwidth_reaches_another_descriptor_for_any_number_of_them(quantile: float) -> None:
    descriptors = np.random.default_rng(0).normal(size=(130, 2)).astype(np.float32)
    for count in range(2, len(descriptors) + 1):
        assert cluster(descriptors[:count], quantile).bandwidth > 0, count


def test_of_descriptors_that_are_alike_the_most_frequent_are_cluster_zero() -> None:
    alike = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]], np.float32)
    assert cluster(np.repeat(alike, 5, 0), 0.02).labels[-1] == 0
