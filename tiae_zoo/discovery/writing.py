"""What is left of a discovery: tables, pictures and one page for the browser."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from tiae_zoo.discovery.drawing import GREY, cluster_colour, contact_sheet, heat_picture, hot_spot_picture
from tiae_zoo.discovery.finding import Discovery
from tiae_zoo.discovery.html import Figure, browser_page

RED_QUANTILE = 0.997  # of all pixels: the few strongest spots do not make all others pale
MOST_TILES = 63  # of a contact sheet, beside the pattern: eight rows


def write(found: Discovery, folder: Path, about: dict[str, str]) -> None:
    """Write everything into a folder.

    `index.html` shows it all. `heat_map.png`, `hot_spots.png` and `clusters/` are its pictures. `votes.csv` has a row
    for each patch, `hot_spots.csv` and `descriptors.csv` for each hot spot, `clusters.csv` for each cluster.

    Args:
        found: on a page.
        folder: exists, and holds nothing of these names.
        about: what it was made with: name -> value, shown in the browser; `page` is the page's name.
    """
    write_tables(found, folder)
    (folder / "clusters").mkdir()
    maps, sheets = list(page_maps(found)), list(cluster_sheets(found))
    for figure in maps:
        figure.picture.save(folder / f"{figure.name}.png")
    for figure in sheets:
        figure.picture.save(folder / "clusters" / f"{figure.name}.png")
    (folder / "index.html").write_text(browser_page(found, maps, sheets, about), encoding="utf-8")


def page_maps(found: Discovery) -> Iterator[Figure]:
    """Yield the votes and the hot spots over the page."""
    ink, heat = found.patches.ink, found.votes.concentration()
    red = max(float(np.quantile(heat, RED_QUANTILE)), 1.0)
    yield Figure(
        "heat_map",
        heat_picture(ink, heat, red),
        "Every patch of the page voted for the place to which its estimated shift moves it. Red: at least "
        f"{red:.1f} times as many votes as if every patch stayed where it is.",
    )
    yield Figure(
        "hot_spots",
        hot_spot_picture(ink, found.spots, found.clusters),
        "The hot spots, places where votes gather, each with the number of its cluster.",
    )


def cluster_sheets(found: Discovery) -> Iterator[Figure]:
    """Yield the contact sheet of each cluster, most votes first, and one of all hot spots that are alone."""
    spots, clusters = found.spots, found.clusters
    sizes = np.bincount(clusters.labels)
    for number in np.flatnonzero(sizes > 1).tolist():
        members = clusters.members(number)
        patches = found.patches.cut(spots.places[members[:MOST_TILES]])
        tiles = torch.cat([found.patterns[number : number + 1], patches])
        rest = f", the first {MOST_TILES} shown" if len(members) > MOST_TILES else ""
        yield Figure(
            f"cluster_{number + 1:03d}",
            contact_sheet(tiles, [cluster_colour(number), *[GREY] * len(patches)]),
            f"Cluster {number + 1}: {len(members)} hot spots{rest}, {spots.votes[members].sum()} votes",
        )
    alone = np.flatnonzero(sizes[clusters.labels] == 1)
    if len(alone):
        shown = alone[: MOST_TILES + 1]
        rest = f", the first {len(shown)} shown" if len(alone) > len(shown) else ""
        yield Figure(
            "alone",
            contact_sheet(
                found.patches.cut(spots.places[shown]), [cluster_colour(int(clusters.labels[i])) for i in shown]
            ),
            f"Alone in their clusters: {len(alone)} hot spots{rest}, {spots.votes[alone].sum()} votes",
        )


def write_tables(found: Discovery, folder: Path) -> None:
    """Write the CSV files; places are pixels of the page, right and down from its upper left one."""
    spots, clusters = found.spots, found.clusters
    votes = zip(found.votes.centres, found.votes.targets, strict=True)
    _write_csv(
        folder / "votes.csv",
        ["x", "y", "voted_x", "voted_y"],
        ([x, y, f"{to_x:.2f}", f"{to_y:.2f}"] for (x, y), (to_x, to_y) in votes),
    )
    rows = zip(spots.places, spots.votes, clusters.labels, strict=True)
    _write_csv(
        folder / "hot_spots.csv",
        ["hot_spot", "x", "y", "votes", "cluster"],
        ([number, x, y, count, label + 1] for number, ((x, y), count, label) in enumerate(rows, 1)),
    )
    _write_csv(
        folder / "descriptors.csv",
        ["hot_spot", "cluster", *(f"d{i}" for i in range(1, found.descriptors.shape[1] + 1))],
        (
            [number, label + 1, *(f"{value:.6g}" for value in descriptor)]
            for number, (label, descriptor) in enumerate(zip(clusters.labels, found.descriptors, strict=True), 1)
        ),
    )
    members = [clusters.members(number) for number in range(clusters.count)]
    _write_csv(
        folder / "clusters.csv",
        ["cluster", "hot_spots", "votes"],
        ([number, len(which), spots.votes[which].sum()] for number, which in enumerate(members, 1)),
    )


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
