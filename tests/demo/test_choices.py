"""Which methods the page offers, and what is refused before it opens."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tiae_zoo.__main__ import main
from tiae_zoo.commands.convert import save
from tiae_zoo.demo import choices
from tiae_zoo.demo.choices import Choice, find_choices
from tiae_zoo.messages import UserError
from tiae_zoo.methods import ForegroundAE, ReDO, ShiftInvariantAE


def registry(monkeypatch: pytest.MonkeyPatch, **methods: str) -> None:
    """Let there be pretrained weights: name -> method."""
    entries: list[dict[str, Any]] = [
        {"name": name, "method": method, "networks": ["mask_network"]} for name, method in methods.items()
    ]
    monkeypatch.setattr("tiae_zoo.checkpoints.pretrained", lambda: entries)
    monkeypatch.setattr(choices, "pretrained", lambda: entries)


def test_pretrained_weights_that_give_masks_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    registry(monkeypatch, flowers="ReDO", digits="ShiftInvariantAE", rooms="ForegroundAE")
    offered = find_choices([])
    assert {name: choice.kind for name, choice in offered.items()} == {"flowers": ReDO, "rooms": ForegroundAE}
    assert not offered["flowers"].draws  # only its mask network was published
    assert list(find_choices(["rooms"])) == ["rooms"]


def test_nothing_to_offer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    registry(monkeypatch, digits="ShiftInvariantAE")
    with pytest.raises(UserError, match="No pretrained weights that give masks are published yet"):
        find_choices([])


def test_pictures_are_prepared_as_the_run_did(redo: str, tmp_path: Path) -> None:
    choice = Choice(redo)
    assert choice.draws
    assert (choice.data.image_size, choice.data.resize, choice.data.channels) == (32, "nearest", 3)
    alone = Choice(str(shutil.copy(redo, tmp_path / "alone.ckpt")))  # beside no config
    assert (alone.data.image_size, alone.data.resize) == (32, "antialias")


def test_a_checkpoint_without_masks_is_refused(tmp_path: Path) -> None:
    method = ShiftInvariantAE()
    save(method, tmp_path / "digits.ckpt")  # type: ignore[arg-type]
    content = torch.load(tmp_path / "digits.ckpt", weights_only=True)
    content["hyper_parameters"]["_class_path"] = "tiae_zoo.methods.ShiftInvariantAE"
    torch.save(content, tmp_path / "digits.ckpt")
    with pytest.raises(UserError, match="is a checkpoint of ShiftInvariantAE, which gives no masks"):
        Choice(str(tmp_path / "digits.ckpt"))
    content["hyper_parameters"]["_class_path"] = "nowhere.MyMethod"
    torch.save(content, tmp_path / "digits.ckpt")
    with pytest.raises(UserError, match=r"of nowhere\.MyMethod, which cannot be imported.*Start in the folder"):
        Choice(str(tmp_path / "digits.ckpt"))
    del content["hyper_parameters"]["_class_path"]
    torch.save(content, tmp_path / "digits.ckpt")
    with pytest.raises(UserError, match="does not say which method it is of"):
        Choice(str(tmp_path / "digits.ckpt"))


def refused(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["demo", *arguments]) == 1
    return capfd.readouterr().err


def test_without_the_library_the_way_to_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "nicegui", None)
    assert 'Run: pip install "tiae-zoo[demo]"' in refused(capfd)


def test_a_missing_checkpoint_and_a_taken_port_are_told(redo: str, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("nicegui")
    assert "There is no checkpoint 'none.ckpt'" in refused(capfd, "none.ckpt")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert "Address already in use). Give another --port or --host." in refused(capfd, redo, "--port", port)
