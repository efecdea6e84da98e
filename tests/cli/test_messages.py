import re
from pathlib import Path

import pytest

from tests.cli.conftest import Zoo
from tiae_zoo.data import DataError

CASES = {
    "method": (["--model", "ReDo"], r"There is no method 'ReDo'\. Did you mean 'ReDO'\? `tiae-zoo list` names"),
    "data module": (["--data", "LWF"], r"There is no data module 'LWF'\. Did you mean 'LFW'\? `tiae-zoo list` names"),
    "import path": (
        ["--data", "tiae_zoo.data.LWF"],
        r"There is no data module 'tiae_zoo\.data\.LWF'\. Did you mean 'LFW'\?",
    ),
    "model argument": (
        ["--model.widht", "3"],
        r"ToyMethod has no argument 'widht'\. Did you mean 'width'\? `tiae-zoo fit --model\.help ToyMethod` lists",
    ),
    "trainer option": (
        ["--trainer.max_stpes=3"],
        r"The trainer has no option 'max_stpes'\. Did you mean 'max_steps'\? `tiae-zoo fit --help` lists",
    ),
    "abbreviation": (
        ["--trainer.max_epoch", "3"],
        r"The trainer has no option 'max_epoch'\. Did you mean 'max_epochs'\?",
    ),
    "option": (["--modle", "ReDO"], r"There is no option 'modle', given by the command line\. Did you mean 'model'\?"),
    "many values": (
        ["--model.width", "3", "4"],
        r"unrecognized arguments: 4\nAn option takes one value: quote patterns",
    ),
    "wrong type": (["--model.width", "wide"], r"(?s)width.*int.*wide\n`tiae-zoo fit --help` tells"),
    "refused value": (
        ["--model.width", "0"],
        r"(?<=tiae-zoo fit: )width is 0, but must be positive\. Give 1 or more\.",
    ),
    "behind no logger": (["--trainer.logger", "false", "--model.width", "wide"], r"(?s)width.*int.*wide"),
    "behind a logger's name": (["--trainer.logger.name", "mine", "--model.width", "wide"], r"(?s)width.*int.*wide"),
    "behind a callback's": (["--trainer.callbacks.filename", "mine", "--model.width", "wide"], r"(?s)width.*int.*wide"),
    "class of a logger": (["--trainer.logger.class_path", "CSVLoger"], r"There is no logger 'CSVLoger'\. Did you mean"),
    "option of another callback": (
        ["--trainer.callbacks.num_images", "3"],
        r"ModelCheckpoint has no argument 'num_images'\. An option reaches the last callback of the list alone; "
        r"`tiae-zoo fit --trainer\.callbacks\.help ModelCheckpoint` lists",
    ),
    "option of an added callback": (
        ["--trainer.callbacks+=Gallery", "--trainer.callbacks.mode", "max"],
        r"Gallery has no argument 'mode'\. An option reaches the last",
    ),
    "value that could be a class": (
        ["--trainer.callbacks.monitor", "val_score", "--trainer.callbacks.moode", "max"],
        r"ModelCheckpoint has no argument 'moode'\. Did you mean 'mode'\?",
    ),
    "asked to be printed": (["--print_config", "--model.widht", "3"], r"ToyMethod has no argument 'widht'\."),
    "missing data": (["--data.missing", "true"], r"There are no pictures in nowhere\. Put some there\."),
    "missing device": (["--trainer.accelerator", "tpu"], r"torch_xla"),
    "checkpoint": (["--ckpt_path", "none.ckpt"], r"There is no checkpoint 'none\.ckpt'\. Give the path of a \.ckpt"),
    "no fit yet": (
        ["--ckpt_path", "best"],
        r"No fit under runs/toy has a best checkpoint\. Run `tiae-zoo fit` first",
    ),
    "callback of other methods": (
        ["--trainer.callbacks+", "MaskAverage"],
        r"MaskAverage averages .* ToyMethod has none",
    ),
    "guard of other methods": (
        ["--trainer.callbacks+", "CollapseGuard"],
        r"CollapseGuard watches .* ToyMethod gives none",
    ),
    "memory": (["--model", "tests.cli.toys.GreedyMethod"], r"memory is full\. Lower --data\.batch_size"),
}


@pytest.mark.parametrize(("options", "expected"), CASES.values(), ids=CASES)
def test_what_the_user_can_mend_is_told_briefly(zoo: Zoo, options: list[str], expected: str) -> None:
    outcome = zoo("fit", "--config", "toy.yaml", *options)
    assert outcome.status == 1
    assert re.search(rf"^tiae-zoo fit: .*{expected.removeprefix('(?s)')}", outcome.err, re.MULTILINE | re.DOTALL)
    assert "Traceback" not in outcome.err


FILES = {
    "class": ("model: {class_path: ReDo}", r"There is no method 'ReDo'\. Did you mean 'ReDO'\?"),
    "argument": ("model: {init_args: {widht: 3}}", r"ToyMethod has no argument 'widht'\. Did you mean 'width'\?"),
    "key": (
        "modle: {init_args: {width: 3}}",
        r"There is no option 'modle', given by bad\.yaml\. Did you mean 'model'\?",
    ),
    "trainer": ("trainer: {max_stpes: 3}", r"The trainer has no option 'max_stpes'\. Did you mean 'max_steps'\?"),
    "callback": (
        "trainer: {callbacks: [{class_path: Galery}]}",
        r"There is no callback 'Galery'\. Did you mean 'Gallery'\?",
    ),
    "logger": (
        "trainer: {logger: {class_path: CSVLoger}}",
        r"There is no logger 'CSVLoger'\. Did you mean 'CSVLogger'\?",
    ),
    "callback without a class": (
        "trainer: {callbacks: [{init_args: {mode: min}}, {class_path: Gallery}]}",
        r"bad\.yaml has 2 of trainer\.callbacks instead of 1, so that each needs its class_path, and one has none\.",
    ),
    "bare callback": (
        "trainer: {callbacks: Galery}",
        r"There is no callback 'Galery'\. Did you mean 'Gallery'\?",
    ),
    "family": (
        "model: {class_path: ShiftInvariantAE, init_args: {family: Shfit}}",
        r"There is no family 'Shfit'\. Did you mean 'Shift'\?",
    ),
    "seed": ("seed_everything: -3", r"seed_everything is -3, and seeds lie between 0 and"),
    "yaml": ("model: {init_args: {width: 3}", r"bad\.yaml, line \d+, column \d+ is not valid YAML: .*\. Mend"),
    "tabs": ("model:\n\tinit_args: {}", r"bad\.yaml, line 2, column 1 is not valid YAML: .*\. Mend"),
    "list": ("- 1\n- 2", r"bad\.yaml holds no settings\. A config is a mapping"),
}


@pytest.mark.parametrize(("content", "expected"), FILES.values(), ids=FILES)
def test_a_config_that_cannot_be_used_is_told_briefly(zoo: Zoo, content: str, expected: str) -> None:
    Path("bad.yaml").write_text(content, encoding="utf-8")
    outcome = zoo("fit", "--config", "toy.yaml", "--config", "bad.yaml")
    assert outcome.status == 1
    assert re.search(rf"^tiae-zoo fit: {expected}", outcome.err, re.MULTILINE)
    assert "Traceback" not in outcome.err


def test_nothing_to_train_is_told(zoo: Zoo) -> None:
    assert "No method was chosen. Give a --config, such as configs/quickstart.yaml" in zoo("fit").err


@pytest.mark.parametrize("options", [["--trainer.accelerator", "gpu"], ["--config", "presets/ddp"]])
def test_a_missing_gpu_is_told(zoo: Zoo, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for accelerator in ("CUDAAccelerator", "MPSAccelerator"):
        monkeypatch.setattr(f"lightning.pytorch.accelerators.{accelerator}.is_available", lambda: False)
    outcome = zoo("fit", "--config", "quickstart", *options)
    assert outcome.status == 1
    assert "presets/ddp, and PyTorch finds none on this machine. Leave the preset out, or add" in outcome.err
    assert "--trainer.accelerator cpu --trainer.devices 1" in outcome.err
    assert not Path("runs").exists()


def test_a_fault_of_the_program_keeps_its_traceback(zoo: Zoo, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError, match="a fault of the program"):
        zoo("fit", "--config", "toy.yaml", "--model", "tests.cli.toys.BrokenMethod")
    assert "The run broke off. What it wrote is in runs/toy/fit_0" in capfd.readouterr().err


def test_the_traceback_can_be_asked_for(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIAE_ZOO_DEBUG", "1")
    with pytest.raises(DataError, match="There are no pictures in nowhere"):
        zoo("fit", "--config", "toy.yaml", "--data.missing", "true")
