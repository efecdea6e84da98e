"""One self-contained page for the browser, its pictures inside, readable on a phone."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import NamedTuple

from PIL import Image

from tiae_zoo.discovery.finding import Discovery, summary

MOST_SHEETS = 60  # clusters shown; the others' sheets lie in the folder
MOST_WIDTH = 1600  # px of a picture: that of a large scan is whole in its file alone

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
figure { margin: 1rem 0; }
figcaption { color: #555; font-size: 0.9rem; }
img { display: block; max-width: 100%; height: auto; }
.map { overflow-x: auto; }
.map img { min-width: 40rem; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; white-space: nowrap; }
</style>
</head>
<body>
<h1>Typical patterns of $name</h1>
<p>$summary</p>
<h2>Where patches belong</h2>
$maps
<h2>Clusters</h2>
<p>Mean-shift clusters of the descriptors of the patches around the hot spots. The first tile, in the cluster's colour,
is what the model restores from its mean descriptor; the others are patches of the page, most votes first.</p>
$sheets
<h2>Made with</h2>
<table>
$about
</table>
</body>
</html>
""")


class Figure(NamedTuple):
    """A picture with its caption."""

    name: str
    """Of its file, without the ending."""
    picture: Image.Image
    caption: str


def browser_page(found: Discovery, maps: Sequence[Figure], sheets: Sequence[Figure], about: Mapping[str, str]) -> str:
    """Return the whole page as HTML.

    Args:
        found: on a page.
        maps: pictures of the page.
        sheets: of the clusters.
        about: what it was made with; `page` is the page's name.
    """
    shown = [_figure(sheet) for sheet in sheets[:MOST_SHEETS]]
    if len(sheets) > MOST_SHEETS:
        shown.append(f"<p>{len(sheets) - MOST_SHEETS} more sheets are in the folder clusters.</p>")
    rows = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in about.items())
    return PAGE.substitute(
        name=escape(about["page"]),
        summary=escape(summary(found)),
        maps="\n".join(_figure(figure, ' class="map"') for figure in maps),
        sheets="\n".join(shown),
        about="\n".join(rows),
    )


def _figure(figure: Figure, attributes: str = "") -> str:
    """Return a figure element that carries its picture as PNG."""
    picture, buffer = figure.picture.copy(), io.BytesIO()
    picture.thumbnail((MOST_WIDTH, picture.height))  # never enlarges
    picture.save(buffer, "PNG", optimize=True)
    code = base64.b64encode(buffer.getvalue()).decode()
    width, height = picture.size
    return (
        f"<figure><figcaption>{escape(figure.caption)}</figcaption><div{attributes}>"
        f'<img alt="{escape(figure.caption)}" width="{width}" height="{height}" src="data:image/png;base64,{code}">'
        "</div></figure>"
    )
