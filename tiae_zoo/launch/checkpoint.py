"""The checkpoint a verb starts from: finding it, and telling where its stored values override what was asked."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from tiae_zoo import runs
from tiae_zoo.messages import UserError, did_you_mean


def find_checkpoint(name: str, home: Path) -> str:
    """Return the path that `--ckpt_path name` means.

    Args:
        name: a path; a URL or one of Lightning's `hpc`, `registry...`, left as they are; `last` or `best` for the
            newest fit in `home`.
        home: the folder with this experiment's runs.

    Raises:
        UserError: if there is no such checkpoint.
    """
    if name in ("last", "best"):
        return str(runs.newest_checkpoint(home, name))
    if "://" in name or name == "hpc" or name.startswith("registry") or Path(name).exists():
        return name
    folder = Path(name).parent
    hint = did_you_mean(name, [str(path) for path in folder.glob("*.ckpt")] if folder.is_dir() else [])
    raise UserError(
        f"There is no checkpoint {name!r}.{hint} Give the path of a .ckpt file, "
        f"or `last` or `best` for the newest fit under {home}."
    )


def stored_hyperparameters(path: str) -> dict[str, Any]:
    """Return the model's arguments stored in a checkpoint file, nothing for one that stores none.

    Raises:
        UserError: if the file is no checkpoint that can be read without running code from it.
    """
    if not Path(path).is_file():
        return {}  # sharded checkpoints and URLs: Lightning does not take values from them
    try:
        content = torch.load(path, weights_only=True, map_location="meta")
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise UserError(
            f"{path} is not a checkpoint that can be read safely ({_first_line(error)}). "
            "Give a .ckpt file written by `tiae-zoo fit`."
        ) from error
    return dict(content.get("hyper_parameters", {})) if isinstance(content, dict) else {}


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].partition(". ")[0]


def differences(stored: dict[str, Any], asked: Namespace, used: Namespace) -> list[str]:
    """Return a line for each value that was asked for (config or command line) but differs in the checkpoint.

    LightningCLI lets the checkpoint's stored model arguments win without a word, except for the image size, which
    follows the data.

    Args:
        stored: the checkpoint's hyper-parameters.
        asked: what config files and command line give, without defaults.
        used: the options in force.
    """
    lines = []
    model = asked.get("model") or Namespace()
    used_class, asked_class = used.model.class_path, model.get("class_path")
    if asked_class not in (None, used_class):
        lines.append(f"model: {_short(used_class)} (asked: {_short(asked_class)})")
    for name, value in (model.get("init_args") or Namespace()).items():
        in_force = used.model.init_args.get(name)
        if in_force != value and name != "image_size":
            lines.append(f"model.{name}: {in_force} (asked: {value})")
    return lines


def _short(class_path: str) -> str:
    return class_path.rpartition(".")[2]
