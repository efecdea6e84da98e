"""The figures of a training along its way, as one picture."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.figure import Figure

from tiae_zoo.callbacks.pictures import batches_seen, pictures_folder, publish
from tiae_zoo.charts import INK, draw_curve

PANELS = 4  # beside each other
PANEL = (3.2, 2.2)  # inches
DPI = 100
Curves = dict[str, list[tuple[int, float]]]


class TrainingCurves(Callback):
    """Draw everything that is logged in a fit against the number of training batches, a panel for each figure.

    `pictures/curves.png` is drawn anew after each validation and at the end. Figures of the training step are read
    every `log_every_n_steps` batches, as loggers do, whatever the logger. The curves lie in the checkpoints: a resumed
    fit goes on with them. Loggers that take images get them, too.
    """

    def __init__(self) -> None:
        self._curves: Curves = {}
        self._folder: Path | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder."""
        drawn = stage == "fit" and not getattr(trainer, "fast_dev_run", False)
        self._folder = pictures_folder(trainer) if drawn else None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Read the figures of the step."""
        if self._folder is not None and batches_seen(trainer) % max(trainer.log_every_n_steps, 1) == 0:  # type: ignore[attr-defined]
            self._read(trainer, "train/")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the figures of the validation, and draw."""
        if self._folder is not None and not trainer.sanity_checking:
            self._read(trainer, "val/")
            self._draw(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw a last time."""
        self._draw(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return the curves so far."""
        return {"curves": self._curves}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the curves of the interrupted fit."""
        self._curves = state_dict["curves"]

    def _read(self, trainer: Trainer, prefix: str) -> None:
        batches = batches_seen(trainer)
        for name, value in trainer.callback_metrics.items():
            if name.startswith(prefix):
                self._curves.setdefault(name, []).append((batches, float(value)))

    def _draw(self, trainer: Trainer) -> None:
        if self._folder is None or not self._curves or not trainer.is_global_zero:
            return
        path = self._folder / "curves.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        curves_figure(self._curves).savefig(path)
        publish(trainer, path, "curves")


def curves_figure(curves: Curves) -> Figure:
    """Draw one panel for each figure.

    Args:
        curves: name -> points (training batches, value); values that are no finite numbers are left out.
    """
    columns = min(PANELS, len(curves))
    rows = ceil(len(curves) / columns)
    figure = Figure((PANEL[0] * columns, PANEL[1] * rows), DPI, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for (name, points), axes in zip(sorted(curves.items()), panels, strict=False):  # in this order no panel is lost
        draw_curve(axes, name, points)
    for axes in panels:  # those left over
        axes.set_axis_off()
    figure.supxlabel("training batches", fontsize="small", color=INK)
    return figure
