"""The objective of the shift-invariant auto-encoder against its formula, and that it learns what it says."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import seed_everything
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader

from tests.quiet import quiet_trainer
from tests.samples import digits
from tiae_zoo.invariance import Background, Composition, Shift
from tiae_zoo.methods import ShiftInvariantAE
from tiae_zoo.methods.shift_ae import placement_loss


def test_losses_are_the_formula_term_by_term() -> None:
    torch.manual_seed(0)
    method = ShiftInvariantAE().eval()
    images = digits(3)
    moves = torch.tensor([[3.0, -2.0], [0.0, 8.0], [-5.0, 1.0]])
    shifted = torch.cat([method.family.apply(images, move.expand(3, -1)) for move in moves])
    with torch.no_grad():
        invariance, restoration, spread, placement = method.losses(images, shifted, moves.repeat_interleave(3, 0))

    every, places = Shift(8).candidates(), Shift(16).candidates()
    terms: dict[str, list[float]] = {"invariance": [], "restoration": [], "spread": [], "placement": []}
    for i in range(3):
        inputs = [method.family.apply(images[i : i + 1], move[None]) for move in moves]
        with torch.no_grad():
            patterns, codes = [method(image) for image in inputs], [method.encode(image)[0] for image in inputs]
            estimates = [method.estimate_shift(image)[0] for image in inputs]
        for a, b in itertools.combinations(patterns, 2):
            terms["invariance"].append(float((a - b).square().sum()))
        wide = F.pad(images[i : i + 1], [8] * 4)  # nothing leaves this frame
        allowed = method.family.apply(wide.expand(len(every), -1, -1, -1), every)
        for pattern, code in zip(patterns, codes, strict=True):
            terms["restoration"].append(float((F.pad(pattern, [8] * 4) - allowed).square().sum((1, 2, 3)).min()))
            terms["spread"].append(float(code.abs().sum() ** 2 / code.square().sum()))
        moved = method.placement.apply(patterns[0].expand(len(places), -1, -1, -1), places)
        teacher = places[(inputs[0] - moved).square().sum((1, 2, 3)).argmin()]
        terms["placement"].append(float(F.smooth_l1_loss(estimates[0], teacher)))
    for value, expected in zip((invariance, restoration, spread, placement), terms.values(), strict=True):
        assert float(value) == pytest.approx(sum(expected) / len(expected), rel=1e-4)


def test_one_transform_is_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="Give at least 2"):
        ShiftInvariantAE(num_transforms=1)


def test_the_teacher_of_r_moves_the_pattern_onto_the_image() -> None:
    class Known(ShiftInvariantAE):
        """Restores every digit in the middle."""

        def decode(self, descriptors: Tensor) -> Tensor:
            return pattern

    pattern = digits(2)
    method = Known()
    moves = torch.tensor([[5.0, -3.0], [-8.0, 1.0]])  # right and up; left and down
    images = method.family.apply(pattern, moves)
    optimiser = torch.optim.Adam(method.regressor.parameters(), 1e-3)
    for _ in range(150):
        loss = placement_loss(method.regressor(images), method(images), images, method.placement)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        estimate = method.estimate_shift(images)
        assert (estimate - moves).abs().max() < 0.5
        torch.testing.assert_close(method.placement.apply(method(images), estimate), images)


def test_r_is_taught_by_the_object_not_by_what_is_behind_it() -> None:
    pattern = digits(2)
    half = torch.zeros(1, 1, 32, 32)
    half[..., :16] = 1  # a white half frame attracts every pattern
    family = Composition([Shift(4), Background(half)])
    method = ShiftInvariantAE(family)  # restores every digit in the middle; R says how far it is from there
    theta = torch.tensor([[3.0, -2.0, 0.0], [-4.0, 1.0, 0.0]])
    composed = family.apply(pattern, theta)
    method.regressor = torch.nn.Module()  # in place of the network
    method.regressor.forward = lambda images: theta[:, :2]  # type: ignore[method-assign]
    method.decoder.forward = lambda descriptors: pattern.repeat(2, 1, 1, 1)  # type: ignore[method-assign]
    *_, placement = method.losses(pattern, composed.repeat(2, 1, 1, 1), theta.repeat(2, 1))
    assert float(placement) == 0


def test_r_teaches_nothing_to_encoder_and_decoder() -> None:
    method = ShiftInvariantAE()
    *_, placement = method.losses(digits(2), digits(4), torch.zeros(4, 2))
    placement.backward()
    assert all(parameter.grad is None for parameter in (*method.encoder.parameters(), *method.decoder.parameters()))
    assert all(parameter.grad is not None for parameter in method.regressor.parameters())


def test_a_short_training_makes_descriptors_less_dependent_on_the_shift() -> None:
    seed_everything(0, verbose=False)
    data = [{"image": image} for image in digits(512)]
    loader = DataLoader(data, 64, shuffle=True)
    trainer = quiet_trainer(max_epochs=20)
    method = ShiftInvariantAE()
    held_out = DataLoader([{"image": image} for image in digits(640)[512:]], 64)
    (before,) = trainer.test(method, held_out, verbose=False)
    trainer.fit(method, loader)
    (after,) = trainer.test(method, held_out, verbose=False)
    assert after["test/restoration_error"] < 0.6 * before["test/restoration_error"]
    assert after["test/variance_ratio"] < before["test/variance_ratio"]


def test_prediction_gives_descriptor_and_pattern() -> None:
    method = ShiftInvariantAE().eval()
    with torch.no_grad():
        prediction = method.predict_step({"image": digits(2)}, 0)
    assert prediction["descriptor"].shape == (2, 30)
    assert prediction["restored"].shape == (2, 1, 32, 32)
    assert prediction["shift"].shape == (2, 2)


def test_a_finished_schedule_is_not_stretched_in_silence(tmp_path: Path) -> None:
    loader = DataLoader([{"image": image} for image in digits(8)], 4)
    first = quiet_trainer()
    first.fit(ShiftInvariantAE(), loader)
    first.save_checkpoint(tmp_path / "one.ckpt")
    with pytest.raises(MisconfigurationException, match="made for 2 steps, and this training has 6"):
        quiet_trainer(max_epochs=3).fit(ShiftInvariantAE(), loader, ckpt_path=tmp_path / "one.ckpt")


def test_restoration_error_is_taken_at_the_best_shift() -> None:
    method = ShiftInvariantAE()
    images = digits(3)
    with torch.no_grad():
        method.decoder.pixels[-3].bias.fill_(-100)  # always black
    (scores,) = quiet_trainer().test(method, DataLoader([{"image": image} for image in images], 3), verbose=False)
    every = [
        method.family.apply(images, theta.expand(3, -1)).square().mean((1, 2, 3)) for theta in method.family.grid(17)
    ]
    assert scores["test/restoration_error"] == pytest.approx(float(torch.stack(every).amin(0).mean()), rel=1e-4)
