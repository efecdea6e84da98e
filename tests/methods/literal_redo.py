"""The step of ReDO as its authors' program takes it, operation by operation: the reference for results and for time.

It uses the weights of a :class:`tiae_zoo.methods.ReDO` but, F's aside, none of its forward passes: every resize is done
before or after its convolution, attention is written out, D's weights get gradients in the step of F, G and d too, and
real and redrawn images pass D one after the other.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from tiae_zoo.methods import ReDO
from tiae_zoo.networks.layers import SelfAttention
from tiae_zoo.networks.redo import ConditionalNorm, RegionGenerator, ResidualTrunk


class LiteralStep:
    """One iteration on `method`, with its own optimisers."""

    def __init__(self, method: ReDO) -> None:
        self.method = method
        betas = (0.0, 0.9)
        self.optimisers = {
            "F": Adam(method.mask_network.parameters(), method.mask_lr, betas, weight_decay=method.mask_weight_decay),
            "G": Adam(method.generators.parameters(), method.lr, betas),
            "d": Adam(method.encoder.parameters(), method.lr, betas),
            "D": Adam(method.discriminator.parameters(), method.lr, betas),
        }

    def __call__(self, images: Tensor, real: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the losses of both players, 0-d.

        Args:
            images: to be redrawn, (B, C, S, S) in [-1, 1].
            real: for D, (B, C, S, S).
            z: (B, R, dim_z).
        """
        self.method.zero_grad()
        redrawn, regions = self.redraw(images, z)
        recovered = scores(self.method.encoder.trunk, self.method.encoder.codes, regions.sum(1)).view_as(z)
        loss_g = -self.judge(redrawn).mean() + self.method.lambda_z * (z - recovered).square().mean()
        loss_g.backward()
        for name in "FGd":
            self.optimisers[name].step()

        self.method.discriminator.zero_grad()
        with torch.no_grad():
            redrawn, _ = self.redraw(images, z)
        loss_d = F.relu(1 - self.judge(real)).mean() + F.relu(1 + self.judge(redrawn)).mean()
        loss_d.backward()
        self.optimisers["D"].step()
        return loss_g.detach(), loss_d.detach()

    def redraw(self, images: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        masks = self.method.mask_network(images)
        drawn = [generate(g, masks[:, k : k + 1], z[:, k]) for k, g in enumerate(self.method.generators)]
        regions = torch.stack(drawn, 1)
        redrawn = regions + (1 - masks.unsqueeze(2)) * images.unsqueeze(1)
        return redrawn.flatten(0, 1), regions

    def judge(self, images: Tensor) -> Tensor:
        return scores(self.method.discriminator.trunk, self.method.discriminator.score, images)


def generate(generator: RegionGenerator, mask: Tensor, z: Tensor) -> Tensor:
    x = generator.first(z).view(len(z), -1, 4, 4)
    for level, block in enumerate(generator.blocks):
        if level == len(generator.blocks) - 1:
            x = attend(generator.attention, x)
        small = F.avg_pool2d(mask, mask.shape[-1] // x.shape[-1])
        y = torch.cat([F.relu(condition(block.norm_a, x, z)), small], 1)
        y = plain(block.conv_a, F.interpolate(y, scale_factor=2))
        y = plain(block.conv_b, F.relu(condition(block.norm_b, y, z)))
        x = y + plain(block.shortcut, F.interpolate(x, scale_factor=2))
    x = torch.cat([F.relu(condition(generator.norm, x, z)), mask], 1)
    return plain(generator.last, x).tanh() * mask


def condition(norm: ConditionalNorm, x: Tensor, z: Tensor) -> Tensor:
    z = z[:, :, None, None]
    gamma = F.conv2d(z, norm.gamma.weight[:, :, None, None], norm.gamma.bias)
    beta = F.conv2d(z, norm.beta.weight[:, :, None, None], norm.beta.bias)
    return gamma * F.instance_norm(x) + beta


def attend(attention: SelfAttention, x: Tensor) -> Tensor:
    query = plain(attention.query, x).flatten(2)
    key = F.max_pool2d(plain(attention.key, x), 2).flatten(2)
    value = F.max_pool2d(plain(attention.value, x), 2).flatten(2)
    share = torch.bmm(query.transpose(1, 2), key).softmax(-1)
    attended = torch.bmm(value, share.transpose(1, 2)).unflatten(2, x.shape[2:])
    return x + attention.gate * plain(attention.out, attended)


def scores(trunk: ResidualTrunk, head: nn.Linear, x: Tensor) -> Tensor:
    for block in trunk:
        if isinstance(block, SelfAttention):
            x = attend(block, x)
            continue
        y = x
        for layer in block.main:
            y = plain(layer, y) if isinstance(layer, nn.Conv2d) else layer(y)
        halved = not isinstance(block.shortcut, nn.Identity)
        y = F.avg_pool2d(y, 2) if halved else y
        x = y + block.shortcut(x)
    return head(x.sum((2, 3)))


def plain(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution without what its class makes of it."""
    return F.conv2d(x, layer.weight, layer.bias, padding=layer.padding)
