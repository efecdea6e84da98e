import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import LightningDataModule, LightningModule

import tiae_zoo
import tiae_zoo.data
import tiae_zoo.methods
from tests.cli.conftest import Zoo
from tests.processes import run_python
from tiae_zoo.commands import COMMANDS
from tiae_zoo.commands.list import inventory
from tiae_zoo.shipped import shipped_configs


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["list"], ["list", "--json"], ["fitt"]])
def test_light_verbs_import_neither_torch_nor_lightning(arguments: list[str]) -> None:
    program = (
        "import sys; from tiae_zoo.__main__ import main; main(sys.argv[1:]);"
        "heavy = {'torch', 'lightning', 'numpy', 'jsonargparse', 'PIL'} & set(sys.modules); assert not heavy, heavy"
    )
    run_python("-c", program, *arguments)


def test_help_names_every_verb_and_gives_examples(zoo: Zoo) -> None:
    outcome = zoo("--help")
    assert outcome.status == 0
    for verb in ("fit", "validate", "test", "predict", *COMMANDS):
        assert f"\n  {verb}" in outcome.out
    assert "tiae-zoo fit  --config configs/quickstart.yaml" in outcome.out


def test_nothing_asked_shows_the_help_and_fails(zoo: Zoo) -> None:
    outcome = zoo()
    assert outcome.status == 2
    assert "usage:" in outcome.out


def test_version(zoo: Zoo) -> None:
    assert zoo("--version").out == f"tiae-zoo {tiae_zoo.__version__}\n"


@pytest.mark.parametrize(
    ("typo", "meant"), [("fitt", "fit"), ("tset", "test"), ("lst", "list"), ("predcit", "predict")]
)
def test_a_misspelt_verb_is_corrected(zoo: Zoo, typo: str, meant: str) -> None:
    outcome = zoo(typo)
    assert outcome.status == 2
    assert f"Did you mean {meant!r}?" in outcome.err


def test_options_before_the_verb_are_refused(zoo: Zoo) -> None:
    assert "'--config' is an option where the verb belongs." in zoo("--config", "toy.yaml", "fit").err


def test_list_has_every_method_and_data_module_with_a_description(zoo: Zoo) -> None:
    content = json.loads(zoo("list", "--json").out)
    for kind, package, base in (
        ("methods", tiae_zoo.methods, LightningModule),
        ("data", tiae_zoo.data, LightningDataModule),
    ):
        offered = {
            name
            for name in package.__all__
            if isinstance(getattr(package, name), type)
            and issubclass(getattr(package, name), base)
            and not getattr(package, name).__module__.endswith(".base")
        }
        assert set(content[kind]) == offered - {"Describer"}  # a base, too
        assert all(content[kind].values())


def test_list_has_every_config_with_its_first_comment(zoo: Zoo) -> None:
    content = json.loads(zoo("list", "--json").out)["configs"]
    assert set(content) == {f"configs/{name}" for name in shipped_configs()}
    assert content["configs/quickstart.yaml"].startswith("The shift-invariant auto-encoder")
    assert all(content.values())


def test_list_shows_pretrained_weights(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = tmp_path / "registry.json"
    entry: dict[str, Any] = {"name": "redo_lfw", "method": "ReDO", "configs": ["redo_lfw"], "licence": "Apache-2.0"}
    entry |= {"data": "LFW", "metrics": {"test/acc": 0.9, "test/iou": 0.7812, "test/iou_dataset": 0.7}}
    entry["trivial"] = {"centred_square": {"test/acc": 0.79, "test/iou": 0.5658, "test/iou_dataset": 0.568}}
    entry["arguments"] = {"image_size": 128}
    content = b"weights"
    entry |= {"file": "redo_lfw.safetensors", "size": 7, "sha256": hashlib.sha256(content).hexdigest()}
    registry.write_text(json.dumps({"weights": [entry]}), encoding="utf-8")
    monkeypatch.setattr("tiae_zoo.checkpoints.registry_file", lambda: registry)
    out = zoo("list").out
    assert re.search(r"redo_lfw +ReDO on LFW, 128 px, .*Apache-2.0, to be fetched\n +iou 0.781, iou_dataset 0.7;", out)
    assert "; a centred square scores 0.566 and 0.568\n" in out
    (tmp_path / entry["file"]).write_bytes(content)
    told = json.loads(zoo("list", "--json").out)["pretrained"]["redo_lfw"]
    assert (told["local"], told["metrics"]) == (str(tmp_path / entry["file"]), entry["metrics"])
    assert (told["image_size"], told["trivial"]) == (128, entry["trivial"])


def test_list_in_text_has_a_line_for_each_name(zoo: Zoo) -> None:
    out = zoo("list").out
    for names in inventory().values():
        assert all(f"\n  {name}" in out for name in names)
    assert max(len(line) for line in out.partition("Pretrained weights:")[2].splitlines()) <= 120
