"""Read the weight archives of ReDO's authors (https://github.com/mickaelChen/ReDO) into this package's networks.

Their weights are the users' to fetch; nothing of them is shipped here. An archive is a pickled dictionary with the
state dictionary of one network or of several, and the options of its training. It is opened by a reader that runs no
code of the file.
"""

from __future__ import annotations

import argparse
import pickle
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from tiae_zoo.networks.redo import COARSEST

StateDict = dict[str, Tensor]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]

NETWORKS = {
    "netEncM": "mask network F",
    "netGenX": "region generators G",
    "netDX": "discriminator D",
    "netRecZ": "latent encoder d",
}
"""Their names of the networks, and what these are."""

_SHARED: dict[str, type | tuple[type, ...]] = {
    "nMasks": int,
    "nz": int,
    "nx": int,
    "sizex": int,
    "temperature": (int, float),
    "dataset": str,
    "manualSeed": int,
}
"""The options that all archives of one training have in common; others, as the iteration, change in its course."""
_ARGUMENTS = {"nMasks": "num_regions", "nz": "dim_z"}

# the first bytes of PyTorch's files: since version 1.6, with the name of the first entry close by, and before
_ZIP, _FIRST_ENTRY = b"PK\x03\x04", b"/data.pkl"
_OLD = pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2)

_SPECTRAL = {
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}
_ATTENTION: list[tuple[str, str]] = [
    (r"selfAtt\.gamma", "attention.gate"),
    (r"selfAtt\.f\.", "attention.query."),
    (r"selfAtt\.g\.", "attention.key."),
    (r"selfAtt\.h\.", "attention.value."),
    (r"selfAtt\.o\.", "attention.out."),
]
_MASK_NETWORK: list[Rule] = [
    (r"cnn\.0\.mods\.(\d+)\.", lambda m: f"encoder.{int(m[1]) - 1}."),
    (r"cnn\.(\d)\.blocs\.(\d)\.", lambda m: f"residuals.{int(m[1]) - 1}.0.main.{m[2]}."),
    (r"cnn\.(\d)\.activationF\.0\.", lambda m: f"residuals.{int(m[1]) - 1}.1."),
    (r"psp\.(\d)\.1\.", r"pyramid.projections.\1."),
    (r"out\.mods\.9\.", "decoder.8."),
    (r"out\.mods\.(\d)\.", r"decoder.\1."),
]
_GENERATOR: list[Rule] = [
    *_ATTENTION,
    (r"dense\.", "first."),
    (r"conv(A|B)\.(\d)\.(?:1\.)?", lambda m: f"blocks.{m[2]}.conv_{m[1].lower()}."),
    (r"(gamma|beta)(A|B)\.(\d)\.", lambda m: f"blocks.{m[3]}.norm_{m[2].lower()}.{m[1]}."),
    (r"sc\.(\d)\.1\.", r"blocks.\1.shortcut."),
    (r"(gamma|beta)Out\.", r"norm.\1."),
    (r"convOut\.", "last."),
]
_DISCRIMINATOR: list[Rule] = [
    *[(old, f"trunk.1.{new.removeprefix('attention.')}") for old, new in _ATTENTION],
    (r"dense\.", "score."),
    (r"bloc0\.(\d)\.", r"trunk.0.main.\1."),
    (r"sc0\.1\.", "trunk.0.shortcut.1."),
    (r"blocs\.(\d)\.(\d)\.", lambda m: f"trunk.{int(m[1]) + 2}.main.{m[2]}."),
    (r"sc\.(\d)\.1\.", lambda m: f"trunk.{int(m[1]) + 2}.shortcut.1."),
]
_ENCODER: list[Rule] = [
    (r"net\.dense\.", "codes."),
    (r"net\.blocs\.(\d)\.(\d)\.", r"trunk.\1.main.\2."),
    (r"net\.sc\.(\d)\.1\.", r"trunk.\1.shortcut.1."),
]


class NotAnArchiveError(ValueError):
    """A file that is no weight archive of ReDO's authors; the message says why, in a clause."""


class UnknownRegionsError(NotAnArchiveError):
    """Archives that do not tell how many regions there are, as another one of the same training would."""


def read_archive(path: Path) -> dict[str, Any]:
    """Return what a `.pth` file, or the `.tar.gz` around it, holds, on the CPU; no code of the file is run.

    Returns:
        State dictionaries under names of :data:`NETWORKS`; under `options`, those that a training's archives share, if
        any; and whatever else is in the file.

    Raises:
        OSError: the file cannot be read.
        NotAnArchiveError: it is something else, or its options are not known here.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"  # gzip
        file.seek(0)
        content = _read_packed(file) if packed else _read_plain(file)
    if not isinstance(content, dict):
        raise NotAnArchiveError(f"it holds one {type(content).__name__} instead of named networks")
    if not NETWORKS.keys() & content.keys():
        found = ", ".join(map(str, list(content)[:6])) or "nothing"
        raise NotAnArchiveError(f"it has none of the networks {', '.join(NETWORKS)}, but {found}")
    for network in filter(content.__contains__, NETWORKS):
        _check_tensors(network, content[network])
    return content | {"options": _shared_options(content.get("options"))}


def _check_tensors(network: str, state: Any) -> None:
    if not isinstance(state, dict):
        raise NotAnArchiveError(f"its {network} is one {type(state).__name__} instead of named tensors")
    for name, value in state.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise NotAnArchiveError(f"its {network} has a {type(value).__name__} under {name!r}, not a named tensor")


def _shared_options(options: Any) -> dict[str, Any]:
    given = options if isinstance(options, dict) else getattr(options, "__dict__", {})
    shared = {name: given[name] for name in _SHARED if given.get(name) is not None}
    for name, value in shared.items():
        if not isinstance(value, _SHARED[name]) or (name in _ARGUMENTS and shared[name] < 1):
            raise NotAnArchiveError(f"its option {name} cannot be {value!r}")
    if (temperature := shared.get("temperature", 1)) != 1:
        raise NotAnArchiveError(f"its masks have the temperature {temperature}, and only 1 is known here")
    return shared


def _read_plain(file: IO[bytes]) -> Any:
    head = file.read(256)
    file.seek(0)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # the options of the training
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the reader may stumble over anything in a damaged file
        begins_well = head.startswith(_OLD) or (head.startswith(_ZIP) and _FIRST_ENTRY in head)
        if begins_well and not isinstance(error, pickle.UnpicklingError):  # which code in the file raises
            raise NotAnArchiveError("it is damaged or incomplete, as after a download that broke off") from error
        raise NotAnArchiveError("it is no file of PyTorch that can be read without running code from it") from error


def _read_packed(file: IO[bytes]) -> Any:
    try:
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            for member in archive:
                if member.isfile() and member.name.endswith(".pth") and (inner := archive.extractfile(member)):
                    return _read_plain(inner)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise NotAnArchiveError("it is damaged, or compressed but no tar file") from error
    raise NotAnArchiveError("there is no .pth file in it")


def hyperparameters(archive: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of :class:`tiae_zoo.methods.ReDO` that can be read from an archive's tensors and options.

    Args:
        archive: what :func:`read_archive` returns, of one file or of several together.

    Raises:
        NotAnArchiveError: a network is not built like theirs, or does not fit another one or the options.
        UnknownRegionsError: netRecZ's numbers cannot be divided among regions, as nothing tells how many there are.
    """
    found: dict[str, Any] = {}
    for network in filter(archive.__contains__, NETWORKS):
        try:
            read = _READERS[network](archive[network])
        except (KeyError, IndexError, ValueError) as error:
            raise NotAnArchiveError(f"its {network} is not built like the {NETWORKS[network]}: {error}") from error
        for name, value in read.items():
            if found.setdefault(name, value) != value:
                raise NotAnArchiveError(f"its {network} has {name}={value}, another of its networks {found[name]}")
    options = archive.get("options", {})
    for option in filter(options.__contains__, _ARGUMENTS):
        name, value = _ARGUMENTS[option], options[option]
        if found.setdefault(name, value) != value:
            raise NotAnArchiveError(f"its option {option} is {value}, but its networks have {name}={found[name]}")
    if codes := found.pop("codes", 0):
        found |= _divide(codes, found.get("num_regions"), found.get("dim_z"))
    if found.get("num_regions", 2) < 2:
        raise NotAnArchiveError("it has a single region, the whole image")
    return found


def _divide(codes: int, regions: int | None, dim_z: int | None) -> dict[str, int]:
    """Return both factors of netRecZ's width, of which one must be known: 48 is 2 times 24 as well as 3 times 16."""
    if regions is None:
        if dim_z is None:
            raise UnknownRegionsError(f"its netRecZ gives {codes} numbers, and nothing tells for how many regions")
        regions = codes // dim_z
    elif dim_z is None:
        dim_z = codes // regions
    if regions * dim_z != codes:
        raise NotAnArchiveError(f"its netRecZ gives {codes} numbers, not {regions} times {dim_z}")
    return {"num_regions": regions, "dim_z": dim_z}


def _read_mask_network(state: StateDict) -> dict[str, int]:
    masks = state["out.mods.9.weight"].shape[0]
    return {
        "num_regions": max(masks, 2),  # two regions share one channel
        "mask_width": state["cnn.1.blocs.0.weight"].shape[0],
        "image_channels": state["cnn.0.mods.1.weight"].shape[1],
    }


def _read_generators(state: StateDict) -> dict[str, int]:
    channels, width = state["net.0.convOut.weight_orig"].shape[:2]
    return {
        "num_regions": len({name.split(".")[1] for name in state}),
        "generator_width": width - 1,  # the mask is one channel more
        "dim_z": state["net.0.dense.weight"].shape[1],
        "image_channels": channels,
        "image_size": _image_size(state, r"net\.0\.convA\.(\d+)\."),
    }


def _read_discriminator(state: StateDict) -> dict[str, int]:
    width, channels = state["bloc0.0.weight_orig"].shape[:2]
    size = _image_size(state, r"blocs\.(\d+)\.")
    return {"discriminator_width": width, "image_channels": channels, "image_size": size}


def _read_encoder(state: StateDict) -> dict[str, int]:
    width, channels = state["net.blocs.0.0.weight_orig"].shape[:2]
    size = _image_size(state, r"net\.sc\.(\d+)\.")
    codes = state["net.dense.weight"].shape[0]
    return {"discriminator_width": width, "image_channels": channels, "image_size": size, "codes": codes}


def _image_size(state: StateDict, block: str) -> int:
    """Return the side that the blocks double, or halve, to; `block` captures the number of one in a tensor's name."""
    size = COARSEST * 2 ** len({match[1] for name in state if (match := re.match(block, name))})
    if size < 32:  # as small as ReDO's networks can be
        raise ValueError(f"there are only blocks for images of {size} px")
    return size


_READERS: dict[str, Callable[[StateDict], dict[str, int]]] = {
    "netEncM": _read_mask_network,
    "netGenX": _read_generators,
    "netDX": _read_discriminator,
    "netRecZ": _read_encoder,
}


def convert_official(archive: dict[str, StateDict]) -> StateDict:
    """Rename an official archive's tensors to those of :class:`tiae_zoo.methods.ReDO`.

    Args:
        archive: state dictionaries under any of the names in :data:`NETWORKS`.

    Returns:
        A state dictionary for `ReDO.load_state_dict`, of these networks alone.
    """
    state = {}
    for name, tensor in archive.get("netEncM", {}).items():
        state[f"mask_network.{_rename(name, _MASK_NETWORK)}"] = tensor
    for name, tensor in archive.get("netGenX", {}).items():
        region, _, inner = name.removeprefix("net.").partition(".")  # net.<region>.<layer>
        conditioning = re.match(r"(gamma|beta)", inner)  # their 1x1 convolutions of z are linear layers here
        state[f"generators.{region}.{_rename(inner, _GENERATOR)}"] = (
            tensor.flatten(1) if conditioning and tensor.ndim == 4 else tensor
        )
    for name, tensor in archive.get("netDX", {}).items():
        state[f"discriminator.{_rename(name, _DISCRIMINATOR)}"] = tensor
    for name, tensor in archive.get("netRecZ", {}).items():
        state[f"encoder.{_rename(name, _ENCODER)}"] = tensor
    return state


def _rename(name: str, rules: list[Rule] | list[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        name, found = re.subn(rf"^{pattern}", replacement, name)
        if found:
            break
    layer, _, kind = name.rpartition(".")
    return f"{layer}.{_SPECTRAL.get(kind, kind)}" if layer else name
