"""ReDO's step against the equations, written out image by image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader

from tests.quiet import quiet_trainer
from tiae_zoo.callbacks import MaskAverage
from tiae_zoo.checkpoints import load_model
from tiae_zoo.methods import ReDO

SMALL: dict[str, Any] = {
    "image_size": 32,
    "mask_width": 8,
    "generator_width": 2,
    "discriminator_width": 4,
    "dim_z": 4,
}


@pytest.fixture
def pictures() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images, real = torch.rand(2, 2, 3, 32, 32, generator=generator) * 2 - 1
    return images, real, torch.randn(2, 3, 4, generator=generator)


def test_all_regions_are_redrawn_each_in_its_own_image(pictures: tuple[Tensor, Tensor, Tensor]) -> None:
    images, _, z = pictures
    method = ReDO(num_regions=3, **SMALL).eval()
    masks = method.mask_network(images)
    redrawn, seen = method.redraw_images(images, masks, z, region=None)
    regions = method.draw(masks, z)
    for i in range(2):
        for k in range(3):
            mask = masks[i, k]
            alone = method.generators[k](mask[None, None], z[i, k][None])[0]  # M_k * G_k(M_k, z_k)
            torch.testing.assert_close(regions[i, k], alone, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(redrawn[3 * i + k], alone + (1 - mask) * images[i], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(seen[i], regions[i].sum(0))


def test_one_region_is_redrawn_and_the_rest_stays(pictures: tuple[Tensor, Tensor, Tensor]) -> None:
    images, _, z = pictures
    method = ReDO(num_regions=3, **SMALL).eval()
    masks = method.mask_network(images)
    redrawn, seen = method.redraw_images(images, masks, z, region=1)
    every, _ = method.redraw_images(images, masks, z, region=None)
    torch.testing.assert_close(redrawn, every[1::3])
    assert torch.equal(seen, redrawn)  # the paper's encoder looks at the recomposed image


@pytest.mark.parametrize("region", [None, 2])
def test_losses_are_the_equations(pictures: tuple[Tensor, Tensor, Tensor], region: int | None) -> None:
    images, real, z = pictures
    method = ReDO(num_regions=3, **SMALL).eval()
    adversarial, recovery = method.generator_losses(images, z, region)
    redrawn, seen = method.redraw_images(images, method.mask_network(images), z, region)
    scores = [float(method.discriminator(image[None])) for image in redrawn]
    assert float(adversarial) == pytest.approx(-sum(scores) / len(scores), rel=1e-4, abs=1e-5)
    kept = slice(None) if region is None else slice(region, region + 1)
    errors = (method.encoder(seen)[:, kept] - z[:, kept]).square()
    assert float(recovery) == pytest.approx(float(errors.mean()), rel=1e-4)

    loss = method.discriminator_loss(images, z, region, real)
    fake_part = sum(max(0.0, 1 + score) for score in scores) / len(scores)
    real_part = sum(max(0.0, 1 - float(method.discriminator(image[None]))) for image in real) / len(real)
    assert float(loss) == pytest.approx(fake_part + real_part, rel=1e-4)


def test_each_is_the_mean_of_one_over_the_regions(pictures: tuple[Tensor, Tensor, Tensor]) -> None:
    images, _, z = pictures
    method = ReDO(num_regions=3, redraw="each", **SMALL).eval()
    alone = torch.tensor([[float(loss) for loss in method.generator_losses(images, z, region)] for region in range(3)])
    together = torch.tensor([float(loss) for loss in method.generator_losses(images, z, None)])
    torch.testing.assert_close(together, alone.mean(0), rtol=1e-4, atol=1e-5)


def test_centring_ends_after_its_iterations_and_masks_go_on_from_there(tmp_path: Path) -> None:
    torch.manual_seed(0)  # scores whose mean is not zero by chance
    image = torch.rand(3, 32, 32)
    seen: list[tuple[bool, bool, Tensor]] = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
            averaged = average._average.module.centring  # type: ignore[union-attr]
            scores = pl_module.mask_network.logits(image[None] * 2 - 1)[0].mean()
            seen.append((bool(pl_module.mask_network.centring), bool(averaged), scores.detach()))

    average, data = MaskAverage(), DataLoader([{"image": image} for _ in range(2)], 2)

    def fit(iterations: int, **start: Any) -> Trainer:
        trainer = quiet_trainer(max_epochs=-1, max_steps=2 * iterations, callbacks=[average, Watch()])
        trainer.fit(ReDO(centring_iterations=3, mask_lr=0, **SMALL), data, **start)
        return trainer

    fit(2).save_checkpoint(tmp_path / "two.ckpt")
    fit(4, ckpt_path=tmp_path / "two.ckpt").save_checkpoint(tmp_path / "four.ckpt")
    fit(5, ckpt_path=tmp_path / "four.ckpt").save_checkpoint(tmp_path / "five.ckpt")
    assert [centring for centring, _, _ in seen] == [averaged for _, averaged, _ in seen] == [True] * 3 + [False] * 2
    # F stands still, and all images are one: its mean is the batch's
    torch.testing.assert_close(torch.stack([scores for _, _, scores in seen]), torch.zeros(5), rtol=0, atol=1e-5)
    stored = ReDO.load_from_checkpoint(tmp_path / "five.ckpt").mask_network
    assert not stored.centring
    assert float(stored.decoder[-1].bias.detach().abs()) > 1e-3


@pytest.mark.parametrize(("first", "then"), [(1, 3), (9, 1)])
def test_centring_ends_once_whatever_a_resumed_training_asks_for(first: int, then: int, tmp_path: Path) -> None:
    torch.manual_seed(0)  # scores whose mean is not zero by chance
    data = DataLoader([{"image": torch.rand(3, 32, 32)} for _ in range(4)], 2)
    settings = {**SMALL, "mask_lr": 0}

    def fit(iterations: int, centring: int, **start: Any) -> tuple[Trainer, ReDO]:
        method = ReDO(centring_iterations=centring, **settings)
        trainer = quiet_trainer(max_epochs=-1, max_steps=2 * iterations)
        trainer.fit(method, data, **start)
        return trainer, method

    trainer, before = fit(2, first)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    _, after = fit(5, then, ckpt_path=tmp_path / "two.ckpt")
    assert not after.mask_network.centring
    moved = (after.mask_network.decoder[-1].bias - before.mask_network.decoder[-1].bias).abs()
    assert bool(moved > 1e-3) is bool(before.mask_network.centring)  # once, and not again


def test_optimisers_follow_section_four() -> None:
    method = ReDO(lr=1e-4, mask_lr=1e-5, **SMALL)
    drawing, judging = method.configure_optimizers()
    assert [group["lr"] for group in drawing.param_groups] == [1e-4, 1e-5]
    assert [group["weight_decay"] for group in drawing.param_groups] == [0, 1e-4]
    masking = {id(parameter) for parameter in drawing.param_groups[1]["params"]}
    assert masking == {id(parameter) for parameter in method.mask_network.parameters()}
    assert all(group["betas"] == (0.0, 0.9) for group in drawing.param_groups + judging.param_groups)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"redraw": "One"}, "'all', 'one' or 'each'"),
        ({"dim_z": 0}, "dim_z is the length of z"),
        ({"num_regions": 1}, "the whole image"),
        ({"mask_scale": 0}, "F cannot see images 0 times as large"),
        ({"centring_iterations": -1}, "centring_iterations is -1"),
        ({"mask_width": 3}, "mask_width is 3 channels. Set it to 4 or more"),
        ({"generator_width": 0}, "generator_width is 0 channels. Set it to 1 or more"),
        ({"discriminator_width": -1}, "discriminator_width is -1 channels. Set it to 1 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ReDO(**{**SMALL, **wrong})


def test_the_narrowest_networks_train() -> None:
    narrow = {"mask_width": 4, "generator_width": 1, "discriminator_width": 1}
    method = ReDO(**{**SMALL, **narrow})
    losses = method.generator_losses(torch.rand(2, 3, 32, 32), torch.randn(2, method.num_regions, method.dim_z), None)
    sum(losses).backward()  # type: ignore[union-attr]
    assert all(torch.isfinite(loss) for loss in losses)


@pytest.mark.parametrize("mask_scale", [1, 2])
def test_masks_scores_and_codes_are_in_float32_under_autocast(mask_scale: int) -> None:
    method = ReDO(num_regions=3, mask_scale=mask_scale, **SMALL)
    images = torch.rand(2, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        masks, scores, codes = method.segment(images), method.discriminator(images), method.encoder(images)
    assert masks.dtype == scores.dtype == codes.dtype == torch.float32
    torch.testing.assert_close(masks.sum(1), torch.ones(2, 32, 32), rtol=0, atol=1e-6)


def test_a_batch_of_one_image_is_refused_with_the_way_out() -> None:
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False
    )
    with pytest.raises(MisconfigurationException, match=r"Set data.batch_size to 2 or more"):
        trainer.fit(ReDO(**SMALL), DataLoader([{"image": torch.rand(3, 32, 32)}]))


def test_training_needs_no_masks() -> None:
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False
    )
    data = [{"image": torch.rand(3, 32, 32)} for _ in range(4)]
    trainer.fit(ReDO(**SMALL), DataLoader(data, 4), DataLoader(data, 4))
    assert "val/iou" not in trainer.callback_metrics
    assert torch.isfinite(trainer.callback_metrics["train/loss_d"])


def test_each_player_wins_against_a_frozen_other(pictures: tuple[Tensor, Tensor, Tensor]) -> None:
    images, real, z = pictures
    method = ReDO(num_regions=3, lr=1e-3, mask_lr=1e-3, **SMALL)
    drawing, judging = method.configure_optimizers()

    def play(optimiser: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> tuple[float, float]:
        values = []
        for _ in range(30):
            optimiser.zero_grad()
            value = loss()
            value.backward()
            optimiser.step()
            values.append(float(value.detach()))
        return values[0], values[-1]

    before, after = play(judging, lambda: method.discriminator_loss(images, z, None, real))
    assert after < 0.8 * before
    before, after = play(drawing, lambda: method.generator_losses(images, z, None)[0])  # the adversarial term alone
    assert after < before - 0.1


def test_the_truth_is_drawn_by_its_own_classes() -> None:
    method = ReDO(num_regions=3, num_classes=2, **SMALL).eval()
    mask = torch.tensor([0, 1, 255]).repeat(1, 32, 11)[:, :, :32]
    truth = method.gallery({"image": torch.rand(1, 3, 32, 32), "mask": mask})["truth"]
    assert truth[0, 0, 0, :3].tolist() == [0, 1, 0.5]


def test_generators_that_no_file_held_draw_nothing_until_they_are_trained(tmp_path: Path) -> None:
    method = load_model("redo_lfw_32")  # F alone
    batch = {"image": torch.rand(1, 3, 32, 32)}
    assert list(method.gallery(batch)) == ["input", "mask 1"]
    trainer = quiet_trainer(max_steps=2)
    trainer.strategy.connect(method)
    trainer.save_checkpoint(tmp_path / "again.ckpt")
    assert list(ReDO.load_from_checkpoint(tmp_path / "again.ckpt").gallery(batch)) == ["input", "mask 1"]
    trainer.fit(method, DataLoader([{"image": torch.rand(3, 32, 32)} for _ in range(2)], 2))
    assert len(method.gallery(batch)) == 6
    trainer.save_checkpoint(tmp_path / "trained.ckpt")
    assert len(ReDO.load_from_checkpoint(tmp_path / "trained.ckpt").gallery(batch)) == 6
