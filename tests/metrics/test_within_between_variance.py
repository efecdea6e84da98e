"""The variance ratio of descriptors against NumPy, and its edges."""

import math

import numpy as np
import pytest
import torch

from tiae_zoo.metrics import WithinBetweenVariance


def random_descriptors(images=9, versions=5, features=4, offset=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = 3 * torch.randn(images, 1, features, generator=generator)
    return centres + torch.randn(images, versions, features, generator=generator) + offset


def ratio(descriptors):
    centres = descriptors.astype(np.float64).mean(1)
    return descriptors.astype(np.float64).var(1).sum(1).mean() / centres.var(0).sum()


def streamed(descriptors, chunk):
    metric = WithinBetweenVariance(descriptors.shape[2])
    for part in descriptors.split(chunk):
        metric.update(part)
    return metric


@pytest.mark.parametrize("chunk", [1, 4, 9])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_stream_equals_numpy(chunk, offset):
    descriptors = random_descriptors(offset=offset)
    measured = streamed(descriptors, chunk).compute().item()
    assert measured == pytest.approx(ratio(descriptors.numpy()), rel=1e-4 if offset else 1e-5)


def test_within_and_between_make_the_total_variance():
    descriptors = random_descriptors()
    count, within, between = streamed(descriptors, 4).moments[:3]
    total = descriptors.flatten(0, 1).var(0, correction=0).sum()
    torch.testing.assert_close((within + between) / count, total)


def test_perfect_invariance_is_zero():
    descriptors = random_descriptors(versions=1).expand(-1, 6, -1)
    assert streamed(descriptors, 3).compute().item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 40])
def test_a_descriptor_that_ignores_its_image_is_not_invariant(chunk):
    constant = torch.rand(30, generator=torch.Generator().manual_seed(0))  # its mean is not exact in float32
    assert streamed(constant.expand(40, 3, 30), chunk).compute().item() == math.inf


def test_no_images_give_nan():
    metric = WithinBetweenVariance(4)
    metric.update(torch.zeros(0, 3, 4))
    assert math.isnan(metric.compute().item())


def test_descriptors_that_are_nan_give_nan():
    descriptors = random_descriptors()
    descriptors[2, 1, 0] = torch.nan
    assert math.isnan(streamed(descriptors, 4).compute().item())


def test_forward_and_reset():
    descriptors = random_descriptors()
    metric = WithinBetweenVariance(4)
    metric(descriptors[:5])
    of_batch = metric(descriptors[5:])
    assert of_batch.item() == pytest.approx(ratio(descriptors[5:].numpy()), rel=1e-5)
    assert metric.compute().item() == pytest.approx(ratio(descriptors.numpy()), rel=1e-5)
    metric.reset()
    metric.update(descriptors[:3])
    assert metric.compute().item() == pytest.approx(ratio(descriptors[:3].numpy()), rel=1e-5)


def test_half_precision_descriptors():
    descriptors = random_descriptors()
    assert streamed(descriptors.half(), 4).compute().item() == pytest.approx(ratio(descriptors.numpy()), rel=1e-2)


@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 5), (3, 0, 4)])
def test_wrong_shapes_are_named(shape):
    with pytest.raises(ValueError, match="images, versions, 4"):
        WithinBetweenVariance(4).update(torch.zeros(shape))
