"""From a checkpoint to pretrained weights: a file of tensors, an entry in the registry, a card, a golden pair."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from safetensors.torch import load_file, save_file
from torch import Tensor

from tiae_zoo import __version__
from tiae_zoo.checkpoints import load_model, pretrained
from tiae_zoo.launch.checkpoint import stored_hyperparameters
from tiae_zoo.messages import UserError
from tiae_zoo.runs import write_json
from tiae_zoo.shipped import find_config, registry_file

GOLDEN_IMAGES = 2
TOLERANCE = 1e-4  # of what a method predicts, on another machine and by another version of PyTorch


def publish(
    checkpoint: Path,
    name: str,
    config: str,
    results: Path | None = None,
    networks: Sequence[str] = (),
    half: bool = False,
    urls: Sequence[str] = (),
    licence: str = "Apache-2.0",
    limits: str = "",
) -> dict[str, Any]:
    """Write pretrained weights beside the registry and return their entry, verified by loading them by their name.

    Args:
        checkpoint: of `tiae-zoo fit`.
        name: of the weights; not used before.
        config: shipped config that they go with.
        results: `results.json` of a `tiae-zoo test` of this checkpoint: its figures are told.
        networks: attributes of the method whose weights are kept; all if empty.
        half: store floating point numbers in 16 bits.
        urls: where the file is to be had, too.
        licence: of the weights.
        limits: a sentence on what they are not good for.

    Raises:
        UserError: the checkpoint cannot be read, the name is taken, or the results are another checkpoint's.
    """
    folder = registry_file().parent
    paths = {kind: folder / f"{name}{ending}" for kind, ending in ENDINGS.items()}
    if name in {entry["name"] for entry in pretrained()} or any(path.exists() for path in paths.values()):
        raise UserError(f"There are weights {name!r} already, and nothing is overwritten. Give another name.")
    stored = stored_hyperparameters(str(checkpoint))
    method = str(stored.get("_class_path", "")).rpartition(".")[2]
    if not method:
        raise UserError(f"{checkpoint} does not say which method it is of. Give a checkpoint of `tiae-zoo fit`.")
    content = torch.load(checkpoint, weights_only=True, map_location="cpu")
    state = kept(content["state_dict"], networks, half)
    find_config(config)
    entry = {
        "name": name,
        "method": method,
        "config": config,
        "arguments": {key: value for key, value in stored.items() if not key.startswith("_")},
        "networks": list(networks),
        **({"region_classes": known} if (known := content.get("region_classes")) else {}),
        "file": paths["weights"].name,
        "urls": list(urls),
        "preprocessing": _preprocessing(stored),
        **(measured(results, checkpoint) if results is not None else {}),
        "limits": limits,
        "version": __version__,
        "licence": licence,
    }
    try:
        save_file(state, paths["weights"])
        entry["size"] = paths["weights"].stat().st_size
        entry["sha256"] = hashlib.sha256(paths["weights"].read_bytes()).hexdigest()
        write_registry([*pretrained(), entry])
        model = load_model(name)
        save_file(golden(model, stored), paths["golden"])
        verify(model, paths["golden"])
        paths["card"].write_text(card(entry), encoding="utf-8")
    except BaseException:
        write_registry([other for other in pretrained() if other["name"] != name])
        for path in paths.values():
            path.unlink(missing_ok=True)
        raise
    return entry


ENDINGS = {"weights": ".safetensors", "golden": ".golden.safetensors", "card": ".md"}


def kept(state: dict[str, Tensor], networks: Sequence[str], half: bool) -> dict[str, Tensor]:
    """Return the weights of some networks of a method, those of all if none is named.

    Raises:
        UserError: a network is not there.
    """
    there = {key.partition(".")[0] for key in state}
    if unknown := [network for network in networks if network not in there]:
        raise UserError(f"The checkpoint has no network {unknown[0]!r}. It has {', '.join(sorted(there))}.")
    chosen = {key: value for key, value in state.items() if not networks or key.partition(".")[0] in networks}
    return {key: value.half() if half and value.is_floating_point() else value for key, value in _plain(chosen)}


def _plain(state: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield tensors that share no memory and lie in order, as the format asks for."""
    for key, value in state.items():
        yield key, value.clone(memory_format=torch.contiguous_format)


def measured(results: Path, checkpoint: Path) -> dict[str, Any]:
    """Return what a test found: figures, data, seed, command.

    Raises:
        UserError: the file is no record of a test, or that of another checkpoint.
    """
    record = json.loads(results.read_text(encoding="utf-8"))
    if record.get("verb") != "test" or not record.get("checkpoint"):
        raise UserError(f"{results} is no results.json of `tiae-zoo test` with a checkpoint. Give one.")
    if Path(record["checkpoint"]).resolve() != checkpoint.resolve():
        raise UserError(f"{results} was measured on {record['checkpoint']}, not on {checkpoint}. Test this one first.")
    config = record["config"]
    return {
        "metrics": record["metrics"],
        "data": config["data"]["class_path"].rpartition(".")[2],
        "seed": config["seed_everything"],
        "versions": record["versions"],
    }


def _preprocessing(stored: dict[str, Any]) -> str:
    size, channels = stored.get("image_size", "any"), stored.get("image_channels", "any number of")
    return f"float32 images in [0, 1], {size} px square, {channels} channel(s)"


def golden(model: LightningModule, stored: dict[str, Any]) -> dict[str, Tensor]:
    """Return images of noise, `image` uint8 (B, C, S, S), and what the model predicts of them, each under its name."""
    shape = (GOLDEN_IMAGES, stored.get("image_channels", 3), *[stored.get("image_size", 64)] * 2)
    image = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return {"image": image, **predictions(model, image)}


def predictions(model: LightningModule, image: Tensor) -> dict[str, Tensor]:
    """Return what a model predicts of images (B, C, S, S) in 0..255, under the names that it gives."""
    with torch.no_grad():
        found = model.predict_step({"image": image.float() / 255}, 0)
    named = found if isinstance(found, dict) else {"prediction": found}
    return {name: value.contiguous() for name, value in named.items()}


def verify(model: LightningModule, path: Path) -> None:
    """Compare what a model predicts to the stored predictions.

    Raises:
        UserError: they differ by more than `TOLERANCE` of the largest.
    """
    expected = load_file(path)
    for name, found in predictions(model, expected.pop("image")).items():
        scale = expected[name].abs().max().clamp(min=1)
        error = (found - expected[name]).abs().max() / scale
        if not error <= TOLERANCE:
            raise UserError(
                f"What the model gives as {name} differs from {path} by {error:.1e}. Fetch the weights anew."
            )


def write_registry(entries: list[dict[str, Any]]) -> None:
    """Replace the entries of registry.json."""
    content = json.loads(registry_file().read_text(encoding="utf-8"))
    write_json(registry_file(), content | {"weights": entries})


def card(entry: dict[str, Any]) -> str:
    """Return what a reader wants to know of weights, as Markdown."""
    lines = [
        f"# {entry['name']}",
        "",
        f"{entry['method']}, `configs/{entry['config']}.yaml`, licence {entry['licence']}.",
    ]
    if entry["networks"]:
        lines.append(f"Only the weights of {', '.join(entry['networks'])}; the other networks are untrained.")
    if entry["limits"]:
        lines += ["", entry["limits"]]
    lines += ["", f"- input: {entry['preprocessing']}", f"- file: `{entry['file']}`, {entry['size']} bytes"]
    lines += [f"- sha256: `{entry['sha256']}`", f"- made with tiae-zoo {entry['version']}"]
    if "metrics" in entry:
        lines += [
            "",
            f"Measured on the test split of {entry['data']}, seed {entry['seed']}:",
            "",
            "| figure | value |",
            "|---|---|",
        ]
        lines += [f"| {name} | {value:.4g} |" for name, value in entry["metrics"].items()]
    lines += ["", "```bash", f"tiae-zoo test --ckpt_path {entry['name']}", "```", ""]
    return "\n".join(lines)
