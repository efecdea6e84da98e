"""Scores image by image, and how far those of a whole set may be trusted."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from tiae_zoo.metrics.functional import assigned_scores, match_regions, matched_scores

RESAMPLES = 1000
LEVEL = 0.95


def set_scores(confusion: Tensor) -> dict[str, Tensor]:
    """Score a set of images by both protocols, as :class:`MatchedSegmentation` does.

    Args:
        confusion: pixel counts ``(N, K, C)``, one matrix for each image.

    Returns:
        0-d ``iou``, ``miou``, ``acc``, ``iou_dataset``, ``miou_dataset``, ``acc_dataset``.

    Example:
        >>> both_perfect_one_flipped = torch.tensor([[[2, 0], [0, 2]], [[0, 2], [2, 0]]])
        >>> {name: round(score.item(), 2) for name, score in set_scores(both_perfect_one_flipped).items()}
        {'iou': 1.0, 'miou': 1.0, 'acc': 1.0, 'iou_dataset': 0.33, 'miou_dataset': 0.33, 'acc_dataset': 0.5}
    """
    per_image = {name: scores.nanmean() for name, scores in matched_scores(confusion).items()}
    return per_image | _dataset_scores(confusion.sum(0))


def bootstrap_intervals(
    confusion: Tensor, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return between which values each score lies for other images of the same kind: percentile bootstrap over images.

    The images are drawn again, with replacement; figures of the whole set are matched anew each time. It says how much
    depends on which images were tested, and nothing of another training.

    Args:
        confusion: pixel counts ``(N, K, C)``.
        resamples: how often to draw.
        level: share of the draws that lie between the two values.
        seed: of the draws.

    Returns:
        The names of :func:`set_scores`, each with its lower and upper end; empty without a judged image.

    Example:
        >>> counts = torch.tensor([[[3, 0], [0, 1]]]).repeat(5, 1, 1)
        >>> bootstrap_intervals(counts)["iou"]  # all alike: nothing depends on the choice
        (1.0, 1.0)
    """
    confusion = confusion[confusion.sum((1, 2)) > 0].cpu()
    count = len(confusion)
    if count == 0:
        return {}
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights = torch.from_numpy(drawn).double()  # (R, N): how often each image was drawn
    samples = {name: weights @ scores.double() / count for name, scores in matched_scores(confusion).items()}
    sums = (weights @ confusion.double().flatten(1)).unflatten(1, confusion.shape[1:]).long()
    rows = [_dataset_scores(one) for one in sums]
    samples |= {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
    ends = ((1 - level) / 2, (1 + level) / 2)
    intervals = {name: np.quantile(values.numpy(), ends) for name, values in samples.items()}
    return {name: (float(low), float(high)) for name, (low, high) in intervals.items()}


def _dataset_scores(confusion: Tensor) -> dict[str, Tensor]:
    """Score one matrix (K, C) under its match of best accuracy."""
    scores = assigned_scores(confusion, match_regions(confusion[None])[0])
    return {f"{name}_dataset": score for name, score in scores.items()}


class ImageCounts(Metric):
    """Keeps whole numbers of each image, and gathers them over processes.

    Samplers that share images among processes repeat a few to make the shares equal: an image counts once. Images that
    are not numbered are all kept, in the order of the processes.

    Example:
        >>> counts = ImageCounts()
        >>> counts.update(torch.tensor([1, 0]), {"ours": torch.tensor([[7], [5]])})
        >>> counts.update(torch.tensor([1]), {"ours": torch.tensor([[7]])})
        >>> index, kept = counts.compute()
        >>> index.tolist(), kept["ours"].tolist()
        ([0, 1], [[5], [7]])
    """

    full_state_update = False
    index: list[Tensor]
    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("index", [], dist_reduce_fx="cat")
        self.add_state("rows", [], dist_reduce_fx="cat")
        self.shapes: dict[str, torch.Size] = {}

    def update(self, index: Tensor | None, counts: Mapping[str, Tensor]) -> None:
        """Add a batch.

        Args:
            index: int64 (B,), the images' numbers; None if they have none.
            counts: name -> integers (B, ...); the same names and shapes each time.
        """
        size = len(next(iter(counts.values())))
        self.shapes = {name: values.shape[1:] for name, values in counts.items()}
        self.index.append(torch.full((size,), -1, device=self.device) if index is None else index.to(self.device))
        self.rows.append(torch.cat([values.flatten(1) for values in counts.values()], 1).to(self.device))

    def compute(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the numbers of the images (N,), rising, and name -> integers (N, ...)."""
        index, rows = (torch.cat(part) if isinstance(part, list) else part for part in (self.index, self.rows))
        if (index < 0).any():
            index = torch.arange(len(index), device=index.device)
        else:
            order = index.argsort(stable=True)
            index, rows = index[order], rows[order]
            first = torch.ones_like(index, dtype=torch.bool)
            first[1:] = index[1:] != index[:-1]
            index, rows = index[first], rows[first]
        parts = rows.split([shape.numel() for shape in self.shapes.values()], 1)
        named = zip(self.shapes.items(), parts, strict=True)
        return index, {name: part.unflatten(1, shape) for (name, shape), part in named}
