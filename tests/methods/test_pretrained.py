"""Weights of ImageNet: they arrive, are fetched for a training's start alone, and what to do without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from tests.imagenet import cut_off, random_weights, serve_random_weights
from tests.quiet import quiet_trainer
from tiae_zoo.__main__ import main
from tiae_zoo.launch.checkpoint import restored
from tiae_zoo.messages import UserError
from tiae_zoo.methods import SupervisedSegmenter

SOURCES = {
    "pspnet": "resnet50",
    "pspnet101": "resnet101",
    "fcn8s": "vgg16",
    "deconvnet": "vgg16_bn",
    "segnet": "vgg16_bn",
}


def tensors_of(network: nn.Module, prefixes: tuple[str, ...]) -> list[torch.Tensor]:
    """Return what the parts of these names hold, in order, without counters of batches."""
    state = network.state_dict()
    return [value for key, value in state.items() if key.startswith(prefixes) and value.is_floating_point()]


@pytest.mark.parametrize("network", SOURCES)
def test_all_that_torchvision_saw_of_images_arrives(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_random_weights(monkeypatch)
    method = SupervisedSegmenter(network, image_size=32, pretrained=True)  # type: ignore[arg-type]
    found = tensors_of(method.network, ("stem", "early", "late", "blocks", "encoder"))
    source = random_weights(SOURCES[network])
    wanted = [
        value for key, value in source.items() if not key.startswith(("classifier", "fc")) and value.is_floating_point()
    ]
    for here, there in zip(found, wanted, strict=True):
        torch.testing.assert_close(here, there)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["fcn8s", "deconvnet"])
def test_fully_connected_layers_arrive_as_convolutions(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_random_weights(monkeypatch)
    method = SupervisedSegmenter(network, image_size=224, pretrained=True).eval()  # type: ignore[arg-type]
    features = torch.randn(1, 512, 7, 7)  # the last map of a picture of 224 px
    with torch.device("meta"):
        source = get_model(SOURCES[network])
    source.load_state_dict(random_weights(SOURCES[network]), assign=True)
    with torch.no_grad():
        wanted = source.eval().classifier[:6](features.flatten(1))  # without the layer of ImageNet's classes
        if network == "fcn8s":
            found = method.network.dense(features)[..., 3, 3]  # where its 7x7 pixels are all of the map
        else:
            found = method.network.bottleneck[:6](features)[..., 0, 0]  # norms that saw nothing yet change nothing
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("network", ["pspnet", "segnet"])
def test_a_checkpoint_needs_no_fetching(network: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    serve_random_weights(monkeypatch)
    method = SupervisedSegmenter(network, image_size=32, pretrained=True)  # type: ignore[arg-type]
    trainer = quiet_trainer()
    trainer.strategy.connect(method)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    cut_off(monkeypatch)
    for loaded in (
        SupervisedSegmenter.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True),
        restored(SupervisedSegmenter, tmp_path / "a.ckpt"),
    ):
        for key, value in method.state_dict().items():
            torch.testing.assert_close(loaded.state_dict()[key], value)


@pytest.mark.slow
def test_every_verb_takes_a_checkpoint_without_fetching(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    serve_random_weights(monkeypatch)
    options = ["--config", "segnet_flowers", "--config", "presets/debug", "--data.image_size", "32"]
    options += ["--data.batch_size", "4", "--data.num_workers", "0", "--trainer.callbacks", "null"]
    options += ["--model.pretrained", "true"]
    assert main(["fit", *options]) == 0, capfd.readouterr().err
    cut_off(monkeypatch)
    for verb in ("test", "predict", "fit"):
        longer = ["--trainer.max_steps", "4"] if verb == "fit" else []
        assert main([verb, *options, *longer, "--ckpt_path", "last"]) == 0, capfd.readouterr().err
    capfd.readouterr()
    assert main(["fit", *options]) == 1
    told = capfd.readouterr().err
    assert "Name or service not known" in told
    assert "set pretrained to false" in told
    assert "Traceback" not in told


def test_without_a_network_the_remedies_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(monkeypatch)
    with pytest.raises(UserError, match=r"hub/checkpoints, or set pretrained to false"):
        SupervisedSegmenter("segnet", pretrained=True)
