"""Losses against the formulas, written out number by number."""

from __future__ import annotations

import pytest
import torch

from tiae_zoo.objectives import hinge_discriminator_loss, sparseness


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
