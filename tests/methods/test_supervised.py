"""Supervised segmentation: it learns what it is shown, ignores what it must, and says what it lacks."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader

from tests.quiet import quiet_trainer
from tiae_zoo.methods import SupervisedSegmenter

NETWORKS = {
    "redo": {"width": 0.25},
    "pspnet": {},
    "fcn8s": {"width": 0.25},  # without normalisation: narrower ones learn slowly
    "deconvnet": {"width": 0.1},
    "segnet": {"width": 0.1},
    "multiscale": {},
}


def discs(count: int, size: int = 32) -> list[dict[str, Tensor]]:
    """Bright discs on dark ground; rows at top and bottom have no truth, and are not to be judged."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    samples = []
    for index in range(count):
        cy, cx = (10 + 12 * torch.rand(2, generator=generator)).tolist()
        mask = ((y - cy) ** 2 + (x - cx) ** 2 < 64).long()
        image = 0.2 + 0.6 * mask + 0.05 * torch.randn(3, size, size, generator=generator)
        mask[:2], mask[-2:] = 255, 255
        samples.append({"image": image.clamp(0, 1), "mask": mask, "index": torch.tensor(index)})
    return samples


def trainer(epochs: int = 1) -> Trainer:
    return quiet_trainer(max_epochs=epochs)


def fit(method: LightningModule, epochs: int) -> Trainer:
    run = trainer(epochs)
    run.fit(method, DataLoader(discs(8), 8))  # type: ignore[arg-type]
    return run


@pytest.mark.parametrize("network", NETWORKS)
def test_the_loss_falls_on_one_batch(network: str) -> None:
    seed_everything(0, verbose=False)
    lr = 1e-3 if network == "multiscale" else 5e-3  # tanh bears no more
    method = SupervisedSegmenter(network, image_size=32, lr=lr, **NETWORKS[network])  # type: ignore[arg-type]
    losses = [fit(method, epochs).callback_metrics["train/loss"].item() for epochs in (1, 30)]
    assert losses[1] < 0.75 * losses[0]


def test_masks_sum_to_one_and_are_scored_without_matching_being_needed() -> None:
    seed_everything(0, verbose=False)
    method = SupervisedSegmenter("redo", image_size=32, width=0.25, lr=5e-3)
    fit(method, 60)
    (scores,) = trainer().test(method, DataLoader(discs(8), 8), verbose=False)  # type: ignore[arg-type]
    assert scores["test/iou_dataset"] > 0.8
    assert method.test_scores.num_classes == 2
    images = torch.stack([sample["image"] for sample in discs(3)])
    masks = method.segment(images)
    torch.testing.assert_close(masks.sum(1), torch.ones(3, 32, 32))
    truth = torch.stack([sample["mask"] for sample in discs(3)])
    judged = truth != 255
    assert ((masks.argmax(1) == truth) | ~judged).float().mean() > 0.9  # classes keep their names


@pytest.mark.parametrize("network", NETWORKS)
def test_images_of_any_size_from_32_px_are_segmented(network: str) -> None:
    method = SupervisedSegmenter(network, image_size=32, **NETWORKS[network]).eval()  # type: ignore[arg-type]
    for size in ((32, 32), (33, 50), (45, 70)):
        with torch.no_grad():
            masks = method.segment(torch.rand(1, 3, *size))
        torch.testing.assert_close(masks.sum(1), torch.ones(1, *size))


def test_windows_segment_the_same_image_in_pieces() -> None:
    torch.manual_seed(0)
    whole = SupervisedSegmenter("segnet", image_size=32, width=0.1).eval()
    pieces = SupervisedSegmenter("segnet", image_size=32, width=0.1, windows=[1.0, 0.6]).eval()
    pieces.load_state_dict(whole.state_dict())
    once = SupervisedSegmenter("segnet", image_size=32, width=0.1, windows=[1.0]).eval()
    once.load_state_dict(whole.state_dict())
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(once.segment(images), whole.segment(images))
        assert pieces.segment(images).shape == (2, 2, 32, 32)
        assert not torch.allclose(pieces.segment(images), whole.segment(images), atol=1e-4)


def test_class_weights_change_the_loss_and_nothing_else() -> None:
    torch.manual_seed(0)
    plain = SupervisedSegmenter("redo", image_size=32, width=0.25)
    weighted = SupervisedSegmenter("redo", image_size=32, width=0.25, class_weights=[0.1, 5.0])
    weighted.load_state_dict(plain.state_dict())
    batch = next(iter(DataLoader(discs(4), 4)))  # type: ignore[arg-type]
    logits = plain.predictions(batch["image"])[0]
    picked = batch["mask"] != 255
    weight = torch.tensor([0.1, 5.0])[batch["mask"].where(picked, 0)] * picked
    surprise = -logits.log_softmax(1).gather(1, batch["mask"].where(picked, 0)[:, None])[:, 0]
    expected = (weight * surprise).sum() / weight.sum()
    weighted.log = lambda *args, **kwargs: None  # type: ignore[method-assign,assignment]
    torch.testing.assert_close(weighted.training_step(batch, 0), expected)


@pytest.mark.parametrize("class_weights", [None, [0.1, 5.0]])
def test_a_batch_without_judged_pixels_teaches_nothing(class_weights: list[float] | None) -> None:
    method = SupervisedSegmenter("redo", image_size=32, width=0.25, class_weights=class_weights)
    method.log = lambda *args, **kwargs: None  # type: ignore[method-assign,assignment]
    loss = method.training_step({"image": torch.rand(2, 3, 32, 32), "mask": torch.full((2, 32, 32), 255)}, 0)
    loss.backward()
    assert loss == 0
    assert not any(parameter.grad.any() for parameter in method.parameters() if parameter.grad is not None)


def test_auxiliary_predictions_weigh_two_fifths() -> None:
    torch.manual_seed(0)
    method = SupervisedSegmenter("pspnet", image_size=32)
    answers = [torch.randn(4, 2, 32, 32) for _ in range(2)]
    method.predictions = lambda images: tuple(answers)  # type: ignore[method-assign]
    method.log = lambda *args, **kwargs: None  # type: ignore[method-assign,assignment]
    batch = next(iter(DataLoader(discs(4), 4)))  # type: ignore[arg-type]
    losses = [torch.nn.functional.cross_entropy(each, batch["mask"], ignore_index=255) for each in answers]
    torch.testing.assert_close(method.training_step(batch, 0), losses[0] + 0.4 * losses[1])


def test_data_without_masks_are_told() -> None:
    with pytest.raises(MisconfigurationException, match="the training data have none"):
        SupervisedSegmenter("redo").training_step({"image": torch.rand(2, 3, 32, 32)}, 0)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"network": "pspnet", "width": 0.5}, "Leave width at 1"),
        ({"network": "segnet", "image_size": 31}, "Set image_size to 32 or more"),
        ({"network": "redo", "pretrained": True}, "Set pretrained to false"),
        ({"network": "fcn8s", "width": 0.5, "pretrained": True}, "Set pretrained to false"),
        ({"network": "redo", "class_weights": [1.0]}, "Give one for each"),
        ({"network": "redo", "class_weights": [0.0, 1.0]}, "above 0"),
        ({"network": "redo", "class_weights": [1.0, float("nan")]}, "finite"),
        ({"network": "redo", "windows": [1.0, 0.0]}, "Give numbers above 0"),
        ({"network": "redo", "windows": []}, "at least one"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SupervisedSegmenter(**settings)  # type: ignore[arg-type]
