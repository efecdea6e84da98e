"""Probes of descriptors against plain references, and their edges."""

import math
import warnings
from collections import Counter

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from tiae_zoo.metrics import probe_descriptors


def clouds(count, seed, spread=1.0, classes=4, features=6):
    """Descriptors around one centre for each class, and the classes."""
    centres = 2 * torch.randn(classes, features, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    return centres[labels] + spread * torch.randn(count, features, generator=generator), labels


def vote(bank, bank_labels, descriptor):
    nearest = sorted(range(len(bank)), key=lambda i: (bank[i] - descriptor).square().sum().item())[:5]
    votes = Counter(bank_labels[i].item() for i in nearest)
    return min(label for label in votes if votes[label] == max(votes.values()))


def test_nearest_neighbours_are_those_of_a_loop():
    bank, scored = clouds(60, 1, spread=2.5), clouds(40, 2, spread=2.5)
    right = sum(vote(*bank, descriptor) == label.item() for descriptor, label in zip(*scored, strict=True))
    assert 0 < right < 40
    assert probe_descriptors(*bank, *scored)["knn_accuracy"] == right / 40


def test_clusters_are_scored_as_by_scikit_learn():
    descriptors, labels = clouds(200, 2, spread=2.0)
    clusters = KMeans(4, n_init=10, random_state=3).fit_predict(descriptors.double().numpy())
    scores = probe_descriptors(*clouds(20, 1), descriptors, labels, seed=3)
    assert scores["nmi"] == pytest.approx(normalized_mutual_info_score(labels, clusters), abs=1e-5)
    assert scores["ari"] == pytest.approx(adjusted_rand_score(labels, clusters), abs=1e-5)
    assert 0.1 < scores["ari"] < 0.9


def test_the_linear_probe_does_not_care_for_units():
    bank, scored = clouds(100, 1, spread=2.0), clouds(100, 2, spread=2.0)
    units, offset = torch.logspace(-4, 4, 6), 100 * torch.arange(6)
    usual = probe_descriptors(*bank, *scored)
    other = probe_descriptors(bank[0] * units + offset, bank[1], scored[0] * units + offset, scored[1])
    assert 0.4 < usual["linear_probe_accuracy"] < 1
    assert other["linear_probe_accuracy"] == pytest.approx(usual["linear_probe_accuracy"], abs=0.011)
    assert other["knn_accuracy"] < usual["knn_accuracy"]


def test_good_descriptors_score_one_and_noise_scores_chance():
    good = probe_descriptors(*clouds(200, 1, spread=0.1), *clouds(100, 2, spread=0.1))
    assert good == pytest.approx(dict.fromkeys(good, 1.0))
    noise, generator = clouds(400, 1, spread=1e4), torch.Generator().manual_seed(0)
    chance = probe_descriptors(*noise, torch.randn(400, 6, generator=generator), noise[1])
    assert chance["knn_accuracy"] == pytest.approx(1 / 4, abs=0.08)
    assert chance["linear_probe_accuracy"] == pytest.approx(1 / 4, abs=0.08)
    assert chance["nmi"] < 0.05
    assert abs(chance["ari"]) < 0.05


def test_the_linear_probe_converges_and_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probe_descriptors(*clouds(500, 1, spread=0.01), *clouds(50, 2, features=6))
        probe_descriptors(*clouds(500, 1, spread=100), *clouds(50, 2, features=6))


def test_equal_seeds_give_equal_scores_and_half_precision_works():
    bank, scored = clouds(50, 1), clouds(40, 2)
    scores = probe_descriptors(*bank, *scored)
    assert probe_descriptors(*bank, *scored) == scores
    assert probe_descriptors(bank[0].half(), bank[1], scored[0].half(), scored[1]) == pytest.approx(scores, abs=0.05)


@pytest.mark.parametrize("place", ["bank", "scored"])
def test_descriptors_of_a_diverged_training_score_nan(place):
    bank, scored = clouds(50, 1), clouds(40, 2)
    (bank if place == "bank" else scored)[0][3, 2] = torch.inf
    assert all(math.isnan(score) for score in probe_descriptors(*bank, *scored).values())


@pytest.mark.parametrize(
    ("labels", "message"), [([0, 1, 0, 1], "4 descriptors of 2 classes"), ([1] * 6, "6 descriptors of 1 classes")]
)
def test_a_bank_that_teaches_nothing_is_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        probe_descriptors(torch.rand(len(labels), 2), torch.tensor(labels), *clouds(5, 2, features=2))
