"""Random weights in the layout of the archives of ReDO's authors: the names and shapes of their tensors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def archive(
    regions: int = 2, dim_z: int = 5, mask: int = 8, generator: int = 2, discriminator: int = 4, attention: bool = True
) -> dict[str, dict[str, Tensor]]:
    """The four networks for images of 128 px."""
    seed = torch.Generator().manual_seed(0)
    shapes = {
        "netEncM": mask_network(regions, mask),
        "netGenX": generators(regions, generator, dim_z, attention),
        "netDX": discriminators(discriminator, attention),
        "netRecZ": encoder(discriminator, regions * dim_z),
    }
    return {
        network: {name: torch.randn(shape, generator=seed) for name, shape in layers}
        for network, layers in shapes.items()
    }


def mask_network(regions: int, width: int) -> Shapes:
    for index, channels, out, kernel in (
        (1, 3, width // 4, 7),
        (4, width // 4, width // 2, 3),
        (7, width // 2, width, 3),
    ):
        yield f"cnn.0.mods.{index}.weight", (out, channels, kernel, kernel)
        yield from norm(f"cnn.0.mods.{index + 1}", out)
    for block in (1, 2, 3):
        yield f"cnn.{block}.blocs.0.weight", (width, width, 3, 3)
        yield from norm(f"cnn.{block}.blocs.1", width)
        yield from biased(f"cnn.{block}.blocs.3", (width, width, 3, 3))
        yield from norm(f"cnn.{block}.activationF.0", width)
    for level in range(4):
        yield from biased(f"psp.{level}.1", (1, width, 1, 1))
    wide = width + 4
    yield "out.mods.1.weight", (wide // 2, wide, 3, 3)
    yield from norm("out.mods.2", wide // 2)
    yield "out.mods.5.weight", (wide // 4, wide // 2, 3, 3)
    yield from norm("out.mods.6", wide // 4)
    yield from biased("out.mods.9", (1 if regions == 2 else regions, wide // 4, 7, 7))


def generators(regions: int, width: int, dim_z: int, attention: bool) -> Shapes:
    widths = [16 * width, *(factor * width for factor in (16, 8, 4, 2, 1))]
    for region in range(regions):
        net = f"net.{region}"
        if attention:
            yield from self_attention(net, 2 * width)
        yield from biased(f"{net}.dense", (16 * widths[0], dim_z))
        for block, (channels, out) in enumerate(pairwise(widths)):
            yield from spectral(f"{net}.convA.{block}.1", (out, channels + 1, 3, 3))
            yield f"{net}.convB.{block}.bias", (out,)
            yield from spectral(f"{net}.convB.{block}", (out, out, 3, 3))
            yield f"{net}.sc.{block}.1.bias", (out,)
            yield from spectral(f"{net}.sc.{block}.1", (out, channels, 1, 1))
            for kind in ("gamma", "beta"):
                yield from biased(f"{net}.{kind}A.{block}", (channels, dim_z, 1, 1))
                yield from biased(f"{net}.{kind}B.{block}", (out, dim_z, 1, 1))
        for kind in ("gamma", "beta"):
            yield from biased(f"{net}.{kind}Out", (width, dim_z, 1, 1))
        yield f"{net}.convOut.bias", (3,)
        yield from spectral(f"{net}.convOut", (3, width + 1, 3, 3))


def discriminators(width: int, attention: bool) -> Shapes:
    if attention:
        yield from self_attention("", width)
    yield from trunk(width, ("bloc0", "sc0"), "blocs", "sc", 0)
    yield from biased("dense", (1, 16 * width))


def encoder(width: int, codes: int) -> Shapes:
    yield from trunk(width, ("net.blocs.0", "net.sc.0"), "net.blocs", "net.sc", 1)
    yield from biased("net.dense", (codes, 16 * width))


def trunk(width: int, first: tuple[str, str], blocks: str, shortcuts: str, start: int) -> Shapes:
    widths = [width * factor for factor in (1, 2, 4, 8, 16, 16)]
    yield from convolutions(first[0], (0, 2), 3, width)
    yield f"{first[1]}.1.bias", (width,)
    yield from spectral(f"{first[1]}.1", (width, 3, 1, 1))
    for block, (channels, out) in enumerate(pairwise(widths), start):
        yield from convolutions(f"{blocks}.{block}", (1, 3), channels, out)
        if channels != out:  # the last one keeps its side
            yield f"{shortcuts}.{block}.1.bias", (out,)
            yield from spectral(f"{shortcuts}.{block}.1", (out, channels, 1, 1))


def convolutions(name: str, places: tuple[int, int], channels: int, out: int) -> Shapes:
    for place, inputs in zip(places, (channels, out), strict=True):
        yield f"{name}.{place}.bias", (out,)
        yield from spectral(f"{name}.{place}", (out, inputs, 3, 3))


def self_attention(name: str, channels: int) -> Shapes:
    inner, half = max(channels // 8, 1), channels // 2
    name = f"{name}.selfAtt" if name else "selfAtt"
    yield f"{name}.gamma", (1,)
    for layer, out, inputs in (
        ("f", inner, channels),
        ("g", inner, channels),
        ("h", half, channels),
        ("o", channels, half),
    ):
        yield from spectral(f"{name}.{layer}", (out, inputs, 1, 1))


def spectral(name: str, shape: tuple[int, ...]) -> Shapes:
    out, inputs, height, width = shape
    yield f"{name}.weight_orig", shape
    yield f"{name}.weight_u", (out,)
    yield f"{name}.weight_v", (inputs * height * width,)


def biased(name: str, shape: tuple[int, ...]) -> Shapes:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def norm(name: str, channels: int) -> Shapes:
    yield f"{name}.weight", (channels,)
    yield f"{name}.bias", (channels,)
