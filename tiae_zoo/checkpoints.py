"""The registry of pretrained weights: find them by name, fetch, verify, load. Nothing in a file of weights is run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiae_zoo.messages import UserError, did_you_mean
from tiae_zoo.runs import written_whole
from tiae_zoo.shipped import registry_file

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

MIRROR = "TIAE_ZOO_MIRROR"  # a folder or the beginning of a URL that has all files under their names: asked first
FORMAT = 3  # of the checkpoints made of weights: those of another are not found any more


def pretrained() -> list[dict[str, Any]]:
    """Return the entries of registry.json; its `description` says what each holds."""
    entries: list[dict[str, Any]] = json.loads(registry_file().read_text(encoding="utf-8"))["weights"]
    return entries


def is_pretrained(name: str) -> bool:
    """Return whether the registry has weights of this name."""
    return any(entry["name"] == name for entry in pretrained())


def find_pretrained(name: str) -> dict[str, Any]:
    """Return the entry of this name.

    Raises:
        UserError: there is none.
    """
    entries = {entry["name"]: entry for entry in pretrained()}
    if name in entries:
        return entries[name]
    known = f"There are {', '.join(entries)}." if entries else "The registry has none yet."
    raise UserError(f"There are no weights {name!r}.{did_you_mean(name, entries)} {known}")


def weights_folder() -> Path:
    """Return the folder of fetched weights, in the cache: safe to delete at any time."""
    from tiae_zoo.caching import cache_dir

    return cache_dir() / "weights"


def find_weights(entry: Mapping[str, Any]) -> Path | None:
    """Return the file of an entry if it is on this machine and whole: the repository's copy, or one fetched before."""
    for path in _places(entry):
        if path.is_file() and path.stat().st_size == entry["size"] and _sha256(path) == entry["sha256"]:
            return path
    return None


def _places(entry: Mapping[str, Any]) -> list[Path]:
    return [folder / entry["file"] for folder in (registry_file().parent, weights_folder())]


def fetch_weights(name: str) -> Path:
    """Return the file of weights of this name, fetched if it is not here.

    Asked in turn: the copy that came with the zoo, what was fetched before, the mirror that `TIAE_ZOO_MIRROR` names,
    and the entry's addresses. A file is taken only if its size and digest are the registry's.

    Raises:
        UserError: there is no such name, or no source has the file; with all that were asked.
    """
    entry = find_pretrained(name)
    if (path := find_weights(entry)) is not None:
        return path
    from tiae_zoo.download import fetch

    target = weights_folder() / entry["file"]
    here = ", ".join(f"{path} {'is damaged' if path.exists() else 'does not exist'}" for path in _places(entry))
    target.unlink(missing_ok=True)  # there, but not whole: else it would have been found
    mirror = f"name a folder or an address that has it in {MIRROR}"
    if not (urls := [*_mirrored(entry["file"]), *entry["urls"]]):
        raise UserError(
            f"The weights {name!r} are nowhere to be had: {here}, and the registry has no address of them. Place "
            f"{entry['file']} (sha256 {entry['sha256']}) at {target}, or {mirror}."
        )
    try:
        fetch(urls, target, f"sha256:{entry['sha256']}", "set TIAE_ZOO_CACHE to a folder you may write")
    except UserError as error:
        if isinstance(error.__cause__, OSError):  # of the disk, which another source does not mend
            raise
        raise UserError(f"{error} Or {mirror}. Looked at before: {here}.") from error
    return target


def _mirrored(file: str) -> list[str]:
    mirror = os.environ.get(MIRROR, "")
    if not mirror:
        return []
    if "://" in mirror:
        return [f"{mirror.rstrip('/')}/{file}"]
    return [(Path(mirror).expanduser().absolute() / file).as_uri()]


def as_checkpoint(name: str) -> Path:
    """Return the weights of this name as a checkpoint that Lightning reads; made once, beside the fetched weights.

    Raises:
        UserError: as :func:`fetch_weights`.
    """
    entry = find_pretrained(name)
    digest = hashlib.sha256(json.dumps([FORMAT, entry], sort_keys=True).encode()).hexdigest()
    path = weights_folder() / f"{name}-{digest[:12]}.ckpt"
    if path.is_file():
        return path
    import lightning.pytorch
    import torch
    from safetensors.torch import load_file

    state = {
        key: value.float() if value.is_floating_point() else value
        for key, value in load_file(fetch_weights(name)).items()
    }
    untrained = []
    if entry["networks"]:
        whole = build(entry).state_dict()
        untrained = sorted({key.partition(".")[0] for key in whole} - set(entry["networks"]))
        state = whole | state
    content = {
        "state_dict": state,
        "hyper_parameters": {
            "_class_path": _class_path(entry),
            "_instantiator": "lightning.pytorch.cli.instantiate_module",  # arguments may be objects of their own
            **entry["arguments"],
        },
        **({"region_classes": entry["region_classes"]} if "region_classes" in entry else {}),
        "untrained": untrained,
        "callbacks": {},  # so that callbacks forget what they kept of other weights
        "pytorch-lightning_version": lightning.pytorch.__version__,
        "epoch": 0,
        "global_step": 0,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as part:
        torch.save(content, part)
    return path


def load_model(name: str) -> LightningModule:
    """Return a method with its pretrained weights, in evaluation mode on the CPU.

    Args:
        name: of the registry, see `tiae-zoo list`.

    Raises:
        UserError: as :func:`fetch_weights`.
    """
    import tiae_zoo.methods

    kind = getattr(tiae_zoo.methods, find_pretrained(name)["method"])
    model: LightningModule = kind.load_from_checkpoint(as_checkpoint(name), map_location="cpu", weights_only=True)
    return model.eval()


def build(entry: Mapping[str, Any]) -> LightningModule:
    """Return the untrained method of an entry, the same every time."""
    import torch
    from lightning.pytorch.cli import instantiate_module

    import tiae_zoo.methods

    kind = getattr(tiae_zoo.methods, entry["method"])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: LightningModule = instantiate_module(kind, {"_class_path": _class_path(entry), **entry["arguments"]})
    return model


def _class_path(entry: Mapping[str, Any]) -> str:
    return f"tiae_zoo.methods.{entry['method']}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
