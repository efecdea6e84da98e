"""Start a training that has collapsed anew, with the next seed and in a run folder of its own."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from tiae_zoo.callbacks import CollapseGuard
from tiae_zoo.launch.arguments import option_values
from tiae_zoo.launch.processes import tell

ATTEMPTS = "TIAE_ZOO_ATTEMPTS"  # how often a command was started anew: environment variable of the new process
VERSION_OPTIONS = ("--trainer.logger.version", "--trainer.logger.init_args.version")
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
    again = next_attempt(arguments, os.environ.get("PL_GLOBAL_SEED", "0"), has_named_folder(trainer, arguments))
    attempts = int(environment.get(ATTEMPTS, 0))
    if attempts >= guard.restarts or any(name in environment for name in STARTED_BY_OTHERS):
        tell(f"The training has collapsed. Try another seed: {shlex.join(['tiae-zoo', *again])}")
        return 1
    tell(f"Starting anew ({attempts + 1} of {guard.restarts}): {shlex.join(['tiae-zoo', *again])}")
    finish_runs()
    sys.stdout.flush()
    sys.stderr.flush()
    replace_process([sys.executable, "-m", "tiae_zoo", *again], {**environment, ATTEMPTS: str(attempts + 1)})
    return 1  # not reached


def has_named_folder(trainer: Trainer, arguments: Sequence[str]) -> bool:
    """Whether options or config gave a logger a version: the run's folder, or the run of a web service."""
    options = (argument.partition("=")[0] for argument in arguments)
    numbered = re.compile(r"fit_\d+")
    return any(option in VERSION_OPTIONS for option in options) or any(
        isinstance(logger, (CSVLogger, TensorBoardLogger)) and not numbered.fullmatch(str(logger.version))
        for logger in trainer.loggers
    )


def next_attempt(arguments: Sequence[str], seed: str, named: bool = False) -> list[str]:
    """Return the arguments with the seed after `seed`, and without a checkpoint to go on from, also of a config.

    Options of an attempt before give way to the new ones.

    Args:
        arguments: of the command.
        seed: of the attempt that collapsed.
        named: its folder has a name of its own, which is taken now: the next one is numbered.
    """
    new = {"--ckpt_path": "null", "--seed_everything": str(int(seed) + 1)}
    if named:
        new["--trainer.logger.version"] = "null"
    kept = list(arguments)
    for place, value in reversed([*option_values(kept, *new)]):
        name, equals, _ = kept[place].partition("=")
        if name != "--ckpt_path" or value == "null":  # a checkpoint may bring the config of its run
            del kept[place : place + (1 if equals else 2)]
    return [*kept, *(word for option in new.items() for word in option)]


def finish_runs() -> None:
    """End the runs that wandb ends when Python exits: a process that is replaced never does."""
    if wandb := sys.modules.get("wandb"):
        wandb.finish()


def replace_process(command: list[str], environment: dict[str, str]) -> None:
    """Become another program; this one ends here."""
    os.execve(command[0], command, environment)
