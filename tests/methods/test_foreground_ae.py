"""The foreground-extraction auto-encoder: its objective against the formula, its masks, what it asks of the data."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader

from tests.quiet import quiet_trainer
from tests.samples import digits
from tiae_zoo.invariance import Shift
from tiae_zoo.methods import ForegroundAE


def samples(count: int) -> list[dict[str, Tensor]]:
    torch.manual_seed(0)
    return [{"image": image, "background": torch.rand(1, 32, 32)} for image in digits(count)]


def trainer(epochs: int = 1) -> Trainer:
    return quiet_trainer(max_epochs=epochs)


def scores_of(method: ForegroundAE, data: list[dict[str, Tensor]]) -> dict[str, float]:
    (scores,) = trainer().test(method, DataLoader(data, 8), verbose=False)
    return {name.removeprefix("test/"): float(value) for name, value in scores.items()}


@pytest.mark.parametrize("max_shift", [0, 2])
def test_losses_are_the_formula_term_by_term(max_shift: int) -> None:
    torch.manual_seed(0)
    method = ForegroundAE(max_shift).eval()
    images = digits(3)
    shifts = torch.tensor([[0, 0], [1, -2], [2, 2], [0, 1], [-2, 0], [1, 1]]).float().clamp(-max_shift, max_shift)
    moved = method.shift.apply(images.repeat(2, 1, 1, 1), shifts)
    composed = moved + (1 - moved) * torch.rand_like(moved)
    with torch.no_grad():
        invariance, restoration, spread, placement = method.losses(images, composed, shifts)
        restored, codes = method.restore(composed), method.encode(composed)
    pairs = (restored[:3] - restored[3:]).square().sum((1, 2, 3))
    wide = F.pad(images.repeat(2, 1, 1, 1), [8] * 4)  # nothing leaves this frame
    every = [method.shift.apply(wide, s.expand(6, -1)) for s in Shift(max_shift).candidates()]
    nearest = (F.pad(restored, [8] * 4) - torch.stack(every)).square().sum((2, 3, 4)).amin(0)
    assert float(invariance) == pytest.approx(float(pairs.mean()), rel=1e-4)
    assert float(restoration) == pytest.approx(float(nearest.mean()), rel=1e-4)
    assert float(spread) == pytest.approx(float((codes.abs().sum(1) ** 2 / codes.square().sum(1)).mean()), rel=1e-4)
    if max_shift:
        places = Shift(16).candidates()
        patterns = torch.stack([method.placement.apply(restored[:3], place.expand(3, -1)) for place in places])
        teacher = places[(patterns - moved[:3]).square().sum((2, 3, 4)).argmin(0)]
        with torch.no_grad():
            expected = F.smooth_l1_loss(method.regressor(composed[:3]), teacher)
        assert float(placement) == pytest.approx(float(expected), rel=1e-4)
    else:
        assert placement == 0


def test_the_background_is_put_behind_the_object() -> None:
    method = ForegroundAE()
    batch = {"image": digits(2), "background": torch.rand(2, 1, 32, 32)}
    images, truth = method.compose(batch)
    assert torch.equal(truth, batch["image"])
    opaque, clear = truth == 1, truth == 0
    assert torch.equal(images[opaque], truth[opaque])
    assert torch.equal(images[clear], batch["background"][clear])
    for version, flipped in [(1, [2]), (2, [3]), (3, [2, 3])]:
        other, _ = method.compose(batch, version)
        assert torch.equal(other[clear], batch["background"].roll(version, 0).flip(flipped)[clear])


def test_the_same_pictures_are_scored_whatever_the_batch_size() -> None:
    method = ForegroundAE(max_shift=8)
    batch = {"image": digits(6), "background": torch.rand(6, 1, 32, 32), "index": torch.arange(6)}
    whole, _ = method.compose(batch)
    last, _ = method.compose({key: value[4:] for key, value in batch.items()})
    assert torch.equal(whole[4:], last)


def test_descriptors_that_tell_the_light_of_the_background_are_not_invariant() -> None:
    class Light(ForegroundAE):
        def encode(self, images: Tensor) -> Tensor:
            return images.mean((1, 2, 3))[:, None].expand(-1, 30)

    grey = [{**sample, "background": torch.full((1, 32, 32), k / 16)} for k, sample in enumerate(samples(16))]
    assert scores_of(Light(), grey)["variance_ratio"] > 0.1


def test_versions_of_an_object_lie_elsewhere_along_both_axes() -> None:
    method = ForegroundAE(max_shift=8)
    dot = torch.zeros(1, 1, 32, 32)
    dot[..., 16, 16] = 1
    batch = {"image": dot, "background": torch.zeros(1, 1, 32, 32)}
    places = torch.stack([method.compose(batch, version)[1].nonzero()[0, 2:] for version in range(4)]).float()
    assert (places.var(0, unbiased=False) > 15).all()  # 32 for all 25 shifts


def test_a_short_training_finds_the_object() -> None:
    seed_everything(0, verbose=False)
    data = samples(640)
    method = ForegroundAE()
    before = scores_of(method, data[512:])
    trainer(12).fit(method, DataLoader(data[:512], 64, shuffle=True, drop_last=True))
    after = scores_of(method, data[512:])
    assert after["foreground_iou"] > max(0.4, before["foreground_iou"])
    assert after["psnr"] > before["psnr"]
    assert after["iou"] >= after["foreground_iou"] - 1e-6  # the better of mask and flip


def test_a_perfect_restoration_scores_so() -> None:
    data = samples(8)
    truth = torch.stack([sample["image"] for sample in data])

    class Perfect(ForegroundAE):
        def extract(self, images: Tensor) -> Tensor:
            return truth.clone()

    scores = scores_of(Perfect(), data)
    assert scores["foreground_iou"] == scores["iou"] == scores["acc"] == 1
    assert scores["psnr"] > 60


def test_images_with_masks_are_scored_as_they_are() -> None:
    images = digits(8)
    data = [{"image": image, "mask": (image[0] > 0.5).long()} for image in images]

    class Bright(ForegroundAE):
        def extract(self, images: Tensor) -> Tensor:
            return images

    scores = scores_of(Bright(), data)
    assert scores["iou_dataset"] == 1
    assert "psnr" not in scores


def test_masks_follow_the_object_by_the_shift_of_r() -> None:
    class Known(ForegroundAE):
        def restore(self, images: Tensor) -> Tensor:
            return digits(1)

    method = Known(max_shift=8).eval()
    with torch.no_grad():
        method.regressor.shift[-1].weight.zero_()
        method.regressor.shift[-1].bias.copy_(torch.tensor([5 / 16, -3 / 16]))
        mask = method.segment(torch.rand(1, 1, 32, 32))
    expected = Shift(8).apply(digits(1), torch.tensor([[5.0, -3.0]]))
    torch.testing.assert_close(mask[:, 1:], expected)


def test_data_without_backgrounds_is_refused() -> None:
    data = [{"image": image} for image in digits(8)]
    with pytest.raises(MisconfigurationException, match="Choose some, for example"):
        trainer().fit(ForegroundAE(), DataLoader(data, 8))
