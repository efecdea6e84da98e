"""From a checkpoint to pretrained weights that load by their name and give what was published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tiae_zoo import checkpoints, publishing
from tiae_zoo.__main__ import main
from tiae_zoo.checkpoints import load_model
from tiae_zoo.messages import UserError
from tiae_zoo.publishing import verify

QUICK = [
    "--config",
    "presets/debug",
    "--data.num_workers",
    "0",
    "--data.eval_batch_size",
    "4",
    "--data.batch_size",
    "4",
]
NARROW = ["--model.mask_width", "8", "--model.generator_width", "2", "--model.discriminator_width", "4"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty registry in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIAE_ZOO_CACHE", str(tmp_path / "cache"))
    registry = tmp_path / "repository" / "registry.json"
    registry.parent.mkdir()
    registry.write_text(json.dumps({"description": "kept", "weights": []}))
    for module in (checkpoints, publishing):
        monkeypatch.setattr(module, "registry_file", lambda: registry)
    return registry.parent


def fitted(config: str, *options: str) -> tuple[str, str]:
    """Return the paths of a checkpoint and of its test's results."""
    assert main(["fit", "--config", config, *QUICK, *options]) == 0
    checkpoint = f"runs/{config}/fit_0/checkpoints/last.ckpt"
    whole = ["--trainer.limit_test_batches", "1.0", "--ckpt_path", checkpoint]
    assert main(["test", "--config", config, *QUICK, *options, *whole]) == 0
    return checkpoint, f"runs/{config}/test_0/results.json"


def test_an_exported_model_is_the_one_that_was_trained(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    checkpoint, results = fitted("shift_ae_mnist")
    assert main(["export", checkpoint, "digits", "--config", "shift_ae_mnist", "--results", results]) == 0
    told = capfd.readouterr().out
    assert "tiae-zoo test --ckpt_path digits" in told
    assert sorted(path.name for path in repository.iterdir()) == [
        "digits.golden.safetensors",
        "digits.md",
        "digits.safetensors",
        "registry.json",
    ]
    model = load_model("digits")
    for key, value in torch.load(checkpoint, weights_only=True)["state_dict"].items():
        torch.testing.assert_close(model.state_dict()[key], value)
    verify(model, repository / "digits.golden.safetensors")

    content = json.loads((repository / "registry.json").read_text())
    (entry,) = content["weights"]
    assert content["description"] == "kept"
    assert entry["metrics"] == json.loads(Path(results).read_text())["metrics"]
    assert (entry["method"], entry["data"], entry["seed"]) == ("ShiftInvariantAE", "MNIST", 0)
    card = (repository / "digits.md").read_text()
    assert f"{entry['metrics']['test/variance_ratio']:.4g}" in card
    assert entry["sha256"] in card
    assert entry["recipe"] == json.loads(Path("runs/shift_ae_mnist/fit_0/results.json").read_text())["command"]
    assert entry["recipe"] in card


def test_one_network_in_half_precision_is_small_and_segments_alike(repository: Path) -> None:
    options = ["--data.image_size", "32", *NARROW]
    checkpoint, _ = fitted("redo_lfw", *options)
    how = ["--config", "redo_lfw", "--config", "presets/redo_small", "--network", "mask_network", "--half"]
    assert main(["export", checkpoint, "faces", *how, "--limits", "Faces alone."]) == 0
    stored = load_file(repository / "faces.safetensors")
    assert {key.partition(".")[0] for key in stored} == {"mask_network"}
    for value in stored.values():  # biases and statistics are few, and may be larger than 16 bits hold
        assert value.dtype == (torch.float16 if value.ndim > 1 else torch.float32)
    card = (repository / "faces.md").read_text()
    assert "Only the weights of mask_network" in card
    assert "Faces alone." in card
    content = torch.load(checkpoint, weights_only=True)
    trained = content["state_dict"]
    model = load_model("faces")
    assert sorted(content["region_classes"]) == [0, 1]  # known since the validation

    assert main(["average", checkpoint]) == 0
    averaged = checkpoint.replace("last", "last_average")
    assert main(["export", averaged, "calm_faces", "--config", "redo_lfw"]) == 0
    assert "tiae-zoo average CKPT" in (repository / "calm_faces.md").read_text()
    assert "tiae-zoo average" not in card
    assert model.region_classes == content["region_classes"]
    for key, value in model.state_dict().items():
        if key.startswith("mask_network"):
            torch.testing.assert_close(value, trained[key], rtol=1e-3, atol=1e-3)
    quick = ["--trainer.limit_test_batches", "1", "--data.num_workers", "0", "--data.image_size", "32"]
    assert main(["test", "--ckpt_path", "faces", *quick]) == 0


def test_what_does_not_give_the_golden_prediction_is_refused(repository: Path) -> None:
    checkpoint, _ = fitted("shift_ae_mnist")
    assert main(["export", checkpoint, "digits", "--config", "shift_ae_mnist"]) == 0
    golden = load_file(repository / "digits.golden.safetensors")
    name = next(name for name in golden if name != "image")
    save_file(golden | {name: golden[name] + 0.01 * golden[name].abs().max().clamp(min=1)}, "other.safetensors")
    with pytest.raises(UserError, match="differs from"):
        verify(load_model("digits"), Path("other.safetensors"))


def test_nothing_is_overwritten_and_nothing_left_of_what_failed(
    repository: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, results = fitted("shift_ae_mnist")
    base = ["export", checkpoint, "digits", "--config", "shift_ae_mnist"]
    other = json.loads(Path(results).read_text()) | {"checkpoint": "elsewhere.ckpt"}
    Path("other.json").write_text(json.dumps(other))
    Path("fit.json").write_text(json.dumps(other | {"verb": "fit"}))
    part = json.loads(Path(results).read_text())
    part["config"]["trainer"]["limit_test_batches"] = 2
    Path("part.json").write_text(json.dumps(part))
    for options, told in (
        (["--network", "mask"], "has no network 'mask'"),
        (["--results", "other.json"], "was measured on elsewhere.ckpt"),
        (["--results", "fit.json"], "is no results.json of `tiae-zoo test`"),
        (["--results", "part.json"], "was measured on a part of the test images"),
        (["--config", "shift_ae_mnits"], "Did you mean"),
        (["--config", "redo_lfw"], "The checkpoint is of ShiftInvariantAE, the configs are of ShiftInvariantAE, ReDO."),
    ):
        assert main([*base, *options]) == 1
        assert told in capfd.readouterr().err
    for name in ("last", "Digits", "my digits", "../digits"):
        assert main(["export", checkpoint, name, *base[3:]]) == 1
        assert f"{name!r} cannot be a name" in capfd.readouterr().err
    assert main(["export", "nowhere.ckpt", *base[2:]]) == 1
    assert "There is no checkpoint nowhere.ckpt" in capfd.readouterr().err
    monkeypatch.setattr(publishing, "TOLERANCE", -1.0)
    assert main(base) == 1
    assert [path.name for path in repository.iterdir()] == ["registry.json"]
    assert json.loads((repository / "registry.json").read_text())["weights"] == []
