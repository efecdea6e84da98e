"""Permutation-matched segmentation scores as a torchmetrics class."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from tiae_zoo.metrics.functional import (
    IGNORED,
    assigned_scores,
    count_pixels,
    match_regions,
    matched_scores,
    validate_shapes,
    validate_values,
)

PROTOCOLS = {
    "iou": "best match of regions and classes for each image; IoU of the foreground, mean over images",
    "miou": "best match for each image; mean IoU of all classes, mean over images",
    "acc": "best match for each image; share of the pixels that are right, mean over images",
    "iou_dataset": "one match for the whole set; IoU of the foreground over all pixels of the set",
    "miou_dataset": "one match for the whole set; mean IoU of all classes over all pixels of the set",
    "acc_dataset": "one match for the whole set; share of all pixels of the set that are right",
}
"""How each figure is measured, in a line; docs/metrics.md has more."""


class MatchedSegmentation(Metric):
    """Accuracy and IoU of regions that carry no names, by two protocols at once.

    Without suffix, the papers' own: the best match of regions and classes image by image, separately for each figure,
    averaged over images. With two regions this is ReDO's "better of the mask and its flip". It cannot see a method
    that calls the object region 0 in one image and region 1 in the next; the figures ending in ``_dataset`` can: they
    use one match for all images, the one of best accuracy.

    The states are three sums, two counts and one confusion matrix, whatever the number of images; they are summed over
    processes, so any split of the images over them gives the same scores.

    Args:
        num_regions: K, the number of regions of the masks.
        num_classes: C, the classes of the truth, background included; K when not given.
        ignore_index: the value of the truth that is not judged; ``None`` judges every pixel.
        validate_args: check all values at every update. This makes a GPU wait; without it, values out of range are
            counted on the way and reported by ``compute``.
        **kwargs: arguments of ``torchmetrics.Metric``.

    Example:
        >>> truth = torch.tensor([[[0, 0, 1, 1]], [[0, 0, 1, 1]]])
        >>> masks = torch.tensor([[[0, 0, 1, 1]], [[1, 1, 0, 0]]])  # both perfect, the second flipped
        >>> metric = MatchedSegmentation(num_regions=2)
        >>> metric.update(masks, truth)
        >>> {name: round(score.item(), 2) for name, score in metric.compute().items()}
        {'iou': 1.0, 'miou': 1.0, 'acc': 1.0, 'iou_dataset': 0.33, 'miou_dataset': 0.33, 'acc_dataset': 0.5}
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    iou_sum: Tensor
    miou_sum: Tensor
    acc_sum: Tensor
    images: Tensor
    confusion: Tensor
    out_of_range: Tensor

    def __init__(
        self,
        num_regions: int,
        num_classes: int | None = None,
        ignore_index: int | None = IGNORED,
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_regions = num_regions
        self.num_classes = num_regions if num_classes is None else num_classes
        self.ignore_index = ignore_index
        self.validate_args = validate_args
        if self.num_regions < 1 or self.num_classes < 2:
            raise ValueError(
                f"{self.num_regions} regions and {self.num_classes} classes cannot be scored. "
                "Give num_regions >= 1 and num_classes >= 2, the background included."
            )
        for name in ("iou_sum", "miou_sum", "acc_sum"):
            self.add_state(name, torch.tensor(0.0), dist_reduce_fx="sum")
        for name in ("images", "out_of_range"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")
        self.add_state(
            "confusion", torch.zeros(self.num_regions, self.num_classes, dtype=torch.long), dist_reduce_fx="sum"
        )

    def update(self, masks: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            masks: soft masks ``(B, K, H, W)``, of which the largest wins at each pixel, or integer region indices
                ``(B, H, W)``.
            target: integer class indices ``(B, H, W)``.

        Raises:
            ValueError: for wrong shapes or types; with ``validate_args`` also for values out of range.
        """
        validate_shapes(masks, target, self.num_regions)
        if self.validate_args:
            validate_values(masks, target, self.num_regions, self.num_classes, self.ignore_index)
        confusion, out_of_range = count_pixels(masks, target, self.num_regions, self.num_classes, self.ignore_index)
        scores = matched_scores(confusion)
        # Out of place: processes that share memory would otherwise write into one another's states.
        self.iou_sum = self.iou_sum + scores["iou"].nansum()
        self.miou_sum = self.miou_sum + scores["miou"].nansum()
        self.acc_sum = self.acc_sum + scores["acc"].nansum()
        self.images = self.images + (confusion.sum((1, 2)) > 0).sum()
        self.confusion = self.confusion + confusion.sum(0)
        self.out_of_range = self.out_of_range + out_of_range

    def compute(self) -> dict[str, Tensor]:
        """Score all images so far.

        Returns:
            0-d tensors in [0, 1]: ``iou``, ``miou``, ``acc`` (best match per image) and ``iou_dataset``,
            ``miou_dataset``, ``acc_dataset`` (one match). NaN if no pixel was judged.

        Raises:
            ValueError: if values out of range were met.
        """
        if self.out_of_range > 0:
            raise ValueError(
                f"{int(self.out_of_range)} pixels have a region outside 0..{self.num_regions - 1}, a class outside "
                f"0..{self.num_classes - 1} or a mask that is NaN. Correct num_regions or num_classes, or mark pixels "
                f"not to be judged with {self.ignore_index}; validate_args=True stops at the first such batch."
            )
        per_image = {
            "iou": self.iou_sum / self.images,
            "miou": self.miou_sum / self.images,
            "acc": self.acc_sum / self.images,
        }
        of_set = assigned_scores(self.confusion, match_regions(self.confusion[None])[0])
        return per_image | {f"{name}_dataset": score for name, score in of_set.items()}

    def region_classes(self) -> Tensor:
        """Name the regions: the match of the ``_dataset`` figures, over all processes.

        Returns:
            int64 ``(K,)``, the class of each region, -1 for a surplus region.

        Example:
            >>> metric = MatchedSegmentation(num_regions=3, num_classes=2)
            >>> metric.update(torch.tensor([[[2, 2, 0, 1]]]), torch.tensor([[[0, 0, 1, 1]]]))
            >>> metric.region_classes().tolist()
            [1, -1, 0]
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, process_group=self.process_group):
            regions = match_regions(self.confusion[None])[0]
        classes = torch.full((self.num_regions,), -1, device=regions.device)
        taken = regions >= 0
        classes[regions[taken]] = taken.nonzero()[:, 0]
        return classes
