"""The best, random and worst masks of a set: Figures 4 to 6 of ReDO (Chen et al. 2019, arXiv 1905.13539)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from tiae_zoo.callbacks.drawing import save_grid
from tiae_zoo.callbacks.picture_maker import PictureMaker
from tiae_zoo.callbacks.pictures import free_path, name_and_heading, publish
from tiae_zoo.methods import Segmenter
from tiae_zoo.methods.base import mask_picture
from tiae_zoo.metrics.functional import IGNORED, confusion_matrices, match_regions, matched_scores

SCORES = {"iou": "IoU", "acc": "accuracy"}


class RankedMasks(PictureMaker):
    """Draw the images whose masks score best and worst, and some at random, once by IoU and once by accuracy.

    For segmenters on data with masks; others are left alone. A mask is drawn with the best match of its own image, as
    the scores without `_dataset` have it; surplus regions are grey. The files lie in the run's `pictures/`:
    `val_000500_by_iou.png`, `val_000500_by_acc.png`, and so on for `validate` and `test`. Loggers that take images get
    them, too. With several processes the share of the first one is drawn.

    Args:
        num_images: how many of each kind: rows of a picture.
        every_n_validations: draw the first validation and every n-th after it.
        seed: of the random choice.

    Raises:
        ValueError: for a number of images or validations below 1.
    """

    def __init__(self, num_images: int = 6, every_n_validations: int = 1, seed: int = 0) -> None:
        super().__init__(num_images, every_n_validations)
        self.seed = seed

    def takes(self, method: LightningModule) -> bool:
        """Return whether it is a segmenter."""
        return isinstance(method, Segmenter)

    def begin(self) -> None:
        """Rank anew."""
        kinds = ("best", "random", "worst")
        self._kept = {(score, kind): Kept(self.num_images) for score in SCORES for kind in kinds}
        self._chance = torch.Generator().manual_seed(self.seed)

    def look(self, method: LightningModule, batch: dict[str, Any], outputs: Any) -> None:
        """Keep what may be drawn."""
        if not outputs or not isinstance(method, Segmenter):
            return
        masks, truth = outputs["masks"], outputs["truth"]
        confusion = confusion_matrices(masks, truth, method.num_regions, method.num_classes)
        classes = matched_classes(masks, confusion)
        pictures = {
            "image": outputs["images"].cpu(),
            "truth": mask_picture(truth, method.num_classes).cpu(),
            "mask": mask_picture(classes, method.num_classes).cpu(),
        }
        scores = matched_scores(confusion)
        chance = torch.rand(len(masks), generator=self._chance)
        for (score, kind), kept in self._kept.items():
            values = scores[score].cpu()
            order = {"best": values, "worst": -values, "random": chance}[kind]
            kept.add(order.masked_fill(values.isnan(), -torch.inf), values, pictures)

    def draw(self, trainer: Trainer, method: LightningModule, folder: Path) -> None:
        """Draw a picture by each score."""
        if not trainer.is_global_zero:
            return
        name, heading = name_and_heading(trainer)
        for score, word in SCORES.items():
            columns = {}
            for (of, kind), few in self._kept.items():
                if of == score and few.pictures:
                    columns[f"{kind} by {word}: {few.span()}"] = few.pictures["image"]
                    columns |= {f"{title} ({kind})": few.pictures[title] for title in ("truth", "mask")}
            if columns:
                path = free_path(folder / f"{name}_by_{score}.png")
                save_grid(columns, path, f"{heading}: masks by {word}")
                publish(trainer, path, f"{name.partition('_')[0]}_by_{score}")


class Kept:
    """The few images of a set that come first in some order.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.pictures: dict[str, Tensor] = {}
        self._order = torch.empty(0)
        self._scores = torch.empty(0)

    def add(self, order: Tensor, scores: Tensor, pictures: dict[str, Tensor]) -> None:
        """Look through a batch.

        Args:
            order: (B,), the largest come first; minus infinity is never kept.
            scores: (B,), what is told of them.
            pictures: (B, ...) each.
        """
        order = torch.cat([self._order, order])
        first = order.argsort(descending=True, stable=True)[: self.count]
        first = first[order[first] > -torch.inf]
        self._order, self._scores = order[first], torch.cat([self._scores, scores])[first]
        known = self.pictures or {name: values[:0] for name, values in pictures.items()}
        if len(first):
            self.pictures = {name: torch.cat([known[name], pictures[name]])[first] for name in pictures}

    def span(self) -> str:
        """Return the smallest and the largest score."""
        return f"{self._scores.min():.2f} to {self._scores.max():.2f}"


def matched_classes(masks: Tensor, confusion: Tensor) -> Tensor:
    """Name the regions of each image by the classes they match best.

    Args:
        masks: soft masks (B, K, H, W).
        confusion: pixel counts (B, K, C) of them.

    Returns:
        int64 (B, H, W), the class, 255 for a region that has none.
    """
    regions = match_regions(confusion)  # (B, C), -1 for a class without a region
    count = masks.shape[1]
    classes = torch.full((len(masks), count + 1), IGNORED, device=masks.device)
    of_class = torch.arange(regions.shape[1], device=masks.device).expand_as(regions)
    classes.scatter_(1, regions % (count + 1), of_class)  # a class without a region goes to the last, unused column
    return classes.gather(1, masks.argmax(1).flatten(1)).view(len(masks), *masks.shape[2:])
