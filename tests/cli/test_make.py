import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "bin").mkdir()
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make with a PATH on which Python is what the test put into bin/."""
    for tool in ("make", "sh", "echo", "touch", "mkdir"):
        link = checkout / "bin" / tool
        if not link.exists():
            link.symlink_to(shutil.which(tool) or tool)
    environment = {**os.environ, "PATH": str(checkout / "bin")}
    return subprocess.run(["make", *arguments], cwd=checkout, env=environment, text=True, capture_output=True)


def put_program(path: Path, lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
    path.chmod(0o755)


def test_an_old_python_is_told(checkout: Path) -> None:
    put_program(checkout / "bin" / "python3", "exit 1")  # what the version check says
    outcome = make(checkout, "quickstart")
    assert outcome.returncode != 0
    assert "tiae-zoo needs Python 3.11" in outcome.stderr
    assert "make quickstart PYTHON=" in outcome.stderr
    assert not (checkout / ".venv").exists()


def test_it_installs_once_and_again_when_the_project_file_changes(checkout: Path) -> None:
    put_program(checkout / ".venv" / "bin" / "python", "exit 0")
    put_program(checkout / ".venv" / "bin" / "tiae-zoo", "exit 0")
    put_program(checkout / ".venv" / "bin" / "pip", 'echo "pip $@" >> pip.log')
    log = checkout / "pip.log"
    for _ in range(2):
        assert make(checkout, "quickstart", "TORCH_INDEX=https://example.org/cpu").returncode == 0
    assert log.read_text(encoding="utf-8").splitlines() == [
        "pip install torch torchvision --index-url https://example.org/cpu",
        "pip install --editable .",
    ]
    stamp = checkout / ".venv" / "installed"
    os.utime(checkout / "pyproject.toml", (stamp.stat().st_mtime + 10,) * 2)
    assert make(checkout, "quickstart").returncode == 0
    assert len(log.read_text(encoding="utf-8").splitlines()) == 3
