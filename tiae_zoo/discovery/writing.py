"""What is left of a discovery: tables, pictures and one page for the browser."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tiae_zoo.discovery.drawing import cluster_colour, cluster_sheet, heat_picture, hot_spot_picture
from tiae_zoo.discovery.finding import Discovery
from tiae_zoo.discovery.html import browser_page

RED_QUANTILE = 0.997  # of all pixels: the few strongest spots do not make all others pale


def write(found: Discovery, folder: Path, about: dict[str, Any]) -> None:
    """Write everything into a folder.

    `index.html` shows it all. `heat_map.png`, `hot_spots.png` and `clusters/` are its pictures. `votes.csv` has a row
    for each patch, `hot_spots.csv` and `descriptors.csv` for each hot spot, `clusters.csv` for each cluster.

    Args:
        found: on a page.
        folder: exists.
        about: what it was made with: name -> value, shown in the browser.
    """
    write_tables(found, folder)
    heat = found.votes.concentration()
    red = max(float(np.quantile(heat, RED_QUANTILE)), 1.0)
    ink = found.patches.ink
    pictures = {
        "heat_map": heat_picture(ink, heat, red),
        "hot_spots": hot_spot_picture(ink, found.spots, found.clusters),
    }
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.png")
    sheets = _sheets(found)
    (folder / "clusters").mkdir()
    for number, sheet in enumerate(sheets, 1):
        sheet.save(folder / "clusters" / f"cluster_{number:03d}.png")
    page = browser_page(found, pictures["heat_map"], pictures["hot_spots"], sheets, red, about)
    (folder / "index.html").write_text(page, encoding="utf-8")


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


def _sheets(found: Discovery) -> list[Image.Image]:
    """Return the contact sheet of each cluster, its hot spots with most votes first."""
    places = [found.spots.places[found.clusters.members(number)] for number in range(found.clusters.count)]
    return [
        cluster_sheet(found.patterns[number], found.patches.cut(of_cluster), cluster_colour(number))
        for number, of_cluster in enumerate(places)
    ]


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
