"""The STN classifier: it learns where digits are from their names alone."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader

from tests.quiet import quiet_trainer
from tiae_zoo.methods import STNClassifier


def hooks(count: int, seed: int, size: int = 28) -> list[dict[str, Tensor]]:
    """Hooks upright (0) or upside down (1) in a random place: as much ink in both, so that one must look."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [
        torch.eye(8).maximum(torch.eye(8).flip(0)),
        torch.nn.functional.pad(torch.zeros(6, 6), [1] * 4, value=1.0),
    ]
    samples = []
    for index in range(count):
        label = int(torch.randint(2, (), generator=generator))
        top, left = torch.randint(size - 7, (2,), generator=generator).tolist()
        image = torch.zeros(1, size, size)
        image[0, top : top + 8, left : left + 8] = shapes[label]
        samples.append({"image": image, "label": torch.tensor(label), "index": torch.tensor(index)})
    return samples


def fit(method: LightningModule, samples: list[dict[str, Tensor]], epochs: int) -> Trainer:
    trainer = quiet_trainer(max_epochs=epochs)
    trainer.fit(method, DataLoader(samples, 32, shuffle=True))  # type: ignore[arg-type]
    return trainer


SETTINGS = {
    "cnn": {"warp": None},
    "fcn": {"warp": None, "classifier": "fcn", "glimpse_size": 20},  # nothing looks, and nothing is cut
    "st-cnn affine": {},
    "st-fcn spline": {"warp": "thin_plate_spline", "classifier": "fcn"},
    "recurrent": {"look": "recurrent", "num_glimpses": 2, "glimpse_size": 28},
    "feedback": {"look": "feedback", "num_glimpses": 2},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_loss_falls_on_one_batch_and_labels_move_the_transformer(settings: dict[str, object]) -> None:
    seed_everything(0, verbose=False)
    method = STNClassifier(num_classes=2, num_parameters=300_000, lr=3e-3, **settings)  # type: ignore[arg-type]
    samples = hooks(32, 0)
    trainer = fit(method, samples, 30)
    assert trainer.callback_metrics["train/loss"] < 0.4
    moved = [weight for name, weight in method.named_parameters() if name.endswith("theta.weight")]
    assert len(moved) == ("warp" not in settings or settings["warp"] is not None)
    assert all(weight.any() for weight in moved)  # zero at the start


@pytest.mark.parametrize("precision", ["bf16-true", "bf16-mixed", "64-true"])
@pytest.mark.parametrize("look", ["once", "feedback"])
def test_it_is_trained_and_scored_in_any_precision(look: str, precision: str) -> None:
    samples = hooks(8, 0)
    trainer = quiet_trainer(max_epochs=1, precision=precision)
    method = STNClassifier(warp="thin_plate_spline", look=look)  # type: ignore[arg-type]
    trainer.fit(method, DataLoader(samples, 4), DataLoader(samples, 4))  # type: ignore[arg-type]
    assert trainer.callback_metrics["train/loss"].isfinite()
    assert 0 <= trainer.callback_metrics["val/acc"] <= 1


def test_several_digits_have_a_view_each_and_a_score_for_all() -> None:
    method = STNClassifier(look="recurrent", num_digits=3, num_glimpses=6, image_size=60, glimpse_size=28)
    images = torch.rand(2, 1, 60, 60)
    assert method.look(images).shape == (2, 6, 1, 28, 28)
    assert method(images).shape == (2, 3, 10)
    labels = method(images).argmax(2)
    labels[0, 0] = (labels[0, 0] + 1) % 10  # one of six is wrong
    samples = [{"image": image, "label": label} for image, label in zip(images, labels, strict=True)]
    trainer = quiet_trainer()
    (scores,) = trainer.test(method, DataLoader(samples, 2), verbose=False)  # type: ignore[arg-type]
    assert scores == {"test/acc": pytest.approx(5 / 6), "test/acc_sequence": pytest.approx(0.5)}


def test_scores_are_counted_in_whole_numbers_whatever_the_precision() -> None:
    with quiet_trainer(precision="bf16-true").init_module():  # whose floats cannot count to 1000
        method = STNClassifier()
    method.forward = lambda images: torch.eye(10)[torch.zeros(len(images), 1, dtype=torch.long)]  # type: ignore[method-assign]
    trainer = quiet_trainer()
    samples = [{"image": torch.zeros(1), "label": torch.tensor(int(i == 0))} for i in range(1000)]
    (scores,) = trainer.test(method, DataLoader(samples, 1), verbose=False)  # type: ignore[arg-type]
    assert scores == {"test/acc": pytest.approx(0.999)}


def test_the_last_glimpse_of_each_digit_is_read() -> None:
    method = STNClassifier(look="recurrent", num_digits=2, num_glimpses=4, image_size=40, glimpse_size=28)
    seen = torch.rand(1, 4, 1, 28, 28)
    method.look = lambda images: seen  # type: ignore[method-assign]
    expected = torch.stack([method.classifier(seen[:, t]) for t in (1, 3)], 1)
    torch.testing.assert_close(method(torch.rand(1, 1, 40, 40)), expected)


def test_gallery_shows_what_is_seen() -> None:
    batch = {"image": torch.rand(3, 1, 40, 40)}
    assert list(STNClassifier(image_size=40, warp=None).gallery(batch)) == ["input"]
    columns = STNClassifier(image_size=40, glimpse_size=28).gallery(batch)
    assert {title: tuple(images.shape[1:]) for title, images in columns.items()} == {
        "input": (1, 40, 40),
        "seen 1": (1, 28, 28),
    }


def test_predictions_are_names_and_probabilities() -> None:
    found = STNClassifier(num_digits=2).predict_step({"image": torch.rand(3, 1, 28, 28)}, 0)
    assert found["label"].shape == (3, 2)
    torch.testing.assert_close(found["probability"].sum(2), torch.ones(3, 2))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"warp": None, "look": "recurrent"}, "Set look to once"),
        ({"num_glimpses": 3, "num_digits": 2, "look": "recurrent"}, "Give a multiple of num_digits"),
        ({"look": "recurrent", "num_parameters": 60_000}, "Raise num_parameters"),
        ({"num_digits": 0}, "num_digits is 0. Give at least 1"),
        ({"num_digits": -1}, "num_digits is -1. Give at least 1"),
        ({"num_glimpses": 0}, "num_glimpses is 0. Give at least 1"),
        ({"glimpse_size": 20}, "glimpse_size is 20. Give at least 24"),
        ({"glimpse_size": 0}, "glimpse_size is 0. Give at least 24"),
        ({"glimpse_size": -5, "classifier": "fcn"}, "glimpse_size is -5. Give at least 1"),
        ({"warp": None, "image_size": 23}, "Set image_size to 24 or more"),
        ({"dropout": 1.0}, "dropout is 1.0. Give a share of 0 or more, below 1"),
        ({"dropout": -0.1}, "dropout is -0.1. Give"),
        ({"dropout": float("nan")}, "dropout is nan. Give"),
        ({"num_glimpses": 2}, "with look set to recurrent or feedback"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        STNClassifier(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("known", [{}, {"label": torch.zeros(2, 3, dtype=torch.long)}])
def test_labels_that_do_not_fit_are_told(known: dict[str, Tensor]) -> None:
    with pytest.raises(MisconfigurationException, match="to their number"):
        STNClassifier(num_digits=2).labels({"image": torch.rand(2, 1, 28, 28)} | known)
