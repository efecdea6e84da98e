"""Give a run its folder, by way of the loggers: Lightning puts everything else beside the first logger's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from tiae_zoo import runs
from tiae_zoo.messages import UserError

DEFAULT_HOME = "runs"
LIGHTNING_NAME = "lightning_logs"  # what a logger is called if nobody named it
UNSAID = {"save_dir": DEFAULT_HOME, "name": LIGHTNING_NAME, "version": None}
FOLDER_LOGGERS = ("CSVLogger", "TensorBoardLogger")  # trainer.log_dir is their folder; others have none of their own


def run_home(options: Namespace) -> Path:
    """Return the folder that holds all runs of this experiment: `<save_dir>/<name>`, default `runs/<method>_<data>`."""
    loggers = _loggers(options.trainer)
    if not loggers or not _makes_folder(loggers[0]):
        return Path(options.trainer.get("default_root_dir") or DEFAULT_HOME) / _default_name(options)
    name = _said(loggers, "name")
    return Path(_said(loggers, "save_dir")) / (_default_name(options) if name == LIGHTNING_NAME else name or "")


def place_run(options: Namespace, verb: str) -> Path:
    """Reserve the run's folder and point the loggers to it; changes `options.trainer`.

    The folder is `<verb>_<n>` in :func:`run_home`, or the version given to a logger, and the same for all loggers that
    keep one. Without a logger, or with only loggers that keep no folder, a CSVLogger goes first. `logger: false` keeps
    the folder, without a log.

    Raises:
        UserError: if the folder exists already or cannot be made.
    """
    trainer = options.trainer
    home = run_home(options)
    if trainer.logger is False:
        folder = runs.reserve(home, verb)
        trainer.default_root_dir = str(folder)
        return folder
    loggers = _loggers(trainer)
    if not loggers or not _makes_folder(loggers[0]):
        first = {"save_dir": str(home.parent), "name": home.name}
        loggers.insert(0, Namespace(class_path="lightning.pytorch.loggers.CSVLogger", init_args=Namespace(first)))
    folder = _reserve(home, _said(loggers, "version"), verb)
    for logger in loggers:
        given = logger.get("init_args") or Namespace()
        if not _makes_folder(logger):
            if given.get("name", "") in (None, home.name):  # wandb would make one up, or call all runs the same
                given.name = f"{home.name}/{folder.name}"
            continue
        given.save_dir, given.name, given.version = _said(loggers, "save_dir"), _said(loggers, "name"), folder.name
        if given.name == LIGHTNING_NAME:
            given.name = home.name
    trainer.logger = loggers
    return folder


def _reserve(home: Path, version: int | str | None, verb: str) -> Path:
    if version is None:
        return runs.reserve(home, verb)
    folder = home / (version if isinstance(version, str) else f"version_{version}")
    if not runs.make_new(folder):
        raise UserError(
            f"The run folder {folder} exists already and is not overwritten. "
            "Give another --trainer.logger.version, or none to have runs numbered."
        )
    return folder


def _loggers(trainer: Namespace) -> list[Namespace]:
    given = trainer.get("logger")
    if given in (None, True, False):
        return []
    return list(given) if isinstance(given, list) else [given]


def _makes_folder(logger: Namespace) -> bool:
    return logger.class_path.rpartition(".")[2] in FOLDER_LOGGERS


def _said(loggers: list[Namespace], key: str) -> Any:
    """Return what the loggers that keep a folder were told, the last word: a command line's options reach the last."""
    values = [logger.init_args.get(key) for logger in loggers if _makes_folder(logger)]
    return next((value for value in reversed(values) if value != UNSAID[key]), UNSAID[key])


def _default_name(options: Namespace) -> str:
    parts = [options[key].class_path.rpartition(".")[2].lower() for key in ("model", "data") if options.get(key)]
    return "_".join(parts)
