"""The matched scores again, slowly and in plain Python: what the fast code must agree with."""

from itertools import permutations
from statistics import fmean

NAN = float("nan")


def loop_confusion(regions, target, num_regions, num_classes, ignore_index):
    """Count pixel by pixel; `regions` and `target` are nested lists (H, W)."""
    counts = [[0] * num_classes for _ in range(num_regions)]
    for region_row, target_row in zip(regions, target, strict=True):
        for region, label in zip(region_row, target_row, strict=True):
            if label != ignore_index:
                counts[region][label] += 1
    return counts


def loop_matches(num_regions, num_classes):
    """Yield every one-to-one match as {class: region}."""
    if num_regions >= num_classes:
        for chosen in permutations(range(num_regions), num_classes):
            yield dict(enumerate(chosen))
    else:
        for chosen in permutations(range(num_classes), num_regions):
            yield {label: region for region, label in enumerate(chosen)}


def loop_scores_of_match(counts, match):
    """Score one confusion matrix under one match."""
    num_regions, num_classes = len(counts), len(counts[0])
    judged = sum(map(sum, counts))
    if judged == 0:
        return {"iou": NAN, "miou": NAN, "acc": NAN}
    ious, hits, marked = {}, 0, 0
    for label in range(num_classes):
        region = match.get(label)
        truth = sum(counts[k][label] for k in range(num_regions))
        hit = 0 if region is None else counts[region][label]
        claimed = 0 if region is None else sum(counts[region])
        hits += hit
        marked += claimed if label > 0 else 0
        if truth > 0:
            ious[label] = hit / (truth + claimed - hit)
    foreground = [iou for label, iou in ious.items() if label > 0]
    return {
        "iou": fmean(foreground) if foreground else float(marked == 0),
        "miou": fmean(ious.values()),
        "acc": hits / judged,
    }


def loop_best_scores(counts):
    """Score one image: each figure under the match that is best for it."""
    every = [loop_scores_of_match(counts, match) for match in loop_matches(len(counts), len(counts[0]))]
    return {name: max(scores[name] for scores in every) for name in ("iou", "miou", "acc")}


def loop_dataset_scores(list_of_counts):
    """Score a set under its one match of best accuracy."""
    total = [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*list_of_counts, strict=True)]
    every = [loop_scores_of_match(total, match) for match in loop_matches(len(total), len(total[0]))]
    return max(every, key=lambda scores: scores["acc"])
