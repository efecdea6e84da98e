"""The segmenters that the page offers: looked up when it starts, loaded when they are first chosen."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import LightningModule

import tiae_zoo.methods
from tiae_zoo.checkpoints import find_pretrained, is_pretrained, pretrained
from tiae_zoo.data import Folder
from tiae_zoo.launch.arguments import configs_of
from tiae_zoo.launch.checkpoint import class_path_of, find_checkpoint, restored, stored_hyperparameters
from tiae_zoo.messages import UserError

HOME = Path("runs")  # where checkpoints are looked for that are named by no path
OF_DATA = ("image_size", "resize", "channels", "value_range")  # what decides how a network gets to see a picture


class Choice:
    """A method that gives masks, with its weights.

    Args:
        name: of pretrained weights, or the path of a checkpoint.

    Attributes:
        kind: the method's class.

    Raises:
        UserError: there is no such checkpoint, or it is of a method that gives no masks.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_pretrained = is_pretrained(name) and not Path(name).exists()
        self.kind = self._find_kind()
        if not gives_masks(self.kind):
            raise UserError(
                f"{name} is a checkpoint of {self.kind.__name__}, which gives no masks. Give one of a method that "
                "does, such as ReDO."
            )

    def _find_kind(self) -> type[LightningModule]:
        if self.is_pretrained:
            return getattr(tiae_zoo.methods, find_pretrained(self.name)["method"])
        class_path = class_path_of(self.name, stored_hyperparameters(find_checkpoint(self.name, HOME)))
        try:
            return pkgutil.resolve_name(class_path)
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"{self.name} is a checkpoint of {class_path}, which cannot be imported ({error}). Start in the folder "
                "that has its module."
            ) from error

    @cached_property
    def method(self) -> LightningModule:
        """The method on the CPU, in evaluation mode; pretrained weights are fetched if need be.

        Raises:
            UserError: the weights cannot be had, or do not fit.
        """
        return restored(self.kind, Path(find_checkpoint(self.name, HOME)))

    @cached_property
    def data(self) -> Folder:
        """How pictures become what the network sees: as `predict` does it by the config of the same checkpoint."""
        settings: dict[str, Any] = {}
        for config in configs_of(self.name):
            data = (yaml.safe_load(config.read_text(encoding="utf-8")) or {}).get("data") or {}
            if isinstance(data, str) or "class_path" in data:
                settings = {}  # another DataModule
            settings |= {} if isinstance(data, str) else data.get("init_args") or {}
        built_for = self.method.hparams
        trained_on = {"image_size": built_for.get("image_size"), "channels": built_for.get("image_channels")}
        chosen = {key: settings.get(key) for key in OF_DATA} | {key: n for key, n in trained_on.items() if n}
        return Folder("dropped", **{key: value for key, value in chosen.items() if value is not None})

    @property
    def draws(self) -> bool:
        """Whether the method has pictures of its own to show, by networks that were trained."""
        only_masks = self.is_pretrained and find_pretrained(self.name)["networks"]
        return callable(getattr(self.kind, "gallery", None)) and not only_masks


def find_choices(names: Sequence[str]) -> dict[str, Choice]:
    """Return what is to be offered, by name.

    Args:
        names: of pretrained weights or paths of checkpoints; all pretrained weights that give masks if empty.

    Raises:
        UserError: as :class:`Choice`; or there is nothing to offer.
    """
    offered = names or [
        entry["name"] for entry in pretrained() if gives_masks(getattr(tiae_zoo.methods, entry["method"]))
    ]
    if not offered:
        raise UserError(
            "No pretrained weights that give masks are published yet, and no checkpoint was named. Give one: "
            "tiae-zoo demo runs/redo_lfw/fit_0/checkpoints/last.ckpt"
        )
    return {name: Choice(name) for name in offered}


def gives_masks(kind: type) -> bool:
    """Return whether a method is a segmenter: it offers `segment`."""
    return callable(getattr(kind, "segment", None))
