"""Pretrained weights by their names: found, fetched, verified and loaded, whatever a verb does with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import tiae_zoo
from tiae_zoo import checkpoints
from tiae_zoo.__main__ import main
from tiae_zoo.checkpoints import as_checkpoint, fetch_weights, find_pretrained, load_model, weights_folder
from tiae_zoo.messages import UserError
from tiae_zoo.methods import AutoEncoder, ShiftInvariantAE

ARGUMENTS: dict[str, Any] = {
    "family": {"class_path": "tiae_zoo.invariance.Shift", "init_args": {"max_shift": 2}},
    "image_size": 32,
    "image_channels": 1,
    "dim_descriptor": 5,
    "num_transforms": 2,
    "lambda_inv": 1.0,
    "lambda_res": 1.0,
    "lambda_spa": 0.0,
    "lr": 0.001,
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIAE_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(checkpoints.MIRROR, raising=False)


@pytest.fixture
def model() -> ShiftInvariantAE:
    torch.manual_seed(0)
    return ShiftInvariantAE(**{name: value for name, value in ARGUMENTS.items() if name != "family"}).eval()


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: ShiftInvariantAE) -> Callable[..., Path]:
    """Write a registry whose one entry, `digits`, is the model; return the file of weights in a folder of its own."""
    source = tmp_path / "source" / "digits.safetensors"
    source.parent.mkdir()
    save_file(
        {key: value.half() for key, value in model.state_dict().items() if value.is_floating_point()}
        | {key: value for key, value in model.state_dict().items() if not value.is_floating_point()},
        source,
    )
    registry = tmp_path / "repository" / "registry.json"
    registry.parent.mkdir()
    monkeypatch.setattr(checkpoints, "registry_file", lambda: registry)

    def write(*urls: str) -> Path:
        content = source.read_bytes()
        entry = {
            "name": "digits",
            "method": "ShiftInvariantAE",
            "configs": ["shift_ae_mnist"],
            "arguments": ARGUMENTS,
            "networks": [],
            "file": source.name,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "urls": list(urls),
            "licence": "Apache-2.0",
        }
        registry.write_text(json.dumps({"description": "", "weights": [entry]}))
        return source

    return write


def assert_same(found: torch.nn.Module, model: torch.nn.Module) -> None:
    for key, value in model.state_dict().items():
        torch.testing.assert_close(
            found.state_dict()[key], value.half().float() if value.is_floating_point() else value
        )


def test_the_repositorys_own_copy_comes_first(publish: Callable[..., Path], model: ShiftInvariantAE) -> None:
    copy = checkpoints.registry_file().parent / publish("https://nowhere.invalid/digits").name
    copy.write_bytes(Path("source/digits.safetensors").read_bytes())
    assert fetch_weights("digits") == copy
    found = tiae_zoo.load_model("digits")
    assert isinstance(found, ShiftInvariantAE)
    assert not found.training
    assert found.family.max_shift == 2
    assert_same(found, model)


def test_a_failed_source_moves_on_to_the_next_and_what_was_fetched_stays(
    publish: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiae_zoo.download.PAUSE", 0.0)
    source = publish("file:///not/there", Path("source/digits.safetensors").absolute().as_uri())
    path = fetch_weights("digits")
    assert path == weights_folder() / "digits.safetensors"
    assert path.read_bytes() == source.read_bytes()
    source.unlink()
    assert fetch_weights("digits") == path  # no connection is needed any more


@pytest.mark.parametrize("as_url", [False, True])
def test_a_mirror_is_asked_before_the_addresses(
    as_url: bool, publish: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = publish("file:///not/there").parent
    monkeypatch.setenv(checkpoints.MIRROR, folder.absolute().as_uri() if as_url else str(folder))
    assert fetch_weights("digits").is_file()


def test_damaged_copies_are_not_taken(publish: Callable[..., Path]) -> None:
    source = publish(Path("source/digits.safetensors").absolute().as_uri())
    for folder in (checkpoints.registry_file().parent, weights_folder()):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / source.name).write_bytes(source.read_bytes()[:-1] + b"?")
    assert fetch_weights("digits").read_bytes() == source.read_bytes()


def test_without_any_source_the_error_names_all_and_the_place(
    publish: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiae_zoo.download.PAUSE", 0.0)
    publish("file:///one", "file:///two")
    with pytest.raises(UserError) as told:
        fetch_weights("digits")
    for part in ("file:///one", "file:///two", str(weights_folder() / "digits.safetensors"), "sha256", "MIRROR"):
        assert part in str(told.value)
    assert not list(weights_folder().glob("*.safetensors"))
    publish()
    with pytest.raises(UserError, match="the registry has no address of them") as told:
        fetch_weights("digits")
    for part in (checkpoints.registry_file().parent, weights_folder(), checkpoints.MIRROR, "sha256"):
        assert str(part) in str(told.value)


def test_unknown_names_are_told_with_the_near_ones(publish: Callable[..., Path]) -> None:
    publish()
    with pytest.raises(UserError, match="Did you mean 'digits'"):
        find_pretrained("digit")


def test_names_work_where_paths_do(
    publish: Callable[..., Path], model: ShiftInvariantAE, capfd: pytest.CaptureFixture[str]
) -> None:
    publish(Path("source/digits.safetensors").absolute().as_uri())
    arguments = ["--config", "presets/debug", "--data.eval_batch_size", "4", "--data.num_workers", "0"]
    assert main(["test", "--config", "shift_ae_mnist", *arguments, "--ckpt_path", "digits"]) == 0, (
        capfd.readouterr().err
    )
    results = json.loads(Path("runs/shift_ae_mnist/test_0/results.json").read_text())
    assert results["config"]["model"]["init_args"]["dim_descriptor"] == 5  # the checkpoint's own arguments
    assert {"test/variance_ratio", "test/restoration_error"} <= set(results["metrics"])
    assert main(["test", "--config", "shift_ae_mnist", "--ckpt_path", "digit"]) == 1
    assert "Did you mean 'digits'?" in capfd.readouterr().err


def test_a_name_alone_brings_its_config(publish: Callable[..., Path], capfd: pytest.CaptureFixture[str]) -> None:
    publish(Path("source/digits.safetensors").absolute().as_uri())
    options = ["--trainer.limit_test_batches", "1", "--data.eval_batch_size", "4", "--data.num_workers", "0"]
    options += ["--trainer.callbacks", "null"]
    assert main(["test", "--ckpt_path", "digits", *options]) == 0, capfd.readouterr().err
    assert Path("runs/shift_ae_mnist/test_0/results.json").is_file()


def test_a_file_of_that_name_wins(publish: Callable[..., Path]) -> None:
    publish()
    from tiae_zoo.launch.checkpoint import find_checkpoint

    Path("digits").touch()
    assert find_checkpoint("digits", Path("runs")) == "digits"


def test_the_checkpoint_is_made_once_and_holds_no_code(publish: Callable[..., Path]) -> None:
    publish(Path("source/digits.safetensors").absolute().as_uri())
    path = as_checkpoint("digits")
    written = path.stat().st_mtime_ns
    assert as_checkpoint("digits").stat().st_mtime_ns == written
    assert torch.load(path, weights_only=True)["hyper_parameters"]["dim_descriptor"] == 5
    assert isinstance(load_model("digits"), ShiftInvariantAE)
    assert not isinstance(load_model("digits"), AutoEncoder)


def test_download_fetches_by_name_or_all(publish: Callable[..., Path], capfd: pytest.CaptureFixture[str]) -> None:
    publish(Path("source/digits.safetensors").absolute().as_uri())
    assert main(["download"]) == 1
    assert "Give their NAME, or --all" in capfd.readouterr().err
    assert main(["download", "digits"]) == 0
    assert main(["download", "--all"]) == 0
    assert str(weights_folder() / "digits.safetensors") in capfd.readouterr().out
    assert main(["download", "digits", "birds"]) == 1
    told = capfd.readouterr()
    assert "digits:" in told.out
    assert "There are no weights 'birds'" in told.err
