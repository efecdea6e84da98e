"""Search for the nearest transform among finitely many: exact, or coarse-to-fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tiae_zoo.invariance.precision import precise

NUMBERS_AT_A_TIME = {"cpu": 2**18}  # in the transformed images that the search holds: a processor's cache full
NUMBERS_AT_A_TIME_ELSEWHERE = 2**23  # 32 MB in float32

Transform = Callable[[Tensor, Tensor], Tensor]
"""Gives transformed images (N, C, H, W) for images (N, C, H, W) and theta (N, P)."""

Measure = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Gives how far images (K * B, C, H, W), in K blocks of B, are from one restoration (B, C, H, W): (K * B,), the squared
distance but for a constant for each of the B; and theta (K * B, Q), further parameters at which it is smallest."""


def plain_distance(restored: Tensor) -> Measure:
    """Return the measure of ||restored - image||^2, restored (B, C, H, W), which has no further parameters."""
    restored = precise(restored)

    def measure(images: Tensor) -> tuple[Tensor, Tensor]:
        difference = restored - precise(images).unflatten(0, (-1, len(restored)))
        return difference.square().sum((2, 3, 4)).flatten(), difference.new_empty(len(images), 0)

    return measure


@torch.no_grad()
def search(
    images: Tensor, transform: Transform, candidates: Sequence[Tensor], measure: Measure, stride: int = 1
) -> Tensor:
    """Return the theta of each image that `measure` finds nearest, among the product of lists of candidates.

    With a `stride` s above 1 the search is not exact: it tries every s-th candidate of each list and then, for each
    image, all that lie between the best of these and the next ones tried.

    Memory does not grow with the number of candidates.

    Args:
        images: (B, C, H, W).
        transform: with P parameters.
        candidates: lists (N_1, P_1), (N_2, P_2), ... whose columns together are the P; neighbours should be alike.
        measure: with Q parameters.
        stride: 1 for the exact search.

    Returns:
        float32 (B, P + Q).
    """
    device = images.device
    found = _Search(images, transform, [thetas.to(device) for thetas in candidates], measure)
    sizes = [len(thetas) for thetas in candidates]
    coarse = combinations([torch.arange((size - 1) % stride // 2, size, stride, device=device) for size in sizes])
    found.consider(coarse.unsqueeze(1).expand(-1, len(images), -1))
    if stride > 1:
        steps = torch.arange(1 - stride, stride, device=device)
        around = found.places + combinations([steps] * len(sizes)).unsqueeze(1)
        found.consider(around.clamp_min(0).minimum(torch.tensor(sizes, device=device) - 1))
    return found.theta


class _Search:
    """Keeps the best theta (B, P + Q) of each image and its places (B, lists) in the lists of candidates."""

    def __init__(self, images: Tensor, transform: Transform, candidates: Sequence[Tensor], measure: Measure) -> None:
        self._images, self._transform, self._candidates, self._measure = images, transform, candidates, measure
        self._distance = self.theta = self.places = torch.empty(0)

    def consider(self, places: Tensor) -> None:
        """Try the candidates at places (M, B, lists)."""
        numbers = NUMBERS_AT_A_TIME.get(places.device.type, NUMBERS_AT_A_TIME_ELSEWHERE)
        for some in places.split(max(1, numbers // self._images.numel())):
            distance, theta = self._try(some)
            nearest, which = distance.min(0)
            item = torch.arange(len(which), device=which.device)
            self._keep(nearest, theta[which, item], some[which, item])

    def _try(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return distances (K, B) and thetas (K, B, P + Q) of the candidates at places (K, B, lists)."""
        theta = torch.cat([thetas[places[..., i]] for i, thetas in enumerate(self._candidates)], -1)
        transformed = self._transform(self._images.repeat(len(places), 1, 1, 1), theta.flatten(0, 1))
        distance, further = self._measure(transformed)
        shape = places.shape[:2]
        return distance.unflatten(0, shape), torch.cat([theta, further.to(theta).unflatten(0, shape)], -1)

    def _keep(self, distance: Tensor, theta: Tensor, places: Tensor) -> None:
        if not len(self._distance):
            self._distance, self.theta, self.places = distance, theta, places
            return
        better = distance < self._distance
        self._distance = torch.where(better, distance, self._distance)
        self.theta = torch.where(better[:, None], theta, self.theta)
        self.places = torch.where(better[:, None], places, self.places)


def combinations(lists: Sequence[Tensor]) -> Tensor:
    """Return all combinations (N_1 * N_2 * ..., lists), the last changing fastest, of lists (N_1,), (N_2,), ..."""
    return torch.stack(torch.meshgrid(*lists, indexing="ij"), -1).flatten(0, -2)
