"""Every training command that README, docs and `--help` show is one that the parser takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tiae_zoo.__main__ import TRAINER_VERBS, main, usage

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BASH = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Return the commands with a config; add_a_method.md's are run as they stand by a test of their own."""
    blocks = [block for page in PAGES if page.stem != "add_a_method" for block in BASH.findall(page.read_text())]
    lines = "\n".join([*blocks, usage()]).replace("\\\n", " ").splitlines()
    shown = {shlex.join(shlex.split(line, comments=True)) for line in lines if line.strip().startswith("tiae-zoo ")}
    return sorted(line for line in shown if line.split()[1] in TRAINER_VERBS and "--config" in line)


def test_the_pages_show_commands() -> None:
    assert len(commands()) > 10


@pytest.mark.parametrize("command", commands())
def test_the_parser_takes_it(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command)[1:]
    if "--ckpt_path" in arguments:  # there is no run to take one from
        place = arguments.index("--ckpt_path")
        del arguments[place : place + 2]
    if "--print_config" not in arguments:
        arguments.append("--print_config")
    assert main(arguments) == 0, capfd.readouterr().err
    assert "class_path: tiae_zoo." in capfd.readouterr().out
