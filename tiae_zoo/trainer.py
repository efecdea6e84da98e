"""Lightning's trainer with what the zoo's verbs have beyond it: `bench`, and options of `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule

from tiae_zoo.benchmark import BenchTrainer
from tiae_zoo.callbacks.predictions import PredictionWriter


class ZooTrainer(BenchTrainer):
    """The trainer of the command line."""

    prediction_writer: PredictionWriter | None = None

    def predict(
        self,
        model: LightningModule | None = None,
        dataloaders: Any = None,
        datamodule: Any = None,
        return_predictions: bool | None = None,
        ckpt_path: str | Path | None = None,
        weights_only: bool | None = None,
        output: Path | None = None,
        soft: bool = False,
        overlays: bool = False,
        redraws: bool = False,
        overwrite: bool = False,
    ) -> Any:
        """Write what a method finds in pictures; nothing is written with `fast_dev_run`.

        Args:
            model: the method.
            dataloaders: the data, or
            datamodule: the data.
            return_predictions: as Lightning's.
            ckpt_path: as Lightning's.
            weights_only: as Lightning's.
            output: folder of the masks; `predictions/` in the run's folder if none is given.
            soft: write soft masks too, grey, one folder for each region.
            overlays: write the pictures with their masks too.
            redraws: write what the method's gallery shows of each picture too.
            overwrite: replace files that are in the folder already.
        """
        if not getattr(self, "fast_dev_run", False):
            self.prediction_writer = PredictionWriter(output, soft, overlays, redraws, overwrite)
            self.callbacks.append(self.prediction_writer)
        return super().predict(model, dataloaders, datamodule, return_predictions, ckpt_path, weights_only)
