"""Every command that README, docs and `--help` show is one that its parser takes; a walk-through runs."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from PIL import Image

from tests.fakes import scene
from tiae_zoo.__main__ import TRAINER_VERBS, main, usage
from tiae_zoo.cli import ZooCLI
from tiae_zoo.commands import COMMANDS
from tiae_zoo.shipped import shipped_configs

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BASH = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHORT = ["--config", "presets/debug", "--data.image_size", "32", "--data.batch_size", "4", "--data.num_workers", "0"]
SHORT += ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]


def shown(*pages: Path) -> list[str]:
    """Return the commands of the zoo on some pages, in their order."""
    blocks = [block for page in pages for block in BASH.findall(page.read_text(encoding="utf-8"))]
    return of_the_zoo("\n".join(blocks))


def of_the_zoo(text: str) -> list[str]:
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    return [shlex.join(shlex.split(line, comments=True)) for line in lines if line.startswith("tiae-zoo ")]


def commands(verbs: Any) -> list[str]:
    """Return those of some verbs; add_a_method.md's are run as they stand by a test of their own."""
    found = shown(*(page for page in PAGES if page.stem != "add_a_method")) + of_the_zoo(usage())
    return sorted({command for command in found if command.split()[1] in verbs})


def test_the_pages_show_commands() -> None:
    assert len(commands(TRAINER_VERBS)) > 10
    assert {command.split()[1] for command in commands(COMMANDS)} == set(COMMANDS)
    verbs = {*TRAINER_VERBS, *COMMANDS, "VERB"}
    assert {command.split()[1] for command in shown(*PAGES)} <= verbs


@pytest.mark.parametrize("command", commands(TRAINER_VERBS))
def test_the_parser_takes_it(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command)[1:]
    if any(argument.endswith("help") for argument in arguments):
        assert main(arguments) == 0
        return
    if "--data.images" in arguments and "--data" not in arguments:  # as its run had
        arguments[1:1] = ["--data", "Folder"]
    if "--ckpt_path" in arguments:  # there is no run to take one from, nor the config that it would bring
        place = arguments.index("--ckpt_path")
        name = arguments[place + 1]
        del arguments[place : place + 2]
        if "--config" not in arguments:
            arguments[1:1] = ["--config", name if f"{name}.yaml" in shipped_configs() else "redo_lfw"]
    if "--print_config" not in arguments:
        arguments.append("--print_config")
    assert main(arguments) == 0, capfd.readouterr().err
    assert "class_path: tiae_zoo." in capfd.readouterr().out


STN = set(shown(ROOT / "docs" / "methods" / "stn.md"))


@pytest.mark.parametrize("command", sorted(command for command in STN if command.split()[1] == "fit"))
def test_every_variant_of_the_transformers_can_be_built(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Their options change sizes that must fit together: a parser cannot see that. Others take long to build."""

    def look_and_leave(cli: ZooCLI) -> NoReturn:
        model = cli.model.hparams
        read.append(cli.model(torch.rand(2, model.image_channels, model.image_size, model.image_size)).shape)
        raise SystemExit(0)

    read: list[tuple[int, ...]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ZooCLI, "before_fit", look_and_leave)
    assert main(shlex.split(command)[1:]) == 0, capfd.readouterr().err
    assert read == [(2, 3 if "stn_sequence" in command else 1, 10)]


def test_the_transformer_in_a_network_of_ones_own_runs() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/methods/stn.md").read_text("utf-8"), re.M | re.S)
    names: dict[str, Any] = {}
    exec(example, names)
    assert names["logits"].shape == (2, 10)


class Parsed(Exception):  # noqa: N818
    """The command line was taken."""


@pytest.mark.parametrize("command", commands(COMMANDS))
def test_the_parser_of_a_light_verb_takes_it(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parse_and_leave(parser: argparse.ArgumentParser, arguments: list[str]) -> NoReturn:
        parse(parser, arguments)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_leave)
    with pytest.raises(Parsed):
        main(shlex.split(command)[1:])


@pytest.mark.slow
def test_the_walk_through_own_pictures_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As it stands on the page, but for small images and few steps."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for folder in ("horses/images", "horses/masks", "my_photos"):
        Path(folder).mkdir(parents=True)
    for number in range(40):
        photo, mask = scene(rng, 48, 40)
        Image.fromarray(photo).save(f"horses/images/{number}.jpg")
        Image.fromarray(mask).save(f"horses/masks/{number}.png")
    Image.fromarray(scene(rng, 50, 60)[0]).save("my_photos/horse001.jpg")
    for command in shown(ROOT / "docs" / "own_data.md"):
        arguments = shlex.split(command)[1:]
        if arguments[0] != "predict":
            narrow = ["mask_width", "generator_width", "discriminator_width"] if "redo" in command else []
            arguments += [*SHORT, *(word for name in narrow for word in (f"--model.{name}", "4"))]
        assert main(arguments) == 0, capfd.readouterr().err
    assert Path("found/masks/horse001.png").is_file()
    assert Path("found/overlays/horse001.jpg").is_file()
    assert Path("runs/horses_scored/test_0/results.json").is_file()
    assert Path("runs/horses_pspnet/fit_0/results.json").is_file()
