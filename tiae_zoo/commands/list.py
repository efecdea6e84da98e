"""`tiae-zoo list`: what the zoo has, read from its files without importing PyTorch."""

from __future__ import annotations

import argparse
import ast
import json
from itertools import zip_longest
from pathlib import Path
from typing import Any

import tiae_zoo
from tiae_zoo.checkpoints import find_weights, pretrained
from tiae_zoo.shipped import shipped_configs

PACKAGE = Path(tiae_zoo.__file__).parent
# figures shown of weights: the first two of these that were measured; their names carry the protocol
FIGURES = ("iou", "iou_dataset", "acc_sequence", "acc", "linear_probe_accuracy", "variance_ratio")
OF_WEIGHTS = (
    *("method", "configs", "data", "seed", "metrics", "trivial", "protocol", "preprocessing", "half", "limits"),
    *("licence", "paper", "size", "sha256"),
)


def main(arguments: list[str]) -> int:
    """Print methods, data modules, configs and pretrained weights."""
    parser = argparse.ArgumentParser(prog="tiae-zoo list", description="Show what the zoo has.")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    content = inventory()
    print(json.dumps(content, indent=2) if parser.parse_args(arguments).json else as_text(content))
    return 0


def inventory() -> dict[str, dict[str, Any]]:
    """Return what the zoo has: for each kind, the names with one line of description each; of weights, their facts."""
    return {
        "methods": exported_classes(PACKAGE / "methods"),
        "data": exported_classes(PACKAGE / "data"),
        "configs": {f"configs/{name}": first_comment(path) for name, path in shipped_configs().items()},
        "pretrained": {entry["name"]: _facts(entry) for entry in pretrained()},
    }


def exported_classes(package: Path) -> dict[str, str]:
    """Return the classes that a package's `__init__.py` offers for use, with the first line of their docstrings.

    Its imports are the one list of what there is. Bases (from base.py, or described as such), errors and functions are
    left out.

    Args:
        package: folder of the package; its `__init__.py` imports the names from its own modules.
    """
    found = {}
    for statement in _parse(package / "__init__.py").body:
        if not isinstance(statement, ast.ImportFrom) or statement.module is None:
            continue
        module = package / f"{statement.module.rpartition('.')[2]}.py"
        if not module.is_file() or module.stem == "base":
            continue
        names = {alias.name for alias in statement.names}
        for node in _parse(module).body:
            if isinstance(node, ast.ClassDef) and node.name in names and not node.name.endswith("Error"):
                line = (ast.get_docstring(node) or "").partition("\n")[0]
                if not line.startswith("Base of "):
                    found[node.name] = line
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def first_comment(path: Path) -> str:
    """Return the first line of a config if it is a comment, without its mark."""
    with path.open(encoding="utf-8") as lines:
        first = lines.readline().strip()
    return first.lstrip("# ") if first.startswith("#") else ""


def _facts(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of weights, the side of their images, and the file that has them if it is on this machine."""
    place = find_weights(entry)
    return {key: entry[key] for key in OF_WEIGHTS if key in entry} | {
        "image_size": entry["arguments"].get("image_size"),
        "local": str(place) if place else None,
    }


def _weights_lines(facts: dict[str, Any]) -> str:
    """Return a line on what the weights are, and one on what they score where they were scored."""
    trained = f"{facts['method']} on {facts['data']}" if "data" in facts else facts["method"]
    size = [f"{facts['image_size']} px"] if facts["image_size"] else []
    where = "here" if facts["local"] else "to be fetched"
    about = ", ".join([trained, *size, f"{facts['size'] / 1e6:.1f} MB", facts["licence"], where])
    scores, of_square = facts.get("metrics", {}), facts.get("trivial", {}).get("centred_square", {})
    shown = [name for figure in FIGURES for name in scores if name.partition("/")[2] == figure][:2]
    figures = ", ".join(f"{name.partition('/')[2]} {scores[name]:.3g}" for name in shown)
    if square := [f"{of_square[name]:.3g}" for name in shown if name in of_square]:
        figures += f"; a centred square scores {' and '.join(square)}"
    return f"{about}\n{figures}".rstrip()


def as_text(content: dict[str, dict[str, Any]]) -> str:
    """Return the inventory as columns for the terminal."""
    titles = {"methods": "Methods", "data": "Data modules", "configs": "Configs", "pretrained": "Pretrained weights"}
    told = content | {"pretrained": {name: _weights_lines(facts) for name, facts in content["pretrained"].items()}}
    blocks = []
    for kind, names in told.items():
        width = max(map(len, names), default=0) + 2
        lines = [
            f"  {label:<{width}}{line}".rstrip()
            for name, text in names.items()
            for label, line in zip_longest([name], text.split("\n"), fillvalue="")
        ]
        blocks.append("\n".join([f"{titles[kind]}:", *(lines or ["  none yet"])]))
    return "\n\n".join(blocks)
