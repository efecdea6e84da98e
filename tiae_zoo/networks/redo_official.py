"""Read the weight archives of ReDO's authors (https://github.com/mickaelChen/ReDO) into this package's networks.

Their weights are the users' to fetch; nothing of them is shipped here. An archive is a pickled dictionary of four state
dictionaries; it is opened with `weights_only=True`, which runs no code of the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import Tensor

StateDict = dict[str, Tensor]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]

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


def convert_official(archive: dict[str, StateDict]) -> StateDict:
    """Rename an official archive's tensors to those of :class:`tiae_zoo.methods.ReDO`.

    Args:
        archive: the dictionary of a `*_nets_*.pth` file, with the keys `netEncM`, `netGenX`, `netDX` and `netRecZ`.

    Returns:
        A state dictionary for `ReDO.load_state_dict`.

    Raises:
        KeyError: one of the four networks is missing.
    """
    state = {}
    for name, tensor in archive["netEncM"].items():
        state[f"mask_network.{_rename(name, _MASK_NETWORK)}"] = tensor
    for name, tensor in archive["netGenX"].items():
        _, region, inner = name.split(".", 2)  # net.<region>.<layer>
        conditioning = re.match(r"(gamma|beta)", inner)  # their 1x1 convolutions of z are linear layers here
        state[f"generators.{region}.{_rename(inner, _GENERATOR)}"] = (
            tensor.flatten(1) if conditioning and tensor.ndim == 4 else tensor
        )
    for name, tensor in archive["netDX"].items():
        state[f"discriminator.{_rename(name, _DISCRIMINATOR)}"] = tensor
    for name, tensor in archive["netRecZ"].items():
        state[f"encoder.{_rename(name, _ENCODER)}"] = tensor
    return state


def _rename(name: str, rules: list[Rule] | list[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        name, found = re.subn(rf"^{pattern}", replacement, name)
        if found:
            break
    layer, _, kind = name.rpartition(".")
    return f"{layer}.{_SPECTRAL.get(kind, kind)}" if layer else name
