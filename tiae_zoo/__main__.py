"""The `tiae-zoo` command: light verbs run at once, the training verbs load PyTorch first."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from tiae_zoo import __version__
from tiae_zoo.commands import COMMANDS
from tiae_zoo.messages import UserError, did_you_mean

TRAINER_VERBS = {
    "fit": "train a method",
    "validate": "score a checkpoint on the validation split",
    "test": "score a checkpoint on the test split",
    "predict": "write what a checkpoint finds in pictures",
    "bench": "measure the training steps of a method and the loading of its data",
}


def usage() -> str:
    """Return the text of `tiae-zoo --help`."""
    verbs = {**TRAINER_VERBS, **COMMANDS}
    lines = "\n".join(f"  {verb:<10}{text}" for verb, text in verbs.items())
    return f"""usage: tiae-zoo VERB [options]

Find objects and shapes without labels: a zoo of PyTorch Lightning methods.

verbs:
{lines}

  tiae-zoo VERB --help     the options of a verb
  tiae-zoo --version       the version

examples:
  tiae-zoo fit  --config configs/quickstart.yaml
  tiae-zoo test --config configs/quickstart.yaml --ckpt_path last
  tiae-zoo fit  --config configs/redo_lfw.yaml --config configs/presets/debug.yaml --data.batch_size 4
  tiae-zoo fit  --config configs/redo_cub.yaml --config presets/unlabelled --data Folder --data.images my_photos/

A config may be a file of yours or a shipped one; later configs and options override earlier ones.
Errors are told without a traceback; set TIAE_ZOO_DEBUG=1 to see it.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0, 1 for what failed, 2 for what was asked wrongly."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage(), end="")  # noqa: T201
        return 0 if arguments else 2
    verb = arguments[0]
    if verb in ("--version", "-V"):
        print(f"tiae-zoo {__version__}")  # noqa: T201
        return 0
    if verb in TRAINER_VERBS:
        return int(_import_heavy("tiae_zoo.cli").run(arguments))
    if verb in COMMANDS:
        return _run_light(verb, arguments[1:])
    hint = did_you_mean(verb, [*TRAINER_VERBS, *COMMANDS])
    what = "an option where the verb belongs" if verb.startswith("-") else "not a verb of tiae-zoo"
    print(f"tiae-zoo: {verb!r} is {what}.{hint} `tiae-zoo --help` lists the verbs.", file=sys.stderr)  # noqa: T201
    return 2


def _import_heavy(module: str) -> ModuleType:
    """Import a module that loads PyTorch, without the collection of garbage: there is none, and looking takes time."""
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.enable()


def _run_light(verb: str, arguments: list[str]) -> int:
    try:
        status: int = importlib.import_module(f"tiae_zoo.commands.{verb}").main(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader has seen enough, as in `tiae-zoo list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to fail at exit
        return 0
    except UserError as error:
        if os.environ.get("TIAE_ZOO_DEBUG"):
            raise
        print(f"tiae-zoo {verb}: {error}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
