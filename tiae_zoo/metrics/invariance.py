"""How far a descriptor ignores what was done to its image."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


def descriptor_moments(descriptors: Tensor) -> Tensor:
    """Summarise the descriptors of some images for :func:`merge_moments`.

    Args:
        descriptors: ``(B, S, D)``, S transformed versions of each of B images.

    Returns:
        float32 ``(3 + D,)``: number of images; sum over images of the variance within an image; sum over images of
        the squared distance of its mean from the mean of all; that mean.
    """
    descriptors = descriptors.float()
    centres = descriptors.mean(1)
    within = (descriptors - centres[:, None]).square().sum(2).mean(1).sum()
    mean = centres.mean(0) if len(centres) else centres.sum(0)
    between = (centres - mean).square().sum()
    return torch.cat([torch.stack([within.new_tensor(len(centres)), within, between]), mean])


def merge_moments(moments: Tensor) -> Tensor:
    """Merge summaries of separate sets of images, exactly and without cancellation (Chan et al. 1979).

    Args:
        moments: ``(N, 3 + D)``, N results of :func:`descriptor_moments` or of this function.

    Returns:
        ``(3 + D,)``.
    """
    count, within, between, means = moments[:, 0], moments[:, 1], moments[:, 2], moments[:, 3:]
    total = count.sum()
    mean = (count[:, None] * means).sum(0) / total.clamp(min=1)
    between = between.sum() + (count * (means - mean).square().sum(1)).sum()
    return torch.cat([torch.stack([total, within.sum(), between]), mean])


def variance_ratio(moments: Tensor) -> Tensor:
    """Compare the variance within images to the variance between them.

    Args:
        moments: ``(3 + D,)``, a result of :func:`descriptor_moments` or :func:`merge_moments`.

    Returns:
        0-d, within / between in [0, inf]; infinite if all images share one mean up to rounding, NaN without images
        and for descriptors that are NaN.

    Example:
        >>> two_images = torch.tensor([[[0.0], [2.0]], [[10.0], [12.0]]])  # two versions of each
        >>> variance_ratio(descriptor_moments(two_images))
        tensor(0.0400)
    """
    count, within, between = moments[:3]
    rounding = 8 * torch.finfo(torch.float32).eps * moments[3:].norm()  # error of a mean, at most
    ratio = torch.where(between <= count * rounding**2, torch.inf, within / between)
    return ratio.masked_fill(count == 0, torch.nan)


class WithinBetweenVariance(Metric):
    """Variance of descriptors within an image over the variance between images; 0 is perfectly invariant.

    Several transformed versions of each image are described. *Within* is the squared distance of a descriptor from
    the mean of its image, averaged over versions and images; *between* is the squared distance of these means from
    the mean of all, averaged over images. Both are variances of the whole vector (summed over dimensions), and
    together they are the total variance. The ratio is infinite if all images share one mean, up to rounding: a
    descriptor that ignores its image altogether is not invariant but empty.

    Streaming and exact: the state is one vector, whatever the number of images, merged over processes.

    Args:
        num_features: D, the length of a descriptor.
        **kwargs: arguments of ``torchmetrics.Metric``.

    Example:
        >>> metric = WithinBetweenVariance(num_features=1)
        >>> metric.update(torch.tensor([[[0.0], [2.0]], [[10.0], [12.0]]]))  # two images, two versions of each
        >>> metric.compute()
        tensor(0.0400)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    moments: Tensor

    def __init__(self, num_features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_features = num_features
        self.add_state("moments", torch.zeros(3 + num_features), dist_reduce_fx=merge_moments)

    def update(self, descriptors: Tensor) -> None:
        """Add a batch of images.

        Args:
            descriptors: ``(B, S, D)``: B images, S transformed versions of each.

        Raises:
            ValueError: for a wrong shape.
        """
        if descriptors.ndim != 3 or descriptors.shape[1] < 1 or descriptors.shape[2] != self.num_features:
            raise ValueError(
                f"The descriptors have shape {tuple(descriptors.shape)}. "
                f"Give (images, versions, {self.num_features}) with at least one version."
            )
        self.moments = merge_moments(torch.stack([self.moments, descriptor_moments(descriptors)]))

    def compute(self) -> Tensor:
        """Compare the two variances.

        Returns:
            0-d, within / between in [0, inf]; NaN before the first image.
        """
        return variance_ratio(self.moments)
