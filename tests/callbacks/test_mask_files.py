"""Masks as files of the picture's own size."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tiae_zoo.callbacks.mask_files import enlarged, save_mask, save_overlay, strongest


def test_the_strongest_region_wins_after_enlarging() -> None:
    mask = torch.rand(4, 12, 16, generator=torch.Generator().manual_seed(0))
    values = [2, 0, 3, 1]
    winner = strongest(enlarged(mask, values, (60, 90)))
    soft = np.stack([own for _, own in sorted(enlarged(mask, values, (60, 90)), key=lambda pair: pair[0])])
    assert winner.shape == (60, 90)
    assert np.array_equal(winner, soft.argmax(0))


def test_masks_are_read_back_as_values_and_as_black_and_white(tmp_path: Path) -> None:
    winner = np.zeros((20, 30), np.uint8)
    winner[5:9, 6:20] = 1
    save_mask(winner, tmp_path / "deep" / "mask.png")
    with Image.open(tmp_path / "deep" / "mask.png") as file:
        assert np.array_equal(np.asarray(file), winner)
        assert np.array_equal(np.asarray(file.convert("L")) > 127, winner == 1)


def test_overlays_dim_the_background_only(tmp_path: Path) -> None:
    winner = np.zeros((40, 60), np.uint8)
    winner[10:30, 10:50] = 1
    save_overlay(Image.new("RGB", (60, 40), (200, 200, 200)), winner, tmp_path / "overlay.jpg")
    with Image.open(tmp_path / "overlay.jpg") as file:
        light = np.asarray(file.convert("L"))
    assert light[20, 30] > 190
    assert light[2, 2] < 80
