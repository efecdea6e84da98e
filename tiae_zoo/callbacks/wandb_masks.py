"""Masks that Weights & Biases shows over their pictures, region by region."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from torch import Tensor

from tiae_zoo.callbacks.picture_maker import FirstImagesMaker
from tiae_zoo.callbacks.pictures import batches_seen, name_and_heading
from tiae_zoo.methods import Segmenter


class WandbMasks(FirstImagesMaker):
    """Give the first images of the validation and the test set to wandb, with the regions found and the true ones.

    For segmenters, where a WandbLogger is among the loggers; others are left alone.

    Args:
        num_images: how many images.
        every_n_validations: log the first validation and every n-th after it.

    Raises:
        ValueError: for a number below 1.
    """

    def takes(self, method: LightningModule) -> bool:
        """Return whether it is a segmenter."""
        return isinstance(method, Segmenter)

    def draw_batch(self, trainer: Trainer, method: LightningModule, batch: dict[str, Tensor], folder: Path) -> None:
        """Hand the images over."""
        loggers = [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]
        if not loggers or not isinstance(method, Segmenter):
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
