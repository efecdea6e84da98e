"""Losses against the formulas, written out number by number."""

from __future__ import annotations

import pytest
import torch

from tiae_zoo.objectives import hinge_discriminator_loss, judged_cross_entropy, sparseness


def test_hinge_loss_is_the_mean_of_what_lies_on_the_wrong_side() -> None:
    real, fake = [2.0, 0.5, -1.0], [-3.0, 0.0]
    expected = (0 + 0.5 + 2) / 3 + (0 + 1) / 2
    assert float(hinge_discriminator_loss(torch.tensor(real), torch.tensor(fake))) == pytest.approx(expected)


def test_sparseness_counts_the_dimensions_that_share_the_energy() -> None:
    one = torch.tensor([[0.0, -3.0, 0.0, 0.0]])
    all_four = torch.tensor([[1.0, -1.0, 1.0, 1.0]])
    assert float(sparseness(one)) == pytest.approx(1)
    assert float(sparseness(all_four)) == pytest.approx(4)
    assert float(sparseness(torch.cat([one, all_four]))) == pytest.approx(2.5)
    assert float(sparseness(5 * all_four)) == pytest.approx(4)  # does not depend on the scale


def test_sparseness_of_nothing_is_zero_and_has_a_gradient() -> None:
    silent = torch.zeros(2, 3, requires_grad=True)
    value = sparseness(silent)
    value.backward()
    assert float(value) == 0
    assert silent.grad is not None
    assert silent.grad.isfinite().all()


@pytest.mark.parametrize("weights", [None, torch.tensor([0.1, 5.0, 1.0])], ids=["plain", "weighted"])
def test_pixels_are_judged_as_by_the_plain_cross_entropy(weights: torch.Tensor | None) -> None:
    torch.manual_seed(0)
    logits, truth = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    truth[:, :2] = 255
    expected = torch.nn.functional.cross_entropy(logits, truth, weights, ignore_index=255)
    torch.testing.assert_close(judged_cross_entropy(logits, truth, weights, 255), expected)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.1, 5.0])], ids=["plain", "weighted"])
def test_where_nothing_is_judged_the_loss_is_zero_and_has_a_gradient(weights: torch.Tensor | None) -> None:
    logits = torch.randn(2, 2, 4, 4, requires_grad=True)
    value = judged_cross_entropy(logits, torch.full((2, 4, 4), 255), weights, 255)
    value.backward()
    assert float(value) == 0
    assert logits.grad is not None
    assert not logits.grad.any()
