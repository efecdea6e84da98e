"""The page that tells how to add a method is itself run."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Zoo

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_example_method_runs_as_written(zoo: Zoo) -> None:
    blocks = BLOCK.findall((DOCS / "add_a_method.md").read_text(encoding="utf-8"))
    for _, title, content in blocks:
        if title:
            Path(title).write_text(content, encoding="utf-8")
    commands = [line for kind, _, content in blocks if kind == "bash" for line in content.splitlines()]
    assert len(commands) == 2
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "tiae-zoo"
        outcome = zoo(*arguments)
        assert outcome.status == 0, outcome.err
    assert list(Path("runs/colours/fit_0/pictures").glob("*.png"))
    scores = json.loads(Path("runs/colours/test_0/results.json").read_text(encoding="utf-8"))["metrics"]
    assert scores["test/miou_dataset"] > 0.5


def test_the_verbs_of_the_page_exist(zoo: Zoo) -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    verbs = set(re.findall(r"^tiae-zoo (\w+)", page, re.MULTILINE))
    usage = zoo("--help").out
    assert all(f"\n  {verb} " in usage for verb in verbs)
