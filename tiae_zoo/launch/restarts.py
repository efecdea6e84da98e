"""Start a training that has collapsed anew, with the next seed and in a run folder of its own."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence

from lightning.pytorch import Trainer

from tiae_zoo.callbacks import CollapseGuard
from tiae_zoo.launch.processes import tell

ATTEMPTS = "TIAE_ZOO_ATTEMPTS"  # how often a command was started anew: environment variable of the new process
STARTED_BY_OTHERS = ("LOCAL_RANK", "RANK", "SLURM_PROCID")  # one of several processes, which others started


def restart_if_collapsed(trainer: Trainer, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Return 0 if the training has not collapsed; else start it anew, or return 1 if it was often enough.

    The process is replaced: nothing of the first attempt stays in memory. Processes that torchrun, SLURM or Lightning
    started leave it to those who started them.

    Args:
        trainer: has fitted.
        arguments: of the command.
        environment: as the command found it.
    """
    guard = next((callback for callback in trainer.callbacks if isinstance(callback, CollapseGuard)), None)  # type: ignore[attr-defined]
    if guard is None or not guard.collapsed:
        return 0
    again = next_attempt(arguments, os.environ.get("PL_GLOBAL_SEED", "0"))
    attempts = int(environment.get(ATTEMPTS, 0))
    if attempts >= guard.restarts or any(name in environment for name in STARTED_BY_OTHERS):
        tell(f"The training has collapsed. Try another seed: {shlex.join(['tiae-zoo', *again])}")
        return 1
    tell(f"Starting anew ({attempts + 1} of {guard.restarts}): {shlex.join(['tiae-zoo', *again])}")
    sys.stdout.flush()
    sys.stderr.flush()
    replace_process([sys.executable, "-m", "tiae_zoo", *again], {**environment, ATTEMPTS: str(attempts + 1)})
    return 1  # not reached


def next_attempt(arguments: Sequence[str], seed: str) -> list[str]:
    """Return the arguments with the seed after `seed`, and without a checkpoint to go on from."""
    resumed = any(argument.split("=")[0] == "--ckpt_path" for argument in arguments)
    fresh = ["--ckpt_path", "null"] if resumed else []
    return [*arguments, *fresh, "--seed_everything", str(int(seed) + 1)]


def replace_process(command: list[str], environment: dict[str, str]) -> None:
    """Become another program; this one ends here."""
    os.execve(command[0], command, environment)
