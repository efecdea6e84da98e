"""Permutation-matched segmentation scores as pure functions.

A method without labels calls its regions what it likes: before a score means anything, regions must be matched to the
classes of the truth. Everything here works on confusion matrices, the pixel counts ``(B, K, C)`` of K regions against
C classes, which one pass over the pixels gives for the whole batch.

Conventions, the same for every figure:

* A match is one to one. With more regions than classes the surplus regions belong to no class and their pixels are
  wrong; with more classes than regions the surplus classes are missed and score an IoU of 0.
* A mean over classes runs over the classes that occur in the truth. Matching a region to a class that does not occur
  costs nothing more: its pixels are already missing from the classes they were taken from.
* Where no foreground class occurs, the foreground IoU is 1 if nothing is marked as foreground and 0 otherwise.
* Without one judged pixel there is no score (NaN), and the image is left out of every mean.
"""

from functools import cache
from itertools import permutations
from math import perm

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

IGNORED = 255  # in a truth, the class of pixels that are not judged

# Up to this many ways to match (5 regions against 5 classes), all are tried at once on the tensor's own device; beyond,
# the Hungarian algorithm takes over, on the CPU and image by image. For 25 images on one CPU core trying all is twice
# as fast at 4 x 4, about as fast at 5 x 5 and nine times slower at 6 x 6.
MAX_ENUMERATED = 120


def confusion_matrices(
    masks: Tensor,
    target: Tensor,
    num_regions: int,
    num_classes: int | None = None,
    ignore_index: int | None = IGNORED,
) -> Tensor:
    """Count the pixels that each region shares with each class, image by image.

    Args:
        masks: soft masks ``(B, K, H, W)``, of which the largest wins at each pixel (the first of equals), or region
            indices ``(B, H, W)`` of an integer type.
        target: class indices ``(B, H, W)`` of an integer type.
        num_regions: K.
        num_classes: C, the background included; K when not given.
        ignore_index: the value of ``target`` that is not judged; ``None`` judges every pixel.

    Returns:
        int64 ``(B, K, C)``.

    Raises:
        ValueError: for wrong shapes or types and for values out of range.

    Example:
        >>> truth = torch.tensor([[[0, 0, 1, 255]]])
        >>> confusion_matrices(torch.tensor([[[1, 1, 1, 0]]]), truth, num_regions=2).tolist()
        [[[0, 0], [2, 1]]]
    """
    num_classes = num_regions if num_classes is None else num_classes
    validate_shapes(masks, target, num_regions)
    validate_values(masks, target, num_regions, num_classes, ignore_index)
    return count_pixels(masks, target, num_regions, num_classes, ignore_index)[0]


def matched_segmentation(
    masks: Tensor,
    target: Tensor,
    num_regions: int,
    num_classes: int | None = None,
    ignore_index: int | None = IGNORED,
) -> dict[str, Tensor]:
    """Score every image under the match that is best for it: the composition of the two functions around this one.

    Args:
        masks: as in :func:`confusion_matrices`.
        target: as in :func:`confusion_matrices`.
        num_regions: as in :func:`confusion_matrices`.
        num_classes: as in :func:`confusion_matrices`.
        ignore_index: as in :func:`confusion_matrices`.

    Returns:
        float32 ``(B,)`` each: ``iou``, ``miou``, ``acc``; see :func:`matched_scores`.

    Raises:
        ValueError: for wrong shapes or types and for values out of range.

    Example:
        >>> truth = torch.tensor([[[0, 0, 1, 1]], [[0, 0, 1, 1]]])
        >>> masks = torch.tensor([[[1, 1, 0, 0]], [[1, 0, 0, 0]]])  # a perfect flip; a flip with one mistake
        >>> scores = matched_segmentation(masks, truth, num_regions=2)
        >>> {name: [round(value, 3) for value in score.tolist()] for name, score in scores.items()}
        {'iou': [1.0, 0.667], 'miou': [1.0, 0.583], 'acc': [1.0, 0.75]}
    """
    return matched_scores(confusion_matrices(masks, target, num_regions, num_classes, ignore_index))


def matched_scores(confusion: Tensor) -> dict[str, Tensor]:
    """Score every image under the match that is best for it, each figure with its own best match.

    With two regions and two classes this is ReDO's protocol: the better of the mask and its flip, taken separately
    for accuracy and for foreground IoU (Chen, Artieres, Denoyer, NeurIPS 2019).

    Args:
        confusion: pixel counts ``(B, K, C)``; class 0 is the background.

    Returns:
        float32 ``(B,)`` in [0, 1] each: ``iou`` (mean over the foreground classes), ``miou`` (mean over all classes),
        ``acc`` (share of the judged pixels). NaN for an image without a judged pixel.
    """
    _, num_regions, num_classes = confusion.shape
    truth = confusion.sum(1)
    claimed = confusion.sum(2)
    judged = truth.sum(1)
    iou = _ratio(confusion, claimed[:, :, None] + truth[:, None, :] - confusion)
    occurs = (truth > 0).float()
    foreground = occurs[:, 1:].sum(1)

    # All but the one region matched to the background, and the surplus ones, must be empty to mark nothing.
    marks_nothing = (claimed > 0).sum(1) <= max(1, num_regions - num_classes + 1)
    best_iou = best_total(iou * _without_background(occurs)[:, None]) / foreground.clamp(min=1)
    scores = {
        "iou": torch.where(foreground > 0, best_iou, marks_nothing.float()),
        "miou": best_total(iou * occurs[:, None]) / occurs.sum(1).clamp(min=1),
        "acc": best_total(confusion.float()) / judged.clamp(min=1),
    }
    return {name: score.masked_fill(judged == 0, torch.nan) for name, score in scores.items()}


def assigned_scores(confusion: Tensor, regions: Tensor) -> dict[str, Tensor]:
    """Score one confusion matrix under a given match.

    Args:
        confusion: pixel counts ``(K, C)``; class 0 is the background.
        regions: int64 ``(C,)``, the region of each class, -1 for a class without one; see :func:`match_regions`.

    Returns:
        0-d float32 ``iou``, ``miou`` and ``acc`` as in :func:`matched_scores`; NaN without a judged pixel.

    Example:
        >>> confusion = torch.tensor([[0, 3], [5, 1]])
        >>> scores = assigned_scores(confusion, regions=torch.tensor([1, 0]))
        >>> {name: round(score.item(), 3) for name, score in scores.items()}
        {'iou': 0.75, 'miou': 0.792, 'acc': 0.889}
    """
    truth = confusion.sum(0)
    judged = truth.sum()
    matched = _add_empty_region(confusion)[regions]  # (C, C): row c is the region matched to class c
    hits = matched.diagonal()
    iou = _ratio(hits, matched.sum(1) + truth - hits)
    occurs = (truth > 0).float()
    foreground = occurs[1:].sum()
    marks_nothing = matched[1:].sum() == 0
    scores = {
        "iou": torch.where(
            foreground > 0, (iou[1:] * occurs[1:]).sum() / foreground.clamp(min=1), marks_nothing.float()
        ),
        "miou": (iou * occurs).sum() / occurs.sum().clamp(min=1),
        "acc": _ratio(hits.sum(), judged),
    }
    return {name: score.masked_fill(judged == 0, torch.nan) for name, score in scores.items()}


def match_regions(weights: Tensor) -> Tensor:
    """Match regions and classes one to one so that the summed weight of the matched pairs is largest.

    Args:
        weights: ``(B, K, C)``, non-negative; pixel counts give the match of best accuracy.

    Returns:
        int64 ``(B, C)``: the region of each class, -1 for a class left without one (only where K < C).

    Example:
        >>> match_regions(torch.tensor([[[0, 9], [8, 7], [1, 1]]])).tolist()
        [[1, 0]]
    """
    _, num_regions, num_classes = weights.shape
    if _count_matches(num_regions, num_classes) > MAX_ENUMERATED:
        return _hungarian(weights)
    matches = torch.tensor(_all_matches(num_regions, num_classes), device=weights.device)
    return matches[_totals(weights, matches).argmax(1)]


def best_total(weights: Tensor) -> Tensor:
    """Sum the weights of the matched pairs under the best match of each image.

    Args:
        weights: ``(B, K, C)``, non-negative.

    Returns:
        ``(B,)``.

    Example:
        >>> best_total(torch.tensor([[[1.0, 5.0], [3.0, 6.0]]])).tolist()
        [8.0]
    """
    matches = match_regions(weights)
    return _add_empty_region(weights).gather(1, matches[:, None] % (weights.shape[1] + 1))[:, 0].sum(1)


def count_pixels(
    masks: Tensor, target: Tensor, num_regions: int, num_classes: int, ignore_index: int | None
) -> tuple[Tensor, Tensor]:
    """Do the work of :func:`confusion_matrices` without looking at a value, so without waiting for an accelerator.

    Args:
        masks: soft masks ``(B, K, H, W)`` or region indices ``(B, H, W)``.
        target: class indices ``(B, H, W)``.
        num_regions: K.
        num_classes: C.
        ignore_index: the value of ``target`` that is not judged, or ``None``.

    Returns:
        The confusion matrices, int64 ``(B, K, C)``, and the 0-d number of pixels that were left out because
        their region or class is out of range or their mask NaN.
    """
    regions = masks.long() if masks.ndim == 3 else _strongest_region(masks)
    target = target.long()
    judged = target != ignore_index if ignore_index is not None else torch.ones_like(target, dtype=torch.bool)
    in_range = (regions >= 0) & (regions < num_regions) & (target >= 0) & (target < num_classes)
    images = torch.arange(len(target), device=target.device)[:, None, None]
    cells = (images * num_regions + regions) * num_classes + target
    size = len(target) * num_regions * num_classes
    cells = cells.where(in_range, size + 1).where(judged, size)  # two more cells: not judged, out of range
    counts = torch.bincount(cells.flatten(), minlength=size + 2)
    return counts[:size].view(-1, num_regions, num_classes), counts[size + 1]


def validate_shapes(masks: Tensor, target: Tensor, num_regions: int) -> None:
    """Check types and shapes, which costs nothing.

    Args:
        masks: soft masks ``(B, num_regions, H, W)`` or integer region indices ``(B, H, W)``.
        target: integer class indices ``(B, H, W)``.
        num_regions: the number of regions expected.

    Raises:
        ValueError: says what was found and what is expected.
    """
    if target.ndim != 3 or target.is_floating_point() or target.is_complex():
        raise ValueError(
            f"The target has shape {tuple(target.shape)} and type {target.dtype}. "
            "Give class indices (B, H, W) of an integer type."
        )
    if masks.ndim == 4 and masks.shape[1] != num_regions:
        raise ValueError(
            f"The soft masks have {masks.shape[1]} regions where {num_regions} are expected. "
            "Give masks (B, num_regions, H, W), or build the metric with their number of regions."
        )
    if masks.ndim not in (3, 4) or (masks.ndim == 3 and masks.is_floating_point()) or masks.is_complex():
        raise ValueError(
            f"The masks have shape {tuple(masks.shape)} and type {masks.dtype}. "
            "Give soft masks (B, num_regions, H, W) or region indices (B, H, W) of an integer type."
        )
    if masks.shape[:1] + masks.shape[-2:] != target.shape:
        raise ValueError(
            f"Masks of shape {tuple(masks.shape)} do not fit a target of shape {tuple(target.shape)}. "
            "Both need the same number of images, height and width."
        )


def validate_values(
    masks: Tensor, target: Tensor, num_regions: int, num_classes: int, ignore_index: int | None
) -> None:
    """Check the values, which waits for an accelerator to finish its work.

    Args:
        masks: soft masks or region indices.
        target: class indices.
        num_regions: region indices must lie below it.
        num_classes: class indices must lie below it.
        ignore_index: allowed in ``target`` beside the classes.

    Raises:
        ValueError: names the first offending values.
    """
    if masks.ndim == 4 and masks.is_floating_point() and masks.isnan().any():
        raise ValueError("The soft masks hold NaN. Look for the step at which the training diverged.")
    if masks.ndim == 3:
        _require_range("The masks", "num_regions", masks, num_regions)
    judged = target if ignore_index is None else target[target != ignore_index]
    _require_range("The target", "num_classes", judged, num_classes)


def _require_range(what: str, name: str, values: Tensor, bound: int) -> None:
    outside = values[(values < 0) | (values >= bound)]
    if outside.numel():
        found = ", ".join(str(value) for value in outside.unique().tolist()[:5])
        raise ValueError(
            f"{what} must lie in 0..{bound - 1} ({name}={bound}) and hold {found}. "
            f"Correct {name}, or mark pixels that should not be judged with ignore_index in the target."
        )


def _strongest_region(masks: Tensor) -> Tensor:
    """Index ``(B, H, W)`` of the largest mask, the first of equals; -1 where a mask is NaN."""
    masks = masks.byte() if masks.dtype == torch.bool else masks  # max knows no bool
    largest, regions = masks.max(1)
    return regions.where(largest == largest, -1)  # NaN is the largest of all, and differs from itself


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return part.float() / whole.clamp(min=1)


def _without_background(occurs: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(occurs[:, :1]), occurs[:, 1:]], 1)


def _add_empty_region(weights: Tensor) -> Tensor:
    """Append a region of weight 0, ``(..., K, C) -> (..., K + 1, C)``: index -1 then means "no region"."""
    return torch.cat([weights, torch.zeros_like(weights[..., :1, :])], -2)


def _count_matches(num_regions: int, num_classes: int) -> int:
    return perm(max(num_regions, num_classes), min(num_regions, num_classes))


@cache
def _all_matches(num_regions: int, num_classes: int) -> tuple[tuple[int, ...], ...]:
    """Every one-to-one match as the region of each class, -1 for none; two by two that is "keep" and "flip"."""
    if num_regions >= num_classes:
        return tuple(permutations(range(num_regions), num_classes))
    class_choices = permutations(range(num_classes), num_regions)
    return tuple(
        tuple(classes.index(c) if c in classes else -1 for c in range(num_classes)) for classes in class_choices
    )


def _totals(weights: Tensor, matches: Tensor) -> Tensor:
    classes = torch.arange(weights.shape[2], device=weights.device)
    return _add_empty_region(weights)[:, matches, classes].sum(2)  # (B, P, C) -> (B, P)


def _hungarian(weights: Tensor) -> Tensor:
    matches = torch.full((weights.shape[0], weights.shape[2]), -1)
    for match, weight in zip(matches, weights.double().cpu().numpy(), strict=True):
        regions, classes = linear_sum_assignment(weight, maximize=True)
        match[torch.from_numpy(classes)] = torch.from_numpy(regions)
    return matches.to(weights.device)
