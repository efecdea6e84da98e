"""Scores of single images, and of masks that know nothing of their image, beside the scores of the set."""

from __future__ import annotations

import csv
import hashlib
import zlib
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from tiae_zoo.messages import UserError
from tiae_zoo.methods import Segmenter
from tiae_zoo.metrics.functional import IGNORED, count_pixels, matched_scores
from tiae_zoo.metrics.per_image import ImageCounts, bootstrap_intervals, set_scores
from tiae_zoo.metrics.trivial import centred_square, commonest_class, whole_image
from tiae_zoo.runs import PER_IMAGE_FILE

OURS, TRUTH = "method", "truth"
MOST_MASKS = 1000  # training masks that are averaged: more move no pixel


class PerImageScores(Callback):
    """Write `per_image.csv`, and compute confidence intervals and the scores of trivial masks on the same images.

    For validations and tests of segmenters whose steps return what they scored; others are left alone. Trivial are the
    whole image, a centred square, and the commonest class of the training masks at each pixel, where there are some.
    They are matched to the truth as generously as the method's masks.

    Attributes:
        record: after the run, plain JSON: `images`, their number; `truth_sha256`, equal for runs that were scored
            against the same masks in the same order; `intervals`, metric -> lower and upper end of the 95 % bootstrap
            interval over images; `trivial`, mask -> metric -> score. Empty if nothing was scored.
    """

    def __init__(self) -> None:
        self.record: dict[str, Any] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder; asked of all processes, since `log_dir` is told by the first."""
        self._folder = Path(trainer.log_dir or trainer.default_root_dir)
        self._counts = ImageCounts()
        self._trivial: dict[str, Tensor] = {}

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the pixels of each image."""
        if not isinstance(pl_module, Segmenter) or not outputs or dataloader_idx != 0:
            return
        masks, truth, classes = outputs["masks"], outputs["truth"], pl_module.num_classes
        if not self._trivial:
            self._trivial = trivial_masks(trainer, truth.shape[-1], classes)
        counts = {OURS: count_pixels(masks, truth, pl_module.num_regions, classes, IGNORED)[0]}
        for name, mask in self._trivial.items():
            counts[name] = count_pixels(mask.to(truth.device).expand_as(truth), truth, classes, classes, IGNORED)[0]
        checksums = [zlib.crc32(mask.numpy()) for mask in truth.byte().cpu()]
        counts[TRUTH] = torch.tensor(checksums, device=truth.device)[:, None]
        self._counts.to(pl_module.device).update(batch.get("index"), counts)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gather the images of all processes, score, and write."""
        if not trainer.strategy.reduce_boolean_decision(self._counts.update_called, all=False):
            return
        index, counts = self._counts.compute()
        truth = counts.pop(TRUTH)
        if trainer.is_global_zero:
            self._write(trainer, index, counts)
            stage = "test" if trainer.testing else "val"
            self.record = {
                "images": len(index),
                "truth_sha256": hashlib.sha256(truth.cpu().numpy().astype("<u4").tobytes()).hexdigest(),
                "intervals": _staged(stage, bootstrap_intervals(counts[OURS])),
                "trivial": {
                    name: _staged(stage, {key: float(score) for key, score in set_scores(each).items()})
                    for name, each in counts.items()
                    if name != OURS
                },
            }

    on_validation_batch_end = on_test_batch_end
    on_validation_epoch_end = on_test_epoch_end

    def _write(self, trainer: Any, index: Tensor, counts: dict[str, Tensor]) -> None:
        split = "test" if trainer.testing else "val"
        names_of = getattr(getattr(trainer, "datamodule", None), "names", None)
        names = names_of(split) if names_of else []
        columns = {
            (score if name == OURS else f"{name}_{score}"): values.tolist()
            for name, each in counts.items()
            for score, values in matched_scores(each).items()
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / PER_IMAGE_FILE).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["index", "name", *columns])
            for number, *scores in zip(index.tolist(), *columns.values(), strict=True):
                name = names[number] if number < len(names) else ""
                writer.writerow([number, name, *(f"{score:.6g}" for score in scores)])


def trivial_masks(trainer: Any, side: int, num_classes: int) -> dict[str, Tensor]:
    """Return the masks that know nothing, int64 (side, side) each.

    Args:
        trainer: its data module may have training masks.
        side: of the images in pixels.
        num_classes: of the truth, background included.
    """
    masks = {"whole_image": whole_image(side), "centred_square": centred_square(side)}
    if (training := training_masks(getattr(trainer, "datamodule", None))) is not None:
        masks["mean_training_mask"] = commonest_class(training, num_classes)
    return masks


def training_masks(data: Any) -> Tensor | None:
    """Return masks (N, H, W) from all over the training split, None if it has none or is not there.

    Args:
        data: a data module; those of the zoo offer `dataset(split)`.
    """
    if not callable(getattr(data, "dataset", None)):
        return None
    try:
        if hasattr(data, "items") and not any(item.mask for item in data.items("train")):
            return None  # known from the files' names, without decoding a picture
        training = data.dataset("train")
    except UserError:  # to score a checkpoint nobody needs the files it was trained on
        return None
    chosen = torch.linspace(0, len(training) - 1, min(MOST_MASKS, len(training))).long().tolist()
    with isolate_rng():  # images may be transformed at random
        torch.manual_seed(0)
        if "mask" not in training[chosen[0]]:
            return None
        return torch.stack([training[i]["mask"] for i in chosen])


def _staged(stage: str, scores: dict[str, Any]) -> dict[str, Any]:
    return {f"{stage}/{name}": score for name, score in scores.items()}
