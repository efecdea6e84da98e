"""What is written of large discoveries."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tiae_zoo.data.page import Patches
from tiae_zoo.discovery import Discovery, write
from tiae_zoo.discovery.clustering import Clusters
from tiae_zoo.discovery.html import MOST_SHEETS, MOST_WIDTH
from tiae_zoo.discovery.voting import HotSpots, Votes
from tiae_zoo.discovery.writing import MOST_TILES, cluster_sheets


def discovery(sizes: list[int], page: tuple[int, int] = (40, 60)) -> Discovery:
    """A discovery of clusters of the given sizes, all at the same places."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    places = np.tile([[20, 20]], (len(labels), 1))
    return Discovery(
        patches=Patches(np.zeros(page, np.float32), 16),
        votes=Votes(page, 2, places, places.astype(np.float32)),
        spots=HotSpots(places, np.full(len(labels), 9)),
        descriptors=np.zeros((len(labels), 3), np.float32),
        clusters=Clusters(labels, 1.0),
        patterns=torch.zeros(len(sizes), 1, 16, 16),
    )


def test_hot_spots_that_are_alone_share_a_sheet() -> None:
    names = [sheet.name for sheet in cluster_sheets(discovery([3, 2, 1, 1, 1]))]
    assert names == ["cluster_001", "cluster_002", "alone"]
    assert [sheet.name for sheet in cluster_sheets(discovery([4]))] == ["cluster_001"]
    assert [sheet.name for sheet in cluster_sheets(discovery([1]))] == ["alone"]


@pytest.mark.parametrize("size", [MOST_TILES + 1, 5 * MOST_TILES])
def test_a_large_cluster_shows_its_first_patches_and_says_so(size: int) -> None:
    large, small = cluster_sheets(discovery([size, 2]))
    assert f"{size} hot spots, the first {MOST_TILES} shown, {9 * size} votes" in large.caption
    assert large.picture.width == small.picture.width  # one scale for all
    assert large.picture.height > 5 * small.picture.height


def test_the_browser_is_spared_what_is_too_much(tmp_path: Path) -> None:
    found = discovery([2] * (MOST_SHEETS + 5), page=(60, 2 * MOST_WIDTH))
    write(found, tmp_path, {"page": "a large scan"})
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.count("<img") == 2 + MOST_SHEETS
    assert "5 more sheets are in the folder clusters" in text
    assert len(list((tmp_path / "clusters").glob("cluster_*.png"))) == MOST_SHEETS + 5
    assert f'width="{MOST_WIDTH}"' in text
    assert Image.open(tmp_path / "heat_map.png").width == 2 * MOST_WIDTH  # whole in its file
