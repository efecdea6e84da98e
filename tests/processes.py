"""Python in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

PATIENCE = 300  # seconds until a process counts as hung: the machine may be busy


def run_python(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python and return what came of it, with all it printed; a process that fails, fails the test.

    Args:
        arguments: a script and its own arguments, or Python's options.
        options: of `subprocess.run`, such as `cwd`.
    """
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done
