"""The whole experiment on one page: votes, hot spots, descriptors, clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tiae_zoo.discovery.clustering import Clusters, cluster
from tiae_zoo.discovery.voting import Floats, HotSpots, Votes, cast_votes, describe, find_hot_spots
from tiae_zoo.messages import UserError
from tiae_zoo.methods import ShiftInvariantAE

if TYPE_CHECKING:
    from tiae_zoo.data.page import Patches

MOST_SPOTS = 2000  # mean shift takes time with their square: some seconds


@dataclass(frozen=True)
class Discovery:
    """What was found on a page."""

    patches: Patches
    """The page and its patches."""
    votes: Votes
    """Where each patch voted for."""
    spots: HotSpots
    """The K places with most votes."""
    descriptors: Floats
    """(K, D), of the patches around the hot spots."""
    clusters: Clusters
    """Of these descriptors."""
    patterns: Tensor
    """(C, 1, S, S), what is restored from the mean descriptor of each cluster."""


@torch.no_grad()
def discover(method: ShiftInvariantAE, patches: Patches, stride: int, quantile: float) -> Discovery:
    """Look for typical patterns on a page.

    Args:
        method: trained on images with as many pixels as a patch.
        patches: of the page.
        stride: distance of the patches along either axis in pixels.
        quantile: of the mean shift's bandwidth, see :func:`cluster`.

    Raises:
        UserError: votes gather nowhere.
    """
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    method = method.eval().to(device)
    votes = cast_votes(method, patches, stride, device)
    spots = find_hot_spots(votes).strongest(MOST_SPOTS)
    if not len(spots.places):
        raise UserError(
            "Votes gather nowhere on this page: the model knows no pattern of it. Train one on the page itself, as in "
            "configs/shift_ae_page.yaml with --data.page, or train longer."
        )
    descriptors = describe(method, patches, spots.places, device)
    clusters = cluster(descriptors, quantile)
    means = torch.from_numpy(descriptors)
    means = torch.stack([means[clusters.members(number)].mean(0) for number in range(clusters.count)])
    patterns = method.decode(means.to(device)).float().cpu()
    return Discovery(patches, votes, spots, descriptors, clusters, patterns)


def figures(found: Discovery) -> dict[str, float]:
    """Return what can be counted of a discovery; the bandwidth is in the descriptors' own units."""
    sizes = np.bincount(found.clusters.labels)
    return {
        "patches": len(found.votes.centres),
        "hot_spots": len(found.spots.places),
        "clusters": len(sizes),
        "clusters_of_several": int((sizes > 1).sum()),
        "bandwidth": found.clusters.bandwidth,
    }


def summary(found: Discovery) -> str:
    """Return the same in a sentence."""
    count = figures(found)
    return (
        f"{count['patches']} patches voted; their votes gather at {count['hot_spots']} hot spots, which form "
        f"{count['clusters']} clusters, {count['clusters_of_several']} of them with more than one hot spot."
    )
