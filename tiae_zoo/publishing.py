"""From a checkpoint to pretrained weights: a file of tensors, an entry in the registry, a card, a golden pair."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch import LightningModule
from safetensors.torch import load_file, save_file
from torch import Tensor

from tiae_zoo import __version__
from tiae_zoo.callbacks.mask_average import AVERAGED, AVERAGED_NETWORK
from tiae_zoo.checkpoints import load_model, pretrained
from tiae_zoo.launch.arguments import KEYWORDS
from tiae_zoo.launch.checkpoint import whole_checkpoint
from tiae_zoo.messages import UserError, did_you_mean
from tiae_zoo.runs import RESULTS_FILE, write_json
from tiae_zoo.shipped import find_config, registry_file, shipped_configs

GOLDEN_IMAGES = 2
TOLERANCE = 1e-4  # of what a method predicts, on another machine and by another version of PyTorch


def publish(
    checkpoint: Path,
    name: str,
    configs: Sequence[str],
    results: Path | None = None,
    networks: Sequence[str] = (),
    half: bool = False,
    urls: Sequence[str] = (),
    licence: str = "Apache-2.0",
    recipe: str | None = None,
    paper: str | None = None,
    limits: str | None = None,
) -> dict[str, Any]:
    """Write pretrained weights beside the registry and return their entry, verified by loading them by their name.

    Args:
        checkpoint: of `tiae-zoo fit`.
        name: of the weights; not used before.
        configs: shipped configs that they go with; a later one overrides an earlier one.
        results: `results.json` of a `tiae-zoo test` of this checkpoint: its figures are told.
        networks: attributes of the method whose weights are kept; all if empty.
        half: store the entries of matrices and kernels in 16 bits.
        urls: further addresses of the file.
        licence: of the weights.
        recipe: how they were trained; the command of the checkpoint's run if None.
        paper: that describes the method.
        limits: a sentence on what they are not good for.

    Raises:
        UserError: the checkpoint cannot be read, the name is taken, a config is not a shipped one, or the results are
            another checkpoint's.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_]*", name) or name in KEYWORDS:
        raise UserError(
            f"{name!r} cannot be a name. Use small letters, digits and _, and no word that is a command's own."
        )
    if not checkpoint.is_file():
        raise UserError(f"There is no checkpoint {checkpoint}. Give one of `tiae-zoo fit`.")
    folder = registry_file().parent
    paths = {kind: folder / f"{name}{ending}" for kind, ending in ENDINGS.items()}
    if name in {entry["name"] for entry in pretrained()} or any(path.exists() for path in paths.values()):
        raise UserError(f"There are weights {name!r} already, and nothing is overwritten. Give another name.")
    content = whole_checkpoint(checkpoint)
    stored = dict(content["hyper_parameters"])
    method = stored["_class_path"].rpartition(".")[2]
    _check_configs(configs, method)
    state = kept(content["state_dict"], networks, half)
    entry = {
        "name": name,
        "method": method,
        "configs": list(configs),
        "arguments": {key: value for key, value in stored.items() if not key.startswith("_")},
        "networks": list(networks),
        **({"region_classes": known} if (known := content.get("region_classes")) else {}),
        "half": half,
        "file": paths["weights"].name,
        "urls": list(urls),
        "preprocessing": _preprocessing(stored),
        **(measured(results, checkpoint) if results is not None else {}),
        "version": __version__,
        "licence": licence,
        "recipe": recipe or _recipe(checkpoint, averaged=AVERAGED_NETWORK in content),
        "paper": paper or "",
        "limits": limits or "",
    }
    try:
        _save(state, paths["weights"])
        entry["size"] = paths["weights"].stat().st_size
        entry["sha256"] = hashlib.sha256(paths["weights"].read_bytes()).hexdigest()
        write_registry([*pretrained(), entry])
        model = load_model(name)
        _save(golden(model, stored), paths["golden"])
        verify(model, paths["golden"])
        paths["card"].write_text(card(entry), encoding="utf-8")
    except BaseException:
        write_registry([other for other in pretrained() if other["name"] != name])
        for path in paths.values():
            path.unlink(missing_ok=True)
        raise
    return entry


def _check_configs(configs: Sequence[str], method: str) -> None:
    known = [name.removesuffix(".yaml") for name in shipped_configs()]
    if foreign := [config for config in configs if config not in known]:
        hint = did_you_mean(foreign[0], known)
        raise UserError(
            f"{foreign[0]} is no shipped config; others would not have it.{hint} `tiae-zoo list` shows all."
        )
    models = [yaml.safe_load(find_config(config).read_text(encoding="utf-8")).get("model", {}) for config in configs]
    classes = [model["class_path"].rpartition(".")[2] for model in models if "class_path" in model]
    if classes[-1:] != [method]:
        raise UserError(f"The checkpoint is of {method}, the configs are of {', '.join(classes) or 'no method'}.")


MEASURED = ("intervals", "trivial", "images", "protocol", "versions", "hardware")  # of a test's results
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
    return {key: value.half() if half and _halved(value) else value for key, value in _plain(chosen)}


def _halved(value: Tensor) -> bool:
    """Return whether 16 bits hold it: biases and statistics are few, and a variance above 65504 would be infinite."""
    return value.is_floating_point() and value.ndim > 1


def _plain(state: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield tensors that share no memory and lie in order, as the format asks for."""
    for key, value in state.items():
        yield key, value.clone(memory_format=torch.contiguous_format)


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    save_file(tensors, path)
    path.chmod(0o644)  # safetensors makes private files; these are to be shared


def _recipe(checkpoint: Path, averaged: bool) -> str:
    """Return the command of the fit that wrote a checkpoint, if its run's results lie beside, and of its average."""
    results = checkpoint.parent.parent / RESULTS_FILE
    command: str = json.loads(results.read_text(encoding="utf-8"))["command"] if results.is_file() else ""
    return f"{command}\ntiae-zoo average CKPT".lstrip() if averaged else command


def measured(results: Path, checkpoint: Path) -> dict[str, Any]:
    """Return what a test found: figures with their intervals and protocol, those of trivial masks, data, seed.

    Raises:
        UserError: the file is no record of a test, or that of another checkpoint.
    """
    record = json.loads(results.read_text(encoding="utf-8"))
    if record.get("verb") != "test" or not record.get("checkpoint"):
        raise UserError(f"{results} is no results.json of `tiae-zoo test` with a checkpoint. Give one.")
    if Path(record["checkpoint"]).resolve() != checkpoint.resolve():
        raise UserError(f"{results} was measured on {record['checkpoint']}, not on {checkpoint}. Test this one first.")
    config = record["config"]
    if config["trainer"].get("limit_test_batches") not in (None, 1.0):
        raise UserError(f"{results} was measured on a part of the test images. Test without limit_test_batches.")
    return {
        "metrics": {name: value for name, value in record["metrics"].items() if not name.endswith(AVERAGED)},
        **{key: record[key] for key in MEASURED if key in record},
        "data": config["data"]["class_path"].rpartition(".")[2],
        "seed": config["seed_everything"],
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


def card(entry: Mapping[str, Any]) -> str:
    """Return what a reader wants to know of weights, as Markdown."""
    configs = " + ".join(f"`{name}`" for name in entry["configs"])
    lines = [f"# {entry['name']}", "", f"{entry['method']}, config {configs}."]
    if entry["networks"]:
        lines.append(f"Only the weights of {', '.join(entry['networks'])}; the other networks are untrained.")
    if limits := entry.get("limits"):
        lines += ["", limits]
    libraries = {"tiae-zoo": entry["version"]} | entry.get("versions", {})
    facts = {
        "paper": entry.get("paper"),
        "licence": entry["licence"],
        "input": entry["preprocessing"],
        "file": f"`{entry['file']}`, {entry['size']} bytes",
        "sha256": f"`{entry['sha256']}`",
        "stored": "matrices and kernels in 16 bits; the figures are those before" if entry["half"] else "as trained",
        "measured with": ", ".join(f"{name} {version}" for name, version in libraries.items()),
    }
    lines += ["", *(f"- {name}: {fact}" for name, fact in facts.items() if fact)]
    if entry["recipe"]:
        lines += ["", "Trained by", "", "```bash", entry["recipe"], "```"]
    if "metrics" in entry:
        many = f"{entry['images']} images of " if "images" in entry else ""
        split = f"{many}the test split of {entry['data']}, seed {entry['seed']}"
        lines += ["", f"Measured on {split}:", "", *_figures(entry)]
    return "\n".join([*lines, "", "```bash", f"tiae-zoo test --ckpt_path {entry['name']}", "```", ""])


def _figures(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a table: each figure, its interval, the same of trivial masks."""
    intervals, trivial = entry.get("intervals", {}), entry.get("trivial", {})
    yield f"| figure | value |{' 95 % interval |' if intervals else ''}" + "".join(
        f" {mask.replace('_', ' ')} |" for mask in trivial
    )
    yield "|---|" + "---|" * (1 + bool(intervals) + len(trivial))
    for name, value in entry["metrics"].items():
        between = f" {'-'.join(f'{end:.3f}' for end in intervals.get(name, ()))} |" if intervals else ""
        masks = "".join(f" {scores[name]:.3f} |" if name in scores else " |" for scores in trivial.values())
        yield f"| {name} | {value:.4g} |{between}{masks}"
