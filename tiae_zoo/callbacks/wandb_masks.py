"""Masks that Weights & Biases shows over their pictures, region by region."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from tiae_zoo.callbacks.picture_maker import PictureMaker
from tiae_zoo.callbacks.pictures import FirstImages, batches_seen, name_and_heading
from tiae_zoo.methods import Segmenter


class WandbMasks(PictureMaker):
    """Give the first images of the validation and the test set to wandb, with the regions found and the true ones.

    For segmenters, where a WandbLogger is among the loggers; others are left alone.

    Args:
        num_images: how many images.
        every_n_validations: log the first validation and every n-th after it.

    Raises:
        ValueError: for a number below 1.
    """

    def __init__(self, num_images: int = 8, every_n_validations: int = 1) -> None:
        super().__init__(num_images, every_n_validations)

    def takes(self, method: LightningModule) -> bool:
        """Return whether it is a segmenter."""
        return isinstance(method, Segmenter)

    def begin(self) -> None:
        """Collect anew."""
        self._images = FirstImages(self.num_images)

    def look(self, method: LightningModule, batch: dict[str, Any], outputs: Any) -> None:
        """Collect images until there are enough."""
        self._images.add(batch)

    def draw(self, trainer: Trainer, method: LightningModule, folder: Path) -> None:
        """Hand the images over."""
        batch = self._images.take()
        loggers = [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]
        if not batch or not loggers or not isinstance(method, Segmenter):
            return
        with torch.no_grad():
            found = {"regions": method.segment(batch["image"]).argmax(1)}
        if "mask" in batch:
            found["truth"] = batch["mask"]
        names = {
            "regions": {region: f"region {region}" for region in range(method.num_regions)},
            "truth": {0: "background"} | {number: f"class {number}" for number in range(1, method.num_classes)},
        }
        masks = [
            {
                title: {"mask_data": mask.cpu().numpy(), "class_labels": names[title]}
                for title, mask in zip(found, of_image, strict=True)
            }
            for of_image in zip(*found.values(), strict=True)
        ]
        kind = name_and_heading(trainer)[0].partition("_")[0]
        for logger in loggers:
            logger.log_image(f"masks/{kind}", list(batch["image"]), step=batches_seen(trainer), masks=masks)
