"""Every shipped YAML runs: fit, then test of the checkpoint, on miniature datasets in their true formats."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import lightning.pytorch  # noqa: F401  (logs to the stderr it finds when first imported: not to one test's own)
import pytest
import yaml

from tiae_zoo.__main__ import main

CONFIGS = Path(__file__).parent.parent / "configs"
METHOD_CONFIGS = sorted(CONFIGS.glob("*.yaml"))
PRESETS = CONFIGS / "presets"

NARROW = {  # the same networks with fewer channels: sizes, regions and everything else stay the config's
    "ReDO": ["mask_width=8", "generator_width=2", "discriminator_width=4"],
    "PCA": ["dim_descriptor=3"],  # no more components than images in a batch
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def narrow(config: Path) -> list[str]:
    model = yaml.safe_load(config.read_text())["model"]
    settings = NARROW.get(model["class_path"], [])
    if model.get("init_args", {}).get("network") in ("redo", "fcn8s", "deconvnet", "segnet"):
        settings = ["width=0.1"]
    return [f"--model.init_args.{setting}" for setting in settings]


@pytest.mark.parametrize("config", METHOD_CONFIGS, ids=lambda path: path.stem)
def test_fit_then_test(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shared = ["--config", str(config), "--config", str(PRESETS / "debug.yaml"), *narrow(config)]
    shared += ["--data.batch_size", "4", "--data.eval_batch_size", "4", "--data.num_workers", "0"]
    assert main(["fit", *shared]) == 0, capfd.readouterr().err
    fitted = Path("runs", config.stem, "fit_0")
    assert list(csv.DictReader((fitted / "metrics.csv").open()))
    assert (fitted / "config.yaml").is_file()
    assert list((fitted / "pictures").glob("*.png"))

    assert main(["test", *shared, "--ckpt_path", str(fitted / "checkpoints" / "last.ckpt")]) == 0, capfd.readouterr()
    results = json.loads(Path("runs", config.stem, "test_0", "results.json").read_text())
    assert results["metrics"]
    assert all(-1 <= value < 1e6 for value in results["metrics"].values())


@pytest.mark.parametrize("config", METHOD_CONFIGS, ids=lambda path: path.stem)
def test_a_checkpoint_is_named_after_the_figure_it_was_chosen_by(config: Path) -> None:
    for callback in yaml.safe_load(config.read_text())["trainer"]["callbacks"]:
        options = callback.get("init_args", {})
        if monitor := options.get("monitor"):
            figure = monitor.removeprefix("val/").removesuffix("_dataset")
            assert f"-{figure}{{{monitor}:" in options["filename"]


@pytest.mark.parametrize("config", METHOD_CONFIGS, ids=lambda path: path.stem)
def test_begins_by_saying_what_it_is(config: Path) -> None:
    first = config.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 20


@pytest.mark.parametrize("config", METHOD_CONFIGS, ids=lambda path: path.stem)
def test_weights_of_imagenet_are_offered_where_there_are_some(config: Path) -> None:
    settings = yaml.safe_load(config.read_text())["model"].get("init_args", {})
    assert ("pretrained" in settings) == (settings.get("network") in ("pspnet", "fcn8s", "deconvnet", "segnet"))


@pytest.mark.parametrize("config", METHOD_CONFIGS, ids=lambda path: path.stem)
def test_runs_lie_in_a_folder_named_like_the_config(config: Path) -> None:
    assert yaml.safe_load(config.read_text())["trainer"]["logger"]["init_args"]["name"] == config.stem


@pytest.mark.parametrize("preset", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_presets_merge_over_a_config(preset: Path, capfd: pytest.CaptureFixture[str]) -> None:
    base = CONFIGS / ("mask_network_lfw.yaml" if preset.stem == "mask_network_small" else "redo_lfw.yaml")
    arguments = ["fit", "--config", str(base), "--config", str(preset), "--print_config"]
    assert main(arguments) == 0
    merged = yaml.safe_load(capfd.readouterr().out)
    ours = yaml.safe_load(preset.read_text())
    for section, values in ours.items():
        if section == "seed_everything":
            assert merged[section] == values
            continue
        for key, value in values.items():
            found = merged[section][key.removesuffix("+")]  # what is added to a list
            if key.endswith("+"):
                given = yaml.safe_load(base.read_text())[section][key.removesuffix("+")]
                assert [item["class_path"].rpartition(".")[2] for item in found] == [
                    item["class_path"] for item in (*given, *value)
                ]
            if isinstance(value, dict):
                there = found | found.get("init_args", {})
                assert there | value == there
            elif not isinstance(value, list):
                assert found == value
    assert merged["data"]["class_path"] == "tiae_zoo.data.LFW"  # what the preset does not name stays


def test_the_small_preset_trains_redo(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--config", str(CONFIGS / "redo_lfw.yaml"), "--config", str(PRESETS / "redo_small.yaml")]
    arguments += ["--config", str(PRESETS / "debug.yaml"), "--data.batch_size", "4", "--data.num_workers", "0"]
    assert main(["fit", *arguments]) == 0, capfd.readouterr().err
    saved = yaml.safe_load(Path("runs/redo_lfw/fit_0/config.yaml").read_text())
    assert saved["data"]["init_args"]["image_size"] == 64


def test_pictures_without_masks_are_trained_on_with_the_unlabelled_preset(
    fake_data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    photos = fake_data / "lfw" / "lfw_funneled"
    arguments = ["--config", str(CONFIGS / "redo_flowers.yaml"), "--config", str(PRESETS / "redo_small.yaml")]
    arguments += ["--config", str(PRESETS / "debug.yaml"), "--data", "Folder", "--data.images", str(photos)]
    arguments += ["--data.batch_size", "4", "--data.num_workers", "0"]
    assert main(["fit", *arguments]) == 1  # told before the first step, not after the first validation
    assert "Add --config configs/presets/unlabelled.yaml" in capfd.readouterr().err
    assert not list(Path("runs").rglob("metrics.csv"))

    assert main(["fit", *arguments, "--config", str(PRESETS / "unlabelled.yaml")]) == 0, capfd.readouterr().err
    assert [path.name for path in Path("runs").rglob("*.ckpt")] == ["last.ckpt"]
    told = capfd.readouterr().out
    assert "Use it: tiae-zoo predict --ckpt_path runs/redo_flowers/fit_" in told
    assert "Score it" not in told


def test_three_regions_learnt_without_masks_are_scored_on_two_classes(
    fake_data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shared = ["--config", "redo_lfw", "--config", "presets/debug", *narrow(CONFIGS / "redo_lfw.yaml")]
    shared += ["--data.image_size", "32", "--data.batch_size", "4", "--data.num_workers", "0"]
    photos = str(fake_data / "lfw" / "lfw_funneled")
    without = ["--config", "presets/unlabelled", "--data", "Folder", "--data.images", photos]
    assert main(["fit", *shared, "--model.num_regions", "3", *without]) == 0, capfd.readouterr().err
    last = ["--ckpt_path", "runs/redo_lfw/fit_0/checkpoints/last.ckpt"]
    assert main(["test", *shared, *last]) == 1
    assert "is scored against 3. Add --model.num_classes 2.\n" in capfd.readouterr().err
    assert main(["test", *shared, *last, "--model.num_classes", "2"]) == 0, capfd.readouterr().err
    assert "model.num_classes" not in capfd.readouterr().err  # it is what was asked
    assert json.loads(Path("runs/redo_lfw/test_0/results.json").read_text())["metrics"]["test/iou"] > 0


def test_the_unlabelled_preset_takes_a_limit_for_small_regions(capfd: pytest.CaptureFixture[str]) -> None:
    configs = ["--config", str(CONFIGS / "redo_cmnist.yaml"), "--config", str(PRESETS / "unlabelled.yaml")]
    limit = "--trainer.callbacks.smallest_region=0.01"
    assert main(["fit", *configs, limit, "--print_config"]) == 0, capfd.readouterr().err
    callbacks = yaml.safe_load(capfd.readouterr().out)["trainer"]["callbacks"]
    (guard,) = (each for each in callbacks if each["class_path"].endswith("CollapseGuard"))
    assert guard["init_args"]["smallest_region"] == 0.01


@pytest.mark.parametrize(
    ("config", "options", "told"),
    [
        ("redo_lfw", ["--data", "Colored2MNIST"], "Add --model.num_classes 3"),
        ("redo_lfw", ["--data", "MNIST", "--data.image_size", "32"], "add --model.image_channels 1"),
        ("redo_lfw", ["--data.image_size", "100"], "not 100. Set image_size to 32, 64 or 128."),
        ("quickstart", ["--data", "LFW"], "add --model.image_channels 3"),
    ],
)
def test_what_does_not_fit_together_is_told_at_once(
    config: str, options: list[str], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["fit", "--config", config, "--config", "presets/debug", "--data.num_workers", "0", *options]
    arguments += narrow(CONFIGS / f"{config}.yaml")
    assert main(arguments) == 1
    error = capfd.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert "Namespace" not in error


def test_best_is_never_an_older_runs(capfd: pytest.CaptureFixture[str]) -> None:
    shared = ["--config", "redo_lfw", "--config", "presets/debug", *narrow(CONFIGS / "redo_lfw.yaml")]
    shared += ["--data.batch_size", "4", "--data.num_workers", "0", "--data.image_size", "32"]
    for _ in range(2):
        assert main(["fit", *shared]) == 0
    Path("runs/redo_lfw/fit_1/results.json").unlink()  # as after an interruption
    assert main(["test", *shared, "--ckpt_path", "best"]) == 1
    told = "The newest fit, runs/redo_lfw/fit_1, has no best checkpoint; the best is known when a fit has ended. Give"
    assert f"{told} --ckpt_path last" in capfd.readouterr().err


def test_a_fit_that_ends_before_a_validation_keeps_its_weights(capfd: pytest.CaptureFixture[str]) -> None:
    shared = ["--config", "redo_lfw", *narrow(CONFIGS / "redo_lfw.yaml"), "--data.image_size", "32"]
    shared += ["--data.batch_size", "4", "--data.num_workers", "0", "--trainer.num_sanity_val_steps", "0"]
    assert main(["fit", *shared, "--trainer.max_steps", "4"]) == 0, capfd.readouterr().err
    assert "Last checkpoint: runs/redo_lfw/fit_0/checkpoints/last.ckpt" in capfd.readouterr().out
    assert main(["fit", *shared, "--trainer.max_steps", "8", "--ckpt_path", "last"]) == 0, capfd.readouterr().err
    assert json.loads(Path("runs/redo_lfw/fit_1/results.json").read_text())["global_step"] == 8
