"""What every method keeps, whatever it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from sklearn.datasets import load_sample_images
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tests.quiet import quiet_trainer
from tiae_zoo import methods
from tiae_zoo.invariance import Background, Composition, Rotation, Shift
from tiae_zoo.methods import (
    AutoEncoder,
    ForegroundAE,
    ReDO,
    Segmenter,
    ShiftInvariantAE,
    STNClassifier,
    SupervisedSegmenter,
)

SMALL_REDO: dict[str, Any] = {
    "image_size": 32,
    "mask_width": 8,
    "generator_width": 2,
    "discriminator_width": 4,
    "dim_z": 4,
    "lr": 1e-3,
    "mask_lr": 1e-3,
}
SMALL_STN: dict[str, Any] = {"image_size": 32, "image_channels": 3, "num_parameters": 400_000, "lr": 1e-3}
METHODS: dict[str, Callable[[], LightningModule]] = {
    "autoencoder": lambda: AutoEncoder(image_channels=3),
    "foreground_ae": lambda: ForegroundAE(image_channels=3),
    "foreground_ae shifted": lambda: ForegroundAE(max_shift=4, lambda_spa=0.1, image_channels=3),
    "redo": lambda: ReDO(**SMALL_REDO),
    "redo one region": lambda: ReDO(redraw="one", **SMALL_REDO),
    "redo each region, centred": lambda: ReDO(redraw="each", centring_iterations=2, **SMALL_REDO),
    "redo enlarged for F": lambda: ReDO(mask_scale=2, **SMALL_REDO),
    "redo three regions": lambda: ReDO(num_regions=3, **SMALL_REDO),
    "shift_ae composed": lambda: ShiftInvariantAE(Composition([Rotation(20, 3), Shift(2)]), image_channels=3),
    "shift_ae before pictures": lambda: ShiftInvariantAE(
        Composition([Shift(2), Background(torch.rand(4, 3, 32, 32))]), image_channels=3
    ),
    "shift_ae": lambda: ShiftInvariantAE(num_transforms=3, lambda_spa=0.1, image_channels=3),
    "stn": lambda: STNClassifier(**SMALL_STN),
    "stn fully connected, recurrent": lambda: STNClassifier("fcn", look="recurrent", num_glimpses=2, **SMALL_STN),
    "stn feedback": lambda: STNClassifier(look="feedback", warp="thin_plate_spline", num_glimpses=2, **SMALL_STN),
    "supervised redo": lambda: SupervisedSegmenter("redo", image_size=32, width=0.25, lr=1e-3),
    "supervised fcn8s": lambda: SupervisedSegmenter("fcn8s", image_size=32, width=0.1, lr=1e-2),
    "supervised deconvnet": lambda: SupervisedSegmenter("deconvnet", image_size=32, width=0.1, lr=1e-2),
    "supervised segnet": lambda: SupervisedSegmenter("segnet", image_size=32, width=0.05, lr=1e-3),
    "supervised multiscale": lambda: SupervisedSegmenter("multiscale", image_size=32, lr=1e-3),
    "supervised pspnet": lambda: SupervisedSegmenter("pspnet", image_size=32, lr=1e-3),
}
LARGE = {"supervised pspnet"}  # a whole ResNet


class Crops(Dataset[dict[str, Tensor]]):
    """Crops of a photograph with labels, a disc as their mask, noise to put behind them, in the batch contract."""

    def __init__(self, count: int = 8) -> None:
        photo = torch.tensor(load_sample_images().images[1]).permute(2, 0, 1) / 255
        self.images = [photo[:, 20 * i : 20 * i + 32, 40 * i : 40 * i + 32] for i in range(count)]
        y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
        self.noise = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        self.mask = ((y - 15) ** 2 + (x - 15) ** 2 < 100).long()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        known = {"mask": self.mask, "background": self.noise[index], "index": torch.tensor(index), "label": index}
        return {"image": self.images[index]} | known


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in METHODS])
def build(request: pytest.FixtureRequest) -> Callable[[], LightningModule]:
    def seeded(seed: int = 0) -> LightningModule:
        seed_everything(seed, verbose=False)
        return METHODS[request.param]()

    return seeded


def train(method: LightningModule, epochs: int = 1, batch_size: int = 8, callback: Callback | None = None) -> Trainer:
    trainer = quiet_trainer(max_epochs=epochs, callbacks=[callback] if callback else [])
    trainer.fit(method, DataLoader(Crops(), batch_size))
    return trainer


def weights(method: LightningModule) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in method.named_parameters()}


def optimisers(method: LightningModule) -> list[torch.optim.Optimizer]:
    found = method.optimizers()
    return found if isinstance(found, list) else [found]


def test_no_method_is_left_out() -> None:
    bases = {"Describer", "Segmenter"}
    solved_at_once = {"PCA"}  # has no optimiser
    assert {type(make()).__name__ for make in METHODS.values()} == set(methods.__all__) - bases - solved_at_once


class WatchSteps(Callback):
    """Notes what each optimiser's step changes, and which gradients exist when it is taken."""

    def __init__(self) -> None:
        self.changed: list[tuple[set[str], set[str]]] = []  # (own parameters, changed parameters)
        self.foreign_gradients: set[str] = set()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for optimiser in trainer.optimizers:
            own = {id(parameter) for group in optimiser.param_groups for parameter in group["params"]}
            names = {name for name, parameter in pl_module.named_parameters() if id(parameter) in own}
            optimiser.register_step_pre_hook(self._before(pl_module, names, first=optimiser is trainer.optimizers[0]))
            optimiser.register_step_post_hook(self._after(pl_module, names))

    def _before(self, method: LightningModule, own: set[str], first: bool) -> Callable[..., None]:
        def hook(*_: object) -> None:
            self.before = weights(method)
            if first and not self.changed:  # the very first step: no gradient can be left over
                self.foreign_gradients = {
                    name for name, p in method.named_parameters() if name not in own and p.grad is not None
                }

        return hook

    def _after(self, method: LightningModule, own: set[str]) -> Callable[..., None]:
        def hook(*_: object) -> None:
            now = weights(method)
            self.changed.append((own, {name for name in now if not torch.equal(now[name], self.before[name])}))

        return hook


def test_each_optimiser_moves_its_own_parameters_only(build: Callable[[], LightningModule]) -> None:
    watch = WatchSteps()
    train(build(), callback=watch)
    assert watch.changed
    for own, changed in watch.changed:
        assert changed
        assert changed <= own
    assert not watch.foreign_gradients  # the other player is frozen: nothing is computed for its weights


def test_every_parameter_is_trained_by_exactly_one_optimiser(build: Callable[[], LightningModule]) -> None:
    method = build()
    before = {name: p.detach().clone() for name, p in method.named_parameters() if p.requires_grad}
    trainer = train(method, epochs=6)
    held = [id(p) for optimiser in trainer.optimizers for group in optimiser.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in method.parameters())
    now = weights(method)
    still = {name for name, old in before.items() if torch.equal(now[name], old)}
    if getattr(method, "redraw", "all") == "one":  # a region that the draw missed keeps its generator
        still = {name for name in still if not name.startswith("generators.")}
    assert not still


def test_loss_falls_on_one_batch(build: Callable[[], LightningModule]) -> None:
    class Losses(Callback):
        values: list[float] = []  # noqa: RUF012 - one instance

        def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
            metrics = trainer.callback_metrics
            self.values.append(float(metrics["train/loss" if "train/loss" in metrics else "train/loss_z"]))

    losses = Losses()
    losses.values = []
    train(build(), epochs=60, callback=losses)
    assert sum(losses.values[-5:]) < 0.8 * sum(losses.values[:5])


def test_checkpoint_round_trip_is_exact(build: Callable[[], LightningModule], tmp_path: Path) -> None:
    method = build()
    trainer = train(method)
    trainer.save_checkpoint(tmp_path / "method.ckpt")
    loaded = type(method).load_from_checkpoint(tmp_path / "method.ckpt", weights_only=True)
    assert loaded.hparams == method.hparams
    images = torch.stack(Crops(2).images)
    with torch.no_grad():
        torch.testing.assert_close(loaded.eval()(images), method.eval()(images), rtol=0, atol=0)
    for name, tensor in method.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_one_seed_gives_one_result(build: Callable[..., LightningModule]) -> None:
    first, again, other = build(seed=1), build(seed=1), build(seed=2)
    results = []
    for seed, method in [(1, first), (1, again), (2, other)]:
        seed_everything(seed, verbose=False)
        train(method, epochs=2)
        results.append(torch.cat([parameter.flatten() for parameter in weights(method).values()]))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_masks_are_a_partition_and_do_not_depend_on_the_batch(build: Callable[[], LightningModule]) -> None:
    method = build().eval().double()  # float32 rounds a batch and one image differently
    if not isinstance(method, Segmenter):
        pytest.skip("gives no masks")
    images = torch.stack(Crops(3).images).double()
    with torch.no_grad():
        masks = method.segment(images)
        torch.testing.assert_close(masks[:1], method.segment(images[:1]), rtol=1e-4, atol=1e-5)
    assert masks.shape == (3, method.num_regions, 32, 32)
    torch.testing.assert_close(masks.sum(1), torch.ones_like(masks[:, 0]))


def test_scores_are_logged_under_their_protocols(build: Callable[[], LightningModule]) -> None:
    method = build()
    (scores,) = quiet_trainer().test(method, DataLoader(Crops(), 4), verbose=False)
    if isinstance(method, Segmenter):
        figures = ("iou", "miou", "acc")
        assert set(scores) >= {f"test/{f}{scope}" for f in figures for scope in ("", "_dataset")}
    assert scores
    assert all(name.startswith("test/") for name in scores)
    assert all(value == value for value in scores.values())


def test_gallery_columns_are_pictures_of_the_batch(build: Callable[[], LightningModule]) -> None:
    method = build().eval()
    batch = next(iter(DataLoader(Crops(), 3)))
    columns, again = method.gallery(batch), method.gallery(batch)
    assert next(iter(columns)) == "input"
    for title, pictures in columns.items():
        assert pictures.shape in {(3, 1, 32, 32), (3, 3, 32, 32)}, title
        assert pictures.min() >= 0, title
        assert pictures.max() <= 1, title
        assert torch.equal(pictures, again[title]), title


def test_half_precision_trains(build: Callable[[], LightningModule]) -> None:
    method = build()
    trainer = quiet_trainer(max_epochs=2, precision="bf16-mixed")
    trainer.fit(method, DataLoader(Crops(), 4))
    assert all(parameter.isfinite().all() for parameter in method.parameters())
