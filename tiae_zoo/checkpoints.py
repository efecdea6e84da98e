"""The registry of pretrained weights."""

from __future__ import annotations

import json
from typing import Any

from tiae_zoo.shipped import registry_file


def pretrained() -> list[dict[str, Any]]:
    """Return the entries of registry.json; its `description` says what each holds."""
    entries: list[dict[str, Any]] = json.loads(registry_file().read_text(encoding="utf-8"))["weights"]
    return entries
