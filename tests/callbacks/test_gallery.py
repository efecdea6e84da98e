"""The gallery in real training runs."""

import warnings
from pathlib import Path

import pytest
import torch
from lightning.pytorch import seed_everything
from PIL import Image
from tiny_methods import Plain, Shown, pictures, trainer

from tests.processes import run_python
from tiae_zoo.callbacks import Gallery


def test_a_picture_for_every_validation_and_the_test(tmp_path):
    model = Shown()
    run = trainer(tmp_path, Gallery(num_images=5), max_epochs=2, val_check_interval=2)
    run.fit(model)
    run.test(model)
    assert pictures(tmp_path) == [
        "test.png",
        "val_000002.png",
        "val_000004.png",
        "val_000006.png",
        "val_000008.png",
    ]
    for picture in (tmp_path / "run" / "fit_0" / "pictures").iterdir():
        Image.open(picture).verify()
    assert [asked["images"] for asked in model.asked] == [pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])] * 5
    assert not any(asked["training"] for asked in model.asked)


def test_chance_is_the_same_in_every_picture_and_untouched_in_training(tmp_path):
    weights = []
    for callbacks in ([Gallery()], []):
        seed_everything(1)
        model = Shown()
        trainer(tmp_path / str(len(callbacks)), *callbacks, max_epochs=2).fit(model)
        weights.append(model.weight.item())
        noise = [asked["noise"] for asked in model.asked]
        assert all(torch.equal(drawn, noise[0]) for drawn in noise)
    assert weights[0] == weights[1]


def test_only_every_nth_validation_costs_anything(tmp_path):
    model = Shown()
    trainer(tmp_path, Gallery(every_n_validations=3), max_epochs=5).fit(model)
    assert pictures(tmp_path) == ["val_000004.png", "val_000016.png"]
    assert len(model.asked) == 2


def test_a_validation_after_a_fit_is_drawn_whatever_its_number(tmp_path):
    runner = trainer(tmp_path, Gallery(every_n_validations=3), max_epochs=5)
    runner.fit(model := Shown())
    runner.validate(model)
    assert "validate.png" in pictures(tmp_path)


def test_sanity_check_is_not_drawn(tmp_path):
    model = Shown()
    trainer(tmp_path, Gallery(every_n_validations=2), num_sanity_val_steps=2).fit(model)
    assert pictures(tmp_path) == ["val_000004.png"]
    assert len(model.asked) == 1


def test_step_counts_batches_not_optimiser_steps(tmp_path):
    class TwoOptimisers(Shown):
        automatic_optimization = False

        def __init__(self):
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch):
            for optimiser in self.optimizers():
                loss = self.weight.square()
                optimiser.zero_grad()
                self.manual_backward(loss)
                optimiser.step()

        def configure_optimizers(self):
            return [torch.optim.SGD(self.parameters(), lr=0.1) for _ in range(2)], []

    run = trainer(tmp_path, Gallery())
    run.fit(TwoOptimisers())
    assert run.global_step == 8
    assert pictures(tmp_path) == ["val_000004.png"]


def test_sets_smaller_than_the_picture_and_several_loaders(tmp_path):
    class Small(Shown):
        def val_dataloader(self):
            return [self.loader(count=4), self.loader(count=9)]

    model = Small()
    trainer(tmp_path, Gallery(num_images=8)).fit(model)
    assert pictures(tmp_path) == ["val_000004.png"]
    assert model.asked[0]["images"] == pytest.approx([0.0, 0.25, 0.5, 0.75])


def test_validation_alone_and_a_second_test_overwrite_nothing(tmp_path):
    model = Shown()
    for _ in range(2):
        run = trainer(tmp_path, Gallery())
        run.validate(model)
        run.test(model)
    assert pictures(tmp_path) == ["test.png", "test_2.png", "validate.png", "validate_2.png"]


def test_a_module_without_gallery_is_told_once(tmp_path):
    run = trainer(tmp_path, Gallery(), max_epochs=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run.fit(Plain())
    told = [str(warning.message) for warning in caught if "Gallery draws nothing" in str(warning.message)]
    assert len(told) == 1
    assert "Plain has no method `gallery(batch)`" in told[0]
    assert pictures(tmp_path) == []


def test_a_debugging_run_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = Shown()
    trainer(tmp_path, Gallery(), fast_dev_run=True).fit(model)
    assert model.asked == []
    assert not list(tmp_path.rglob("*.png"))


def test_wrong_columns_stop_the_run_and_name_the_column(tmp_path):
    class Wrong(Shown):
        def gallery(self, batch):
            return {"input": batch["image"], "mask": batch["image"][:, 0]}

    with pytest.raises(ValueError, match="'mask' has shape"):
        trainer(tmp_path, Gallery()).fit(Wrong())


@pytest.mark.parametrize("numbers", [{"num_images": 0}, {"every_n_validations": 0}])
def test_impossible_numbers(numbers):
    with pytest.raises(ValueError, match="at least 1"):
        Gallery(**numbers)


@pytest.mark.slow
def test_two_processes_write_one_picture(tmp_path):
    run_python(Path(__file__).with_name("two_process_run.py"), tmp_path)
    assert pictures(tmp_path) == ["descriptor_map.csv", "descriptor_map.png", "test.png", "val_000002.png"]
