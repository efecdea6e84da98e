"""One self-contained page for the browser, its pictures inside, readable on a phone."""

from __future__ import annotations

import base64
import io
from html import escape
from string import Template
from typing import Any

import numpy as np
from PIL import Image

from tiae_zoo.discovery.drawing import MOST_TILES
from tiae_zoo.discovery.finding import Discovery

MOST_SHEETS = 60  # clusters shown; the others' sheets lie in the folder

PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Typical patterns of $name</title>
<style>
body { margin: 0 auto; padding: 1rem; max-width: 60rem; font: 1rem/1.5 system-ui, sans-serif; color: #222; }
h1 { font-size: 1.5rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.5rem; }
img { display: block; max-width: 100%; height: auto; }
figure { margin: 1rem 0; }
figcaption { color: #555; font-size: 0.9rem; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; white-space: nowrap; }
</style>
</head>
<body>
<h1>Typical patterns of $name</h1>
<p>$summary</p>
<h2>Where patches belong</h2>
<figure>$heat_map<figcaption>Every patch of the page voted for the place to which its estimated shift moves it. Red: at
least $red times as many votes as if every patch stayed where it is.</figcaption></figure>
<h2>Hot spots</h2>
<figure>$hot_spots<figcaption>The places where votes gather, each with the number of its cluster.</figcaption></figure>
<h2>Clusters</h2>
<p>Mean-shift clusters of the descriptors of the patches around the hot spots. The framed tile is what the model
restores from the cluster's mean descriptor; the others are patches of the page, most votes first.</p>
$clusters
<h2>Made with</h2>
<table>
$about
</table>
</body>
</html>
""")


def browser_page(
    found: Discovery,
    heat_map: Image.Image,
    hot_spots: Image.Image,
    sheets: list[Image.Image],
    red: float,
    about: dict[str, Any],
) -> str:
    """Return the whole page as HTML.

    Args:
        found: on a page.
        heat_map: the votes.
        hot_spots: the page with marks.
        sheets: a contact sheet for each cluster.
        red: the concentration of votes that is drawn red.
        about: what it was made with; `page` is its name.
    """
    return PAGE.substitute(
        name=escape(str(about["page"])),
        summary=escape(summary(found)),
        heat_map=_picture(heat_map, "Map of votes over the page"),
        hot_spots=_picture(hot_spots, "Hot spots on the page"),
        red=f"{red:.1f}",
        clusters=_clusters(found, sheets),
        about="\n".join(
            f"<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>" for name, value in about.items()
        ),
    )


def summary(found: Discovery) -> str:
    """Return in a sentence what was found."""
    sizes = np.bincount(found.clusters.labels)
    return (
        f"{len(found.votes.centres)} patches voted; their votes gather at {len(found.spots.places)} hot spots, "
        f"which form {len(sizes)} clusters, {int((sizes > 1).sum())} of them with more than one hot spot."
    )


def _clusters(found: Discovery, sheets: list[Image.Image]) -> str:
    figures = []
    for number, sheet in enumerate(sheets[:MOST_SHEETS]):
        members = found.clusters.members(number)
        votes = int(found.spots.votes[members].sum())
        shown = f", the first {MOST_TILES} shown" if len(members) > MOST_TILES else ""
        text = f"Cluster {number + 1}: {len(members)} hot spots{shown}, {votes} votes"
        figures.append(f"<figure><figcaption>{text}</figcaption>{_picture(sheet, text)}</figure>")
    if len(sheets) > MOST_SHEETS:
        figures.append(f"<p>{len(sheets) - MOST_SHEETS} smaller clusters are in the folder clusters/.</p>")
    return "\n".join(figures)


def _picture(picture: Image.Image, text: str) -> str:
    """Return an image element that carries its PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    code = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img alt="{escape(text)}" width="{picture.width}" height="{picture.height}" '
        f'src="data:image/png;base64,{code}">'
    )
