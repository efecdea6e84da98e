"""The checkpoint a verb starts from: finding it, and telling where its stored values override what was asked."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import torch
from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from tiae_zoo import runs
from tiae_zoo.checkpoints import as_checkpoint, is_pretrained, pretrained
from tiae_zoo.messages import UserError, did_you_mean
from tiae_zoo.methods import Segmenter
from tiae_zoo.networks.layers import weights_to_be_loaded

Method = TypeVar("Method", bound=LightningModule)

UNTRAINED = "untrained"  # what to give for a checkpoint where random weights are meant


def refuse_untrained(verb: str) -> None:
    """Let nobody take the figures of random weights for a method's.

    Args:
        verb: one that needs weights and was given none.

    Raises:
        UserError: always.
    """
    raise UserError(
        f"No --ckpt_path was given, so {verb} would run with untrained weights. Give --ckpt_path last, best, a .ckpt "
        f"file or the name of pretrained weights, or --ckpt_path {UNTRAINED} if random weights are meant."
    )


def find_checkpoint(name: str, home: Path) -> str:
    """Return the path that `--ckpt_path name` means.

    Args:
        name: a path; pretrained weights by their name, fetched if need be; a URL or one of Lightning's `hpc`,
            `registry...`, left as they are; `last` or `best` for the newest fit in `home`.
        home: the folder with this experiment's runs.

    Raises:
        UserError: if there is no such checkpoint.
    """
    if name in ("last", "best"):
        return str(runs.newest_checkpoint(home, name))
    if is_pretrained(name) and not Path(name).exists():
        return str(as_checkpoint(name))
    if "://" in name or name == "hpc" or name.startswith("registry") or Path(name).exists():
        return name
    folder = Path(name).parent
    beside = [str(path) for path in folder.glob("*.ckpt")] if folder.is_dir() else []
    hint = did_you_mean(name, [*beside, *(entry["name"] for entry in pretrained())])
    raise UserError(
        f"There is no checkpoint {name!r}.{hint} Give the path of a .ckpt file, the name of pretrained weights, "
        f"or `last` or `best` for the newest fit under {home}."
    )


def stored_hyperparameters(path: str) -> dict[str, Any]:
    """Return the model's arguments stored in a checkpoint file, nothing for one that stores none.

    Raises:
        UserError: if the file is no checkpoint that can be read without running code from it.
    """
    if not Path(path).is_file():
        return {}  # sharded checkpoints and URLs: Lightning does not take values from them
    content = _content(path)
    return dict(content.get("hyper_parameters", {})) if isinstance(content, dict) else {}


def _content(path: str) -> Any:
    """Return what is in a checkpoint file, its tensors without their numbers."""
    refused = UserError(
        f"{path} is not a checkpoint that can be read without running code from it. "
        "Give a .ckpt file written by `tiae-zoo fit`."
    )
    if not zipfile.is_zipfile(path):  # all files of torch.save are
        raise refused
    try:
        return torch.load(path, weights_only=True, map_location="meta")
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise refused from error


def whole_checkpoint(path: Path) -> dict[str, Any]:
    """Return what is in a checkpoint file of `tiae-zoo fit`, on the CPU.

    Raises:
        UserError: it is none.
    """
    class_path_of(str(path), stored_hyperparameters(str(path)))
    content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return content


def refuse_nameless(path: str, stored: dict[str, Any]) -> None:
    """Refuse arguments of an unknown class, before they are tried on one that does not take them.

    Args:
        path: of the checkpoint.
        stored: its hyper-parameters.

    Raises:
        UserError: there are some, but no class.
    """
    if stored:
        class_path_of(path, stored)


def refuse_weights_alone(path: str) -> None:
    """Let no fit prepare its data for a checkpoint that it cannot go on from.

    Args:
        path: of the checkpoint.

    Raises:
        UserError: it is a file without the state of optimisers, as pretrained, converted and averaged weights are.
    """
    if Path(path).is_file() and "optimizer_states" not in _content(path):
        raise UserError(
            f"{path} holds weights alone, without the state of optimisers that a fit would go on from. "
            "Score it with `tiae-zoo test`, or give --ckpt_path last or another checkpoint of `tiae-zoo fit`."
        )


def class_path_of(path: str, stored: dict[str, Any]) -> str:
    """Return the class of the method in a checkpoint.

    Args:
        path: of the checkpoint.
        stored: its hyper-parameters.

    Raises:
        UserError: they do not tell it.
    """
    if "_class_path" not in stored:
        raise UserError(f"{path} does not say which method it is of. Give a checkpoint of `tiae-zoo fit`.")
    return str(stored["_class_path"])


def restored(kind: type[Method], path: Path) -> Method:
    """Return the method in a checkpoint file, on the CPU, in evaluation mode.

    Args:
        kind: its class.
        path: of the file.

    Raises:
        UserError: the file is no checkpoint of `tiae-zoo fit`, or its weights do not fit the class.
    """
    try:
        with weights_to_be_loaded():
            return kind.load_from_checkpoint(path, map_location="cpu", weights_only=True).eval()
    except (OSError, KeyError) as error:
        raise UserError(f"{path} is no checkpoint file of `tiae-zoo fit`. Give another.") from error
    except RuntimeError as error:
        if reason := misfit(error, stored_hyperparameters(str(path))):
            raise UserError(f"{path}: {reason}") from error
        raise


def differences(stored: dict[str, Any], asked: Namespace, used: Namespace) -> list[str]:
    """Return a line for each model argument that differs between the checkpoint and what was asked.

    LightningCLI lets the checkpoint's values win without a word. Only the image size follows the data, and the
    classes follow what was asked.

    Args:
        stored: the checkpoint's hyper-parameters.
        asked: what config files and command line give, without defaults.
        used: the options in force.
    """
    if not stored:
        return []
    lines = []
    model = asked.get("model") or Namespace()
    if (wanted := model.get("class_path")) not in (None, used.model.class_path):
        lines.append(f"model: {_short(used.model.class_path)} of the checkpoint, not {_short(wanted)}")
    arguments = used.model.get("init_args") or Namespace()
    for name, value in (model.get("init_args") or Namespace()).items():
        if name != "image_size" and name in arguments and arguments[name] != value:
            lines.append(f"model.{name}: {arguments[name]} of the checkpoint, not {value}")
    size = arguments.get("image_size")
    if stored.get("image_size", size) != size:
        lines.append(f"model.image_size: {size} of the data, not {stored['image_size']} of the checkpoint")
    return lines


def follow_channels(stored: dict[str, Any], asked: Namespace, options: Namespace) -> None:
    """Let data that can be grey or in colour be what the checkpoint was trained on, unless it was asked otherwise.

    Args:
        stored: the checkpoint's hyper-parameters.
        asked: what config files and command line give, without defaults.
        options: the options in force; changed.
    """
    channels, data = stored.get("image_channels"), options.get("data") or Namespace()
    wanted = (asked.get("data") or Namespace()).get("init_args") or Namespace()
    if channels is not None and "channels" in (data.get("init_args") or ()) and "channels" not in wanted:
        data.init_args.channels = channels


def follow_classes(asked: Namespace, options: Namespace) -> None:
    """Score a checkpoint's regions against as many classes as were asked for: its weights know of regions alone.

    Args:
        asked: what config files and command line give, without defaults.
        options: the options in force; changed.
    """
    wanted = (asked.get("model") or Namespace()).get("init_args") or Namespace()
    arguments = options.model.get("init_args") or Namespace()
    if "num_regions" in arguments and "num_classes" in arguments and wanted.get("num_classes") is not None:
        arguments.num_classes = wanted.num_classes


def refuse_other_size(model: LightningModule, path: str | None, stored: dict[str, Any]) -> None:
    """Refuse a checkpoint whose weights fit one image size and not the data's, before images are decoded.

    Args:
        model: as built, for the size that the data gives.
        path: of the checkpoint, if there is one.
        stored: its hyper-parameters.

    Raises:
        UserError: it is for another size, and the weights do not fit the model.
    """
    size = model.hparams.get("image_size")
    if path is None or size is None or stored.get("image_size", size) == size:
        return
    there, needed = (
        {name: value.shape for name, value in state.items()}
        for state in (_content(path).get("state_dict", {}), model.state_dict())
    )
    if there != needed:
        raise UserError(
            f"The weights of the checkpoint fit images of {stored['image_size']} px alone, and the data gives {size} "
            f"px. Set --data.image_size {stored['image_size']}, or choose another checkpoint."
        )


def refuse_mismatch(model: LightningModule, data: LightningDataModule | None, stored: dict[str, Any]) -> None:
    """Compare what the model was built for with what the data give, before a network does in the middle of a step.

    Args:
        model: as built.
        data: as built, if there are some.
        stored: the hyper-parameters of the checkpoint, if there is one: nothing can be added to those.

    Raises:
        UserError: the channels of the images or the classes of the masks differ.
    """
    channels, built_for = getattr(data, "channels", None), model.hparams.get("image_channels")
    if None not in (channels, built_for) and channels != built_for:
        way = "choose another checkpoint" if stored else f"add --model.image_channels {channels}"
        raise UserError(
            f"The data's images have {channels} channel(s), and the model is built for {built_for}. "
            f"Choose other data, or {way}."
        )
    classes = getattr(data, "num_classes", None)
    if isinstance(model, Segmenter) and getattr(data, "scored", False) and classes != model.num_classes:
        way = f"Add --model.num_classes {classes}"
        if not stored:
            way += ", and --model.num_regions to find as many regions"
        elif "num_regions" not in model.hparams:  # its regions are the classes
            way = "Choose other data, or another checkpoint"
        raise UserError(
            f"The data's masks have {classes} classes, and the model is scored against {model.num_classes}. {way}."
        )


def refuse_unmeasured(trainer: Trainer, model: LightningModule, data: LightningDataModule | None) -> None:
    """Let no fit choose its best checkpoint by masks that the data does not have; Lightning would stop at the first.

    Raises:
        UserError: if a callback monitors a score of masks, and there are none.
    """
    measured = getattr(data, "scored", True) or getattr(data, "backgrounds", None) is not None  # objects on black
    if not isinstance(model, Segmenter) or measured:
        return
    for callback in trainer.checkpoint_callbacks:
        monitor = getattr(callback, "monitor", None) or ""
        if monitor.startswith("val/"):
            raise UserError(
                f"The best checkpoint is to be chosen by {monitor}, but without masks nothing measures it. "
                "Add --config configs/presets/unlabelled.yaml to keep the last one instead, or give masks."
            )


def misfit(error: RuntimeError, stored: dict[str, Any]) -> str | None:
    """Return why a checkpoint's weights do not fit the model, or nothing if `error` is about something else.

    Args:
        error: what loading the weights raised.
        stored: the checkpoint's hyper-parameters.
    """
    first, _, rest = str(error).partition("\n")
    if "loading state_dict" not in first:
        return None
    reasons = [line.strip() for line in rest.splitlines()]
    more = f" (and {len(reasons) - 2} more)" if len(reasons) > 2 else ""
    values = ", ".join(f"{name}={value}" for name, value in stored.items() if not name.startswith("_"))
    way = f"It was made with {values}." if values else "Use the config it was trained with."
    return f"The checkpoint does not fit the model: {' '.join(reasons[:2])}{more}\n{way}"


def _short(class_path: str) -> str:
    return class_path.rpartition(".")[2]
