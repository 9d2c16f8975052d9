"""Plots for HTML pages, as SVG that takes its colours from the page: text stays text, light or dark."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure

#: Colours that are exchanged for the page's own in the SVG.
INK, GRID = "#010203", "#040506"
_PAGE_COLOURS = {INK: "currentColor", GRID: "var(--line)"}

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "grid.color": GRID,
    **{
        name: INK
        for name in ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "axes.titlecolor")
    },
}


@dataclass(frozen=True)
class Plot:
    """A plot: SVG to stand in a page, and a sentence that says what it shows."""

    name: str
    title: str
    caption: str
    svg: str


def draw_plot(name: str, title: str, caption: str, draw: Callable[[], Figure]) -> Plot:
    """Draw in the pages' style; ``name`` is a word that no other plot of the page has."""
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = draw()
        buffer = io.StringIO()
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            bbox_inches="tight",
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    return Plot(name, title, caption, _for_page(buffer.getvalue(), name, title))


def _for_page(svg: str, name: str, title: str) -> str:
    """The <svg> element alone, in the page's colours and font, with names that no other plot of the page has."""
    svg = svg[svg.index("<svg") :]
    # A style element in the page would be the whole page's.
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", svg)
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    # Each is a whole declaration's value; the page sets the font.
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    for colour, page in _PAGE_COLOURS.items():
        svg = svg.replace(colour, page)
    size = re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)
    assert size is not None
    # The page sets the size; the view box holds the proportions.
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg)
    width = ceil(float(size[1]) * 4 / 3)
    return svg.replace(
        "<svg", f'<svg role="img" aria-label="{title}" style="max-width: {width}px" stroke-linejoin="round"', 1
    ).strip()
