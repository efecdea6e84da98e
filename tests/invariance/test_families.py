"""What every family of transforms keeps, whichever it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from jsonargparse import ArgumentParser
from slow_transforms import digits, distances_slowly

from tiae_zoo.invariance import Background, Blur, Composition, Rotation, Scale, Shift, TransformFamily

HEIGHT, WIDTH = 10, 13


def families() -> list[TransformFamily]:
    pool = torch.rand(3, 2, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    return [
        Shift(2),
        Rotation(40, 5),
        Scale(0.7, 1.4, 4),
        Blur(1.5, 3),
        Background(pool),
        Composition([Rotation(20, 3), Scale(0.8, 1.2, 3), Blur(1, 2), Shift(2), Background(pool)]),
    ]


@pytest.fixture(params=families(), ids=lambda family: type(family).__name__)
def family(request: pytest.FixtureRequest) -> TransformFamily:
    return request.param


def pictures(count: int = 4) -> torch.Tensor:
    return digits(2 * count, HEIGHT, WIDTH).view(count, 2, HEIGHT, WIDTH)


def test_theta_is_float32_with_a_column_a_parameter(family: TransformFamily) -> None:
    images = pictures()
    thetas = [family.sample(images)[1], family.grid(3), family.candidates(), family.nearest(images, images).theta]
    assert {theta.dtype for theta in thetas} == {torch.float32}
    assert {theta.shape[1] for theta in thetas} == {len(family.parameters)}
    assert len(thetas[0]) == len(thetas[3]) == len(images)


def test_a_sample_is_what_its_theta_gives(family: TransformFamily) -> None:
    images = pictures()
    transformed, theta = family.sample(images, torch.Generator().manual_seed(1))
    assert torch.equal(transformed, family.apply(images, theta))
    assert torch.equal(theta, family.sample(images, torch.Generator().manual_seed(1))[1])
    assert len(theta.unique(dim=0)) > 1


def test_each_image_has_its_own_theta(family: TransformFamily) -> None:
    images = pictures()
    transformed, theta = family.sample(images)
    for i in range(len(images)):
        torch.testing.assert_close(transformed[i], family.apply(images[i : i + 1], theta[i : i + 1])[0])


def test_the_identity_is_a_candidate(family: TransformFamily) -> None:
    images = pictures()
    distances = distances_slowly(family, images, images)
    assert distances.amin(1).max() < 1e-9
    found = family.nearest(images, images)
    torch.testing.assert_close(found.image, images, rtol=0, atol=1e-5)


def test_nearest_has_the_smallest_distance_of_the_loop(family: TransformFamily) -> None:
    images = pictures(8)
    restored, images = family.sample(images[:4])[0], images[4:]
    found = family.nearest(restored, images)
    smallest = distances_slowly(family, restored, images).amin(1)
    torch.testing.assert_close((restored - found.image).square().sum((1, 2, 3)), smallest, rtol=1e-4, atol=1e-5)
    assert torch.equal(found.image, family.apply(images, found.theta))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_images_keep_their_type_and_search_its_digits(family: TransformFamily, dtype: torch.dtype) -> None:
    images = pictures(8).to(dtype)
    transformed, theta = family.sample(images)
    assert transformed.dtype == dtype
    assert transformed.shape == images.shape
    precise = family.apply(images.double(), theta)
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5}.get(dtype, 2e-2)
    torch.testing.assert_close(transformed.double(), precise, rtol=0, atol=tolerance)
    found = family.nearest(images[:4], images[4:])
    smallest = distances_slowly(family, images[:4].double(), images[4:].double()).amin(1)
    distance = (images[:4].double() - family.apply(images[4:].double(), found.theta)).square().sum((1, 2, 3))
    torch.testing.assert_close(distance, smallest, rtol=1e-2 if dtype.itemsize < 4 else 1e-5, atol=1e-5)


def test_the_layout_in_memory_changes_nothing(family: TransformFamily) -> None:
    images = pictures(8)
    turned = images.permute(3, 0, 2, 1).contiguous().permute(1, 3, 2, 0)
    assert not turned.is_contiguous()
    found, expected = family.nearest(turned[:4], turned[4:]), family.nearest(images[:4], images[4:])
    assert torch.equal(found.theta, expected.theta)
    torch.testing.assert_close(found.image, expected.image)
    torch.testing.assert_close(family.apply(turned[4:], found.theta), expected.image)


def test_autocast_changes_nothing(family: TransformFamily) -> None:
    images = pictures(8)
    with torch.autocast("cpu", torch.bfloat16):
        transformed, theta = family.sample(images)
        lowered = family.nearest(images[:4], images[4:])
    torch.testing.assert_close(transformed, family.apply(images, theta))
    full = family.nearest(images[:4], images[4:])
    torch.testing.assert_close(lowered.theta, full.theta)
    torch.testing.assert_close(lowered.image, full.image)


def test_nearest_has_no_gradient_and_takes_restorations_that_have_one(family: TransformFamily) -> None:
    images = pictures()
    found = family.nearest(images.clone().requires_grad_(), images.clone().requires_grad_())
    assert not found.image.requires_grad


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_device_changes_nothing(family: TransformFamily) -> None:
    images = pictures(8)
    on_cpu = family.nearest(images[:4], images[4:])
    on_gpu = family.nearest(images[:4].cuda(), images[4:].cuda())
    torch.testing.assert_close(on_gpu.theta.cpu(), on_cpu.theta)
    torch.testing.assert_close(on_gpu.image.cpu(), on_cpu.image, rtol=0, atol=1e-5)
    transformed, theta = family.sample(images.cuda())
    assert transformed.is_cuda
    assert theta.is_cuda


class Owner:
    """Stands for a method with a family among its arguments."""

    def __init__(self, family: TransformFamily) -> None:
        self.family = family


def test_families_are_written_in_yaml(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        """
        owner:
          family:
            class_path: Composition
            init_args:
              stride: 3
              families:
                - class_path: Rotation
                  init_args: {max_angle: 45, num_angles: 19}
                - class_path: Shift
        """
    )
    parser = ArgumentParser()
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(Owner, "owner")
    family = parser.instantiate_classes(parser.parse_args([f"--config={config}"])).owner.family
    assert isinstance(family, Composition)
    assert family.parameters == ("angle", "dx", "dy")
    assert len(family.candidates()) == 19 * 289


def test_a_family_reaches_as_far_as_it_moves_ink() -> None:
    frame = torch.ones(1, 1, 32, 32)
    wide = F.pad(frame, [20] * 4)
    composed = Composition([Scale(1, 1.25, 2), Shift(2)]), Composition([Rotation(45, 3), Scale(1, 1.5, 2)])
    for family in (Shift(3), Rotation(45, 5), Scale(0.5, 1.5, 5), Blur(1), *composed):
        reach = family.reach(32)
        assert reach <= 20
        if isinstance(family, Blur):
            continue  # spreads it out, and does not move it
        candidates = family.candidates()
        moved = family.apply(wide.expand(len(candidates), -1, -1, -1), candidates)
        used = (moved.amax((0, 1)) > 0.5).nonzero()
        assert 20 - used.min() in (reach - 1, reach)


def test_families_with_keyword_only_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="keyword-only"):
        type("Dim", (Shift,), {"__init__": lambda self, *, by=0.5: None})


def test_a_composition_in_a_composition_is_refused() -> None:
    with pytest.raises(ValueError, match="in one list"):
        Composition([Composition([Blur(1, 2)]), Shift(2)])


def test_pictures_of_a_pool_are_kept_without_their_file(tmp_path: Path) -> None:
    np.save(tmp_path / "pool.npy", np.full((2, 1, 4, 4), 255, np.uint8))
    torch.save(Background(str(tmp_path / "pool.npy")), tmp_path / "family.pt")
    (tmp_path / "pool.npy").unlink()
    assert torch.equal(torch.load(tmp_path / "family.pt", weights_only=True).pool, torch.ones(2, 1, 4, 4))
