"""The four networks of ReDO (Chen et al. 2019, arXiv 1905.13539, supplementary material, Tables 2-4).

Images and redrawn regions live in [-1, 1]. Every network is built for a square `image_size` that is a power of two, at
least 32; the paper's is 128. Smaller sizes leave out the widest, coarsest blocks (ours: the paper has one size only).
Where the tables and the authors' program differ, these are the program's networks; docs/methods/redo.md lists the
differences.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiae_zoo.networks.layers import (
    PYRAMID_BINS,
    PooledConv2d,
    Residual,
    SelfAttention,
    UpsampledConv2d,
    initialise_orthogonal,
    normalise_convolutions,
)

Padding = Literal["zeros", "reflect"]

INIT_GAIN = 0.8  # "worked best [...] around 0.8 or 1, and not at all when set at .2 and 1.4" (supplementary)
SHORTEST = 21  # px: padded to 24, a quarter of which the pyramid pools to 6 x 6
COARSEST = 4  # px: the side at which generators start and discriminators end (Tables 3 and 4)


def count_scales(image_size: int) -> int:
    """Return how often `image_size` halves down to the coarsest map: 5 for 128 px.

    Raises:
        ValueError: `image_size` is not a power of two of at least 32.
    """
    if image_size < 32 or image_size & (image_size - 1):
        raise ValueError(
            f"ReDO's networks need an image size that is a power of two of at least 32, not {image_size}. "
            "Set image_size to 32, 64 or 128."
        )
    return (image_size // COARSEST).bit_length() - 1


def at_least_float32(x: Tensor) -> Tensor:
    """Return `x` in float32 where autocast has left it in 16 bits, in which masks would not sum to one."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class PyramidPooling(nn.Module):
    """Append one channel a bin: the map average-pooled to about bin x bin cells, projected, and resized back."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Conv2d(channels, 1, 1) for _ in PYRAMID_BINS)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C + 4, H, W) for (B, C, H, W) with H and W of at least 6."""
        height, width = x.shape[-2:]
        levels = [x]
        for bins, projection in zip(PYRAMID_BINS, self.projections, strict=True):
            pooled = F.avg_pool2d(x, (height // bins, width // bins))
            levels.append(F.interpolate(projection(pooled), (height, width), mode="bilinear", align_corners=False))
        return torch.cat(levels, 1)


class MaskNetwork(nn.Module):
    """F: image -> soft masks (Table 2). Fully convolutional; no spectral normalisation.

    Args:
        num_regions: regions, background included. Two share one sigmoid channel, more take a softmax.
        width: channels of the residual blocks, at least 4.
        image_channels: channels of the image.
        init_gain: gain of the orthogonal initialisation.
        centred: take from each region's scores their mean over the image, ahead of the softmax. A region that gains
            somewhere loses elsewhere then; none wins or vanishes in all places at once.
        scale: enlarge images this many times, repeating pixels, and average the scores back (ours): masks come from a
            map of a quarter of the enlarged side, so 2 gives images of 64 px the masks' detail of 128 px, for four
            times the operations.

    Attributes:
        centring: of a network made `centred`, whether it still is, bool 0-d: :meth:`stop_centring` ends it.

    Raises:
        ValueError: there are fewer than two regions, or `scale` is below 1.
    """

    centring: Tensor

    def __init__(
        self,
        num_regions: int = 2,
        width: int = 64,
        image_channels: int = 3,
        init_gain: float = INIT_GAIN,
        centred: bool = False,
        scale: int = 1,
    ) -> None:
        super().__init__()
        if num_regions < 2:
            raise ValueError(f"{num_regions} region is the whole image. Set num_regions to 2 or more.")
        if scale < 1:
            raise ValueError(f"F cannot see images {scale} times as large. Set its scale (mask_scale) to 1 or more.")
        self.num_regions, self.centred, self.scale = num_regions, centred, scale
        if centred:
            self.register_buffer("centring", torch.tensor(True))
        self.encoder = nn.Sequential(
            *self._convolution(image_channels, width // 4, 7, padding_mode="reflect"),
            *self._convolution(width // 4, width // 2, 3, stride=2),
            *self._convolution(width // 2, width, 3, stride=2),
        )
        self.residuals = nn.Sequential(*(self._residual(width) for _ in range(3)))
        self.pyramid = PyramidPooling(width)
        wide = width + len(PYRAMID_BINS)
        count = 1 if num_regions == 2 else num_regions
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2),
            *self._convolution(wide, wide // 2, 3),
            nn.Upsample(scale_factor=2),
            *self._convolution(wide // 2, wide // 4, 3),
            nn.Conv2d(wide // 4, count, 7, padding=3, padding_mode="reflect"),
        )
        initialise_orthogonal(self, init_gain)

    @staticmethod
    def _convolution(
        channels: int, out: int, kernel: int, stride: int = 1, padding_mode: Padding = "zeros"
    ) -> list[nn.Module]:
        convolution = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False, padding_mode=padding_mode)
        return [convolution, nn.InstanceNorm2d(out, affine=True), nn.ReLU()]

    @classmethod
    def _residual(cls, width: int) -> nn.Module:
        main = nn.Sequential(*cls._convolution(width, width, 3), nn.Conv2d(width, width, 3, padding=1))
        return nn.Sequential(Residual(main), nn.InstanceNorm2d(width, affine=True), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        """Return masks (B, R, H, W) in [0, 1] that sum to one over R, for images (B, C, H, W) in [-1, 1].

        Raises:
            ValueError: a side of the enlarged images is shorter than `SHORTEST`.
        """
        scores = self._scores(images)
        if self.num_regions == 2:
            mask = scores.sigmoid()
            return torch.cat([mask, 1 - mask], 1)
        return scores.softmax(1)

    def logits(self, images: Tensor) -> Tensor:
        """Return (B, R, H, W) whose softmax are the masks; otherwise as :meth:`forward`."""
        scores = self._scores(images)
        return torch.cat([scores, torch.zeros_like(scores)], 1) if self.num_regions == 2 else scores

    @torch.no_grad()
    def mean_scores(self, images: Tensor) -> Tensor:
        """Return what the scores (1 of two regions, R of more) are on the average of images (B, C, H, W) in [-1, 1]."""
        return self._scores(images, raw=True).mean((0, 2, 3))

    @torch.no_grad()
    def stop_centring(self, mean: Tensor) -> None:
        """Be the paper's F from now on.

        Args:
            mean: of the scores, which the last bias takes up, so that masks go on from where they are.
        """
        bias = cast(nn.Conv2d, self.decoder[-1]).bias
        assert bias is not None
        bias -= mean
        self.centring.fill_(False)

    def _scores(self, images: Tensor, raw: bool = False) -> Tensor:
        height, width = images.shape[-2:]
        shortest = -(-SHORTEST // self.scale)
        if min(height, width) < shortest:
            raise ValueError(
                f"Images of {height} x {width} are too small for ReDO's mask network. Give sides of {shortest} or more."
            )
        if self.scale > 1:
            images = F.interpolate(images, scale_factor=float(self.scale))
            height, width = images.shape[-2:]
        # sides are halved twice and doubled again; edges are repeated, for the norms look at whole maps
        padded = F.pad(images, (0, -width % 4, 0, -height % 4), mode="replicate")
        scores = self.decoder(self.pyramid(self.residuals(self.encoder(padded))))
        scores = at_least_float32(scores[..., :height, :width])
        if self.scale > 1:
            scores = F.avg_pool2d(scores, self.scale)
        if self.centred and not raw:
            return scores - self.centring * scores.mean((2, 3), keepdim=True)
        return scores


class ConditionalNorm(nn.Module):
    """Instance norm whose scale and offset are linear in z: gamma(z) * IN(x) + beta(z), with no "1 +"."""

    def __init__(self, channels: int, dim_z: int) -> None:
        super().__init__()
        self.gamma = nn.Linear(dim_z, channels)
        self.beta = nn.Linear(dim_z, channels)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Return (B, C, H, W) for x (B, C, H, W) and z (B, dim_z)."""
        return self.gamma(z)[..., None, None] * F.instance_norm(x) + self.beta(z)[..., None, None]


class UpBlock(nn.Module):
    """Residual block of the generator that doubles the side and sees the mask at its own resolution."""

    def __init__(self, channels: int, out: int, dim_z: int) -> None:
        super().__init__()
        self.norm_a = ConditionalNorm(channels, dim_z)
        self.conv_a = UpsampledConv2d(channels + 1, out)  # a norm follows: no bias
        self.norm_b = ConditionalNorm(out, dim_z)
        self.conv_b = nn.Conv2d(out, out, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, mask: Tensor, z: Tensor) -> Tensor:
        """Return (B, out, 2H, 2W) for x (B, C, H, W), mask (B, 1, H, W), z (B, dim_z)."""
        y = torch.cat([F.relu(self.norm_a(x, z)), mask], 1)
        y = self.conv_a(y)
        y = self.conv_b(F.relu(self.norm_b(y, z)))
        return y + F.interpolate(self.shortcut(x), scale_factor=2)  # a 1x1 convolution commutes with the resize


class RegionGenerator(nn.Module):
    """G_k: z and the region's mask -> the region's pixels (Table 3).

    Args:
        image_size: side of the image, 2^n of at least 32.
        width: `ch` of Table 3; 64 for LFW and MNIST, 32 for CUB and Flowers.
        dim_z: length of z.
        image_channels: channels of the image.
        init_gain: gain of the orthogonal initialisation.

    Raises:
        ValueError: `image_size` is not a power of two of at least 32.
    """

    def __init__(
        self,
        image_size: int = 128,
        width: int = 64,
        dim_z: int = 32,
        image_channels: int = 3,
        init_gain: float = INIT_GAIN,
    ) -> None:
        super().__init__()
        scales = count_scales(image_size)
        widths = [width * 2**level for level in reversed(range(scales))]  # 16, 8, 4, 2, 1 times ch at 128 px
        self.first = nn.Linear(dim_z, widths[0] * COARSEST**2)
        self.blocks = nn.ModuleList(UpBlock(channels, out, dim_z) for channels, out in pairwise([widths[0], *widths]))
        self.attention = SelfAttention(widths[-2])  # before the last block
        self.norm = ConditionalNorm(width, dim_z)
        self.last = nn.Conv2d(width + 1, image_channels, 3, padding=1)
        initialise_orthogonal(self, init_gain)
        normalise_convolutions(self)

    def forward(self, mask: Tensor, z: Tensor) -> Tensor:
        """Return the region M_k * G_k(M_k, z_k) (B, C, S, S) for mask (B, 1, S, S) in [0, 1] and z (B, dim_z)."""
        x = self.first(z).view(len(z), -1, COARSEST, COARSEST)
        for level, block in enumerate(self.blocks):
            if level == len(self.blocks) - 1:
                x = self.attention(x)
            x = block(x, F.avg_pool2d(mask, mask.shape[-1] // x.shape[-1]), z)
        x = torch.cat([F.relu(self.norm(x, z)), mask], 1)
        return self.last(x).tanh() * mask


class ResidualTrunk(nn.Sequential):
    """The convolutions that discriminator and latent encoder have in common (Table 4): image -> features.

    From (B, C, S, S) to (B, 16 * width, 4, 4) at 128 px; each halving of `image_size` halves the features.
    """

    def __init__(self, image_size: int, width: int, image_channels: int, attention: bool) -> None:
        scales = count_scales(image_size)
        widths = [width * 2**level for level in range(scales)]  # ours follow the program: Table 4 has 1, 1, 2, 4, 8, 16
        first = Residual(
            nn.Sequential(*self._convolutions(image_channels, width, halve=True)),
            self._shortcut(image_channels, width),
        )
        downs = (
            Residual(
                nn.Sequential(nn.ReLU(), *self._convolutions(channels, out, halve=True)),
                self._shortcut(channels, out),
            )
            for channels, out in pairwise(widths)
        )
        last = Residual(nn.Sequential(nn.ReLU(), *self._convolutions(widths[-1], widths[-1])))
        super().__init__(first, *([SelfAttention(width)] if attention else []), *downs, last)
        self.out_channels = widths[-1]

    @staticmethod
    def _convolutions(channels: int, out: int, halve: bool = False) -> list[nn.Module]:
        second = PooledConv2d(out, out) if halve else nn.Conv2d(out, out, 3, padding=1)
        return [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(), second]

    @staticmethod
    def _shortcut(channels: int, out: int) -> nn.Module:
        return nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, out, 1))


class Discriminator(nn.Module):
    """D: image -> score, high for real (Table 4, with attention).

    Args:
        image_size: side of the image, 2^n of at least 32.
        width: channels of the first block.
        image_channels: channels of the image.
        init_gain: gain of the orthogonal initialisation.

    Raises:
        ValueError: `image_size` is not a power of two of at least 32.
    """

    def __init__(
        self, image_size: int = 128, width: int = 64, image_channels: int = 3, init_gain: float = INIT_GAIN
    ) -> None:
        super().__init__()
        self.trunk = ResidualTrunk(image_size, width, image_channels, attention=True)
        self.score = nn.Linear(self.trunk.out_channels, 1)
        initialise_orthogonal(self, init_gain)
        normalise_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores (B,) for images (B, C, S, S) in [-1, 1]."""
        return at_least_float32(self.score(self.trunk(images).sum((2, 3)))).squeeze(1)


class LatentEncoder(nn.Module):
    """d: redrawn image -> the z that drew each region (Table 4; without attention, as in the authors' program).

    Args:
        num_regions: regions, background included.
        image_size: side of the image, 2^n of at least 32.
        width: channels of the first block.
        dim_z: length of each region's z.
        image_channels: channels of the image.
        init_gain: gain of the orthogonal initialisation.

    Raises:
        ValueError: `image_size` is not a power of two of at least 32.
    """

    def __init__(
        self,
        num_regions: int = 2,
        image_size: int = 128,
        width: int = 64,
        dim_z: int = 32,
        image_channels: int = 3,
        init_gain: float = INIT_GAIN,
    ) -> None:
        super().__init__()
        self.num_regions = num_regions
        self.trunk = ResidualTrunk(image_size, width, image_channels, attention=False)
        self.codes = nn.Linear(self.trunk.out_channels, num_regions * dim_z)
        initialise_orthogonal(self, init_gain)
        normalise_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return z (B, R, dim_z) for images (B, C, S, S) in [-1, 1]."""
        return at_least_float32(self.codes(self.trunk(images).sum((2, 3)))).unflatten(1, (self.num_regions, -1))
