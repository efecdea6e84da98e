"""Probes of descriptors in real runs."""

import json
import math
import warnings
from pathlib import Path

import pytest
import torch
from lightning.pytorch import seed_everything
from tiny_methods import Described, Gains, PatternData, Plain, trainer

from tests.processes import run_python
from tiae_zoo.__main__ import main
from tiae_zoo.callbacks import DescriptorProbe
from tiae_zoo.metrics import probe_descriptors

NAMES = {"knn_accuracy", "linear_probe_accuracy", "nmi", "ari"}


class Watched(Described):
    """Describes an image by its pixels, and remembers what it was shown."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor
        self.shown = []

    def encode(self, images):
        self.shown.append(images.clone())
        return self.factor * images.flatten(1)


def measure(folder, model, data=None, callback=None, **options):
    run = trainer(folder, callback or DescriptorProbe(), **options)
    run.test(model, datamodule=data or PatternData(), verbose=False)
    return {name: value.item() for name, value in run.callback_metrics.items()}


def told(caught):
    return [str(warning.message) for warning in caught if "DescriptorProbe measures nothing" in str(warning.message)]


def test_the_scores_are_those_of_images_transformed_and_described_by_hand(tmp_path):
    scores = measure(tmp_path, Watched())
    described = []
    for split, seed in (("train", 0), ("test", 1)):
        dataset = PatternData().dataset(split)
        samples = [dataset[index] for index in range(len(dataset))]
        images, labels = torch.stack([s["image"] for s in samples]), torch.tensor([s["label"] for s in samples])
        transformed, _ = Gains().sample(images, torch.Generator().manual_seed(seed))
        described += [transformed.flatten(1), labels]
    expected = probe_descriptors(*described)
    assert scores == pytest.approx({f"test/{name}": value for name, value in expected.items()})
    assert len(set(scores.values())) > 1


def test_all_methods_see_the_same_pictures_whatever_the_batch_size(tmp_path):
    shown = []
    for number, data in enumerate((PatternData(batch_size=8), PatternData(batch_size=5))):
        torch.manual_seed(number)
        model = Watched(factor=1.0 + number)
        measure(tmp_path / str(number), model, data)
        shown.append(torch.cat(model.shown))
    assert torch.equal(*shown)
    assert len(shown[0]) == 60 + 30
    another = Watched()
    measure(tmp_path / "2", another, callback=DescriptorProbe(seed=1))
    assert not torch.equal(torch.cat(another.shown), shown[0])


def test_many_images_are_described_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("tiae_zoo.callbacks.descriptor_probe.CHUNK", 20)
    model = Watched()
    measure(tmp_path, model)
    assert [len(images) for images in model.shown] == [20, 20, 20, 20, 10]


def test_no_more_images_than_asked_and_all_of_them_in_a_limited_test(tmp_path):
    model = Watched()
    measure(tmp_path, model, callback=DescriptorProbe(num_images=40), limit_test_batches=1)
    assert len(torch.cat(model.shown)) == 40 + 30


def test_validations_are_measured_only_if_asked(tmp_path):
    for asked in (False, True):
        run = trainer(tmp_path / str(asked), DescriptorProbe(validation=asked), max_epochs=2, num_sanity_val_steps=2)
        run.fit(model := Watched(), datamodule=PatternData())
        assert len(model.shown) == (4 if asked else 0)  # two validations, without the sanity check
        assert {name for name in run.callback_metrics if name != "loss"} == (
            {f"val/{name}" for name in NAMES} if asked else set()
        )
        run.validate(model, datamodule=PatternData(), verbose=False)
        assert len(model.shown) == (6 if asked else 0)


def test_the_training_is_the_same_with_and_without(tmp_path):
    weights = []
    for callbacks in ([DescriptorProbe(validation=True)], []):
        seed_everything(1)
        trainer(tmp_path / str(len(callbacks)), *callbacks, max_epochs=2).fit(model := Watched(), PatternData())
        weights.append(model.weight.item())
    assert weights[0] == weights[1]


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_precisions(tmp_path, precision):
    scores = measure(tmp_path, Watched(), precision=precision)
    assert {name for name in scores if math.isfinite(scores[name])} == {f"test/{name}" for name in NAMES}


def test_a_diverged_method_scores_nan(tmp_path):
    scores = measure(tmp_path, Watched(factor=math.nan))
    assert set(scores) == {f"test/{name}" for name in NAMES}
    assert all(math.isnan(score) for score in scores.values())


@pytest.mark.parametrize(
    ("model", "data", "reason"),
    [
        (Plain, PatternData(), "Plain lacks `encode"),
        (Watched, PatternData(labelled=False), "PatternData gives no `label`"),
        (Watched, None, "no data module"),
        (Watched, PatternData(train=3), "3 descriptors of 3 classes"),
    ],
)
def test_what_is_missing_is_told_once_and_the_test_goes_on(tmp_path, model, data, reason):
    run = trainer(tmp_path, DescriptorProbe())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run.test(model(), datamodule=data, verbose=False)
    assert len(told(caught)) == 1
    assert reason in told(caught)[0]
    assert run.callback_metrics == {}


def test_a_debugging_run_measures_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = Watched()
    assert measure(tmp_path, model, fast_dev_run=True) == {}
    assert model.shown == []


def test_descriptors_of_a_wrong_shape_are_named(tmp_path):
    class Maps(Described):
        def encode(self, images):
            return images

    with pytest.raises(ValueError, match="one descriptor"):
        measure(tmp_path, Maps())


def test_too_few_images():
    with pytest.raises(ValueError, match="at least 5"):
        DescriptorProbe(num_images=4)


def test_the_scores_reach_the_results_of_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["test", "--config", "quickstart", "--ckpt_path", "untrained", "--trainer.accelerator=cpu"]
    arguments.append("--trainer.limit_test_batches=1")
    assert main([*arguments, "--trainer.callbacks+=DescriptorProbe", "--trainer.callbacks.num_images=200"]) == 0
    metrics = json.loads(Path("runs/quickstart/test_0/results.json").read_text())["metrics"]
    assert {name for name in metrics if name.removeprefix("test/") in NAMES} == {f"test/{name}" for name in NAMES}
    assert 0 <= metrics["test/knn_accuracy"] <= 1


@pytest.mark.slow
def test_two_processes_log_the_scores_of_one(tmp_path):
    run_python(Path(__file__).with_name("two_process_probe.py"), tmp_path)
    expected = measure(tmp_path / "alone", Described())
    for rank in range(2):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == pytest.approx(expected)
