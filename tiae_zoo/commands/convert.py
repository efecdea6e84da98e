"""`tiae-zoo convert`: weights of other programs as checkpoints of this one."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiae_zoo.messages import UserError, listed

if TYPE_CHECKING:
    from tiae_zoo.methods import ReDO

# data sets of the authors' program, each with a config redo_<name>, and the classes of their masks
CLASSES = {"lfw": 2, "flowers": 2, "cub": 2, "cmnist": 3}

DESCRIPTION = """\
Turn weights published by a method's authors into a checkpoint for --ckpt_path.

  redo    the archives of https://github.com/mickaelChen/ReDO: NAME_nets_state for all four networks, or any of
          NAME_netM_state (masks), netX (region generators), netD, netZ; .pth files or the .tar.gz they come in

The file is read without running code from it. Several archives of one training can be given together; a netZ that
does not hold the options of its training needs netM or netX beside it.
"""


def main(arguments: list[str]) -> int:
    """Convert archives to one checkpoint and say how to use it."""
    parser = argparse.ArgumentParser(
        prog="tiae-zoo convert", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", choices=("redo",), help="whose weights they are")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="the archives")
    parser.add_argument("--output", type=Path, help="the new checkpoint (default: the first FILE's name with .ckpt)")
    options = parser.parse_args(arguments)

    output = options.output or Path(options.files[0].name.removesuffix(".gz").removesuffix(".tar")).with_suffix(".ckpt")
    if output.exists():
        raise UserError(f"{output} exists already and is not overwritten. Give another --output.")
    method, archive = official_redo(options.files)
    save(method, output)
    print(told(method, archive, output))
    return 0


def official_redo(files: list[Path]) -> tuple[ReDO, dict[str, Any]]:
    """Return ReDO with the weights of its authors' archives, and what these hold.

    Raises:
        UserError: a file is no such archive, or two of them do not belong together.
    """
    from tiae_zoo.methods.redo import NARROWEST, ReDO  # loads PyTorch: seconds
    from tiae_zoo.networks.redo_official import (
        NotAnArchiveError,
        UnknownRegionsError,
        convert_official,
        hyperparameters,
    )

    archive = read_all(files)
    named = " and ".join(map(str, files))
    try:
        found = hyperparameters(archive)
    except UnknownRegionsError as error:
        raise UserError(
            f"{named} cannot be converted: {error}. Give the netM or netX archive of the same training as well."
        ) from error
    except NotAnArchiveError as error:
        raise UserError(f"{named} cannot be converted: {error}. Give unchanged archives of one training.") from error
    method = ReDO(**(NARROWEST | found))  # networks that no archive holds stay untrained: as small as they can be
    load(method, convert_official(archive), named)
    return method, archive


def read_all(files: list[Path]) -> dict[str, Any]:
    """Return the networks in all archives together, and their options.

    Raises:
        UserError: a file is no archive, a network is in two of them, or their options differ.
    """
    from tiae_zoo.networks.redo_official import NETWORKS, NotAnArchiveError, read_archive

    merged: dict[str, Any] = {}
    options: dict[str, tuple[Any, Path]] = {}
    for file in files:
        try:
            content = read_archive(file)
        except OSError as error:
            raise UserError(f"{file} cannot be read ({error.strerror}). Give the path of an archive.") from error
        except NotAnArchiveError as error:
            raise UserError(
                f"{file} is no weight archive of ReDO's authors that can be converted: {error}. Give a "
                "NAME_nets_state.pth, or one of netM, netX, netD, netZ, as it was downloaded."
            ) from error
        if twice := NETWORKS.keys() & merged.keys() & content.keys():
            raise UserError(f"{file} holds {', '.join(sorted(twice))} once more. Give each network once.")
        for option, value in content["options"].items():
            known, first = options.setdefault(option, (value, file))
            if known != value:
                raise UserError(
                    f"{first} and {file} do not belong together: the option {option} of their trainings is {known} and "
                    f"{value}. Give archives of one training."
                )
        merged |= content
    return merged | {"options": {option: value for option, (value, _) in options.items()}}


def load(method: ReDO, state: dict[str, Any], named: str) -> None:
    """Put converted weights into a method; networks that are not among them keep their own, as attention does.

    A network that was trained without attention is the same as one whose attention's gate is closed, as it is at first.

    Raises:
        UserError: a tensor is missing, left over, of another shape, or holds what is no number.
    """
    from tiae_zoo.callbacks.divergence_guard import broken
    from tiae_zoo.networks.layers import SelfAttention

    own = method.state_dict()
    kept = [
        f"{name}."
        for name, module in method.named_modules()
        if isinstance(module, SelfAttention) and not any(key.startswith(f"{name}.") for key in state)
    ]
    networks = {name.partition(".")[0] for name in state}
    expected = {key for key in own if key.partition(".")[0] in networks and not key.startswith(tuple(kept))}
    wrong = [f"{key} is missing" for key in sorted(expected - state.keys())]
    wrong += [f"{key} is left over" for key in sorted(state.keys() - own.keys())]
    wrong += [
        f"{key} is {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in sorted(state.keys() & own.keys())
        if state[key].shape != own[key].shape
    ]
    if wrong:
        rest = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(
            f"{named} cannot be converted: {'; '.join(wrong[:3])}{rest}. Give archives of the authors' networks as "
            "they were published: three residual blocks in F, square images."
        )
    if spoilt := broken(state):
        raise UserError(
            f"{named} cannot be converted: there is nan or inf in {listed(spoilt, most=3)}. "
            "Give weights of a training that has not diverged."
        )
    method.load_state_dict(own | state)
    method.untrained = sorted({key.partition(".")[0] for key in own} - networks)


def save(method: ReDO, path: Path) -> None:
    """Write a checkpoint of weights and arguments, as `tiae-zoo fit` does."""
    from lightning.pytorch import Trainer

    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)  # what devices there are
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_model_summary=False)
    trainer.strategy.connect(method)
    # as LightningCLI has it, which reads the class from the checkpoint
    method.hparams["_class_path"] = "tiae_zoo.methods.ReDO"
    method.hparams["_instantiator"] = "lightning.pytorch.cli.instantiate_module"
    try:
        trainer.save_checkpoint(path, weights_only=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}). Give another --output.") from error


def told(method: ReDO, archive: dict[str, Any], output: Path) -> str:
    """Return what was converted, what was not, and how to go on."""
    from tiae_zoo.networks.redo_official import NETWORKS

    arguments = ", ".join(
        f"{name} {method.hparams[name]}" for name in ("num_regions", "image_size", "mask_width", "dim_z")
    )
    read = [text for network, text in NETWORKS.items() if network in archive]
    lines = [f"Wrote {output}: ReDO, {arguments}", f"Read: {', '.join(read)}"]
    if untrained := [text for text in NETWORKS.values() if text not in read]:
        lines.append(f"Untrained, because no archive holds them: {', '.join(untrained)}")
    if "netEncM" in archive:
        lines += scoring(method.num_regions, archive["options"].get("dataset"), output)
    return "\n".join(lines)


def scoring(regions: int, dataset: str | None, output: Path) -> list[str]:
    """Return commands that score the masks: with the data they were trained on, or with some if that is not told."""
    likely = ["lfw"] if regions == 2 else ["lfw", "cmnist"]
    lines = []
    for name in [dataset] if dataset in CLASSES else likely:
        classes = CLASSES[name]
        option = "" if classes == regions else f" --model.num_classes {classes}"
        lines.append(
            f"Score it against {classes} classes: "
            f"tiae-zoo test --config configs/redo_{name}.yaml{option} --ckpt_path {output}"
        )
    return lines
