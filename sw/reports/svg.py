"""Figures of the report page: Matplotlib's, as SVG that stands in a page of HTML.

Colours are names of the page's style, so that a figure follows its light or dark scheme. The same
figure always gives the same text.
"""

import hashlib
import io
import re
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "SERIES", "Drawing", "drawing"]

SERIES = 8  # colours of the page's style that tell parts and lines apart

# What Matplotlib is given, and the property of the page's style that takes its place. The series
# are those of Okabe and Ito, told apart by colour-blind readers (jfly.uni-koeln.de/color).
COLOURS = {
    "ink": "#010101",
    "muted": "#020202",
    "grid": "#030303",
    "accent": "#040404",
    "warn": "#050505",
    "paper": "#060606",
    **{f"series{number}": f"#0707{number:02x}" for number in range(SERIES)},
}
_NAMES = {given: colour for colour, given in COLOURS.items()}
_COLOUR = re.compile("|".join(_NAMES))
_REFERENCE = re.compile(r"(#|url\(#)([^)]+)(\)?)$")
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_INK, _MUTED, _GRID = COLOURS["ink"], COLOURS["muted"], COLOURS["grid"]
_STYLE: Any = {  # its keys are literals to mypy
    "axes.edgecolor": _MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": _INK,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",  # comes with Matplotlib: the same layout on every machine
    "font.size": 11,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "legend.edgecolor": _GRID,
    "legend.facecolor": COLOURS["paper"],
    "legend.fontsize": 10,
    "legend.framealpha": 1.0,
    "svg.hashsalt": "firstspike",  # else identifiers are drawn at random
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and copied
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _MUTED,
    "xtick.labelcolor": _INK,
    "xtick.labelsize": 10,
    "ytick.color": _MUTED,
    "ytick.labelcolor": _INK,
    "ytick.labelsize": 10,
}


@dataclass
class Drawing:
    """A figure that is being drawn; ``svg`` is there when it is done."""

    figure: "Figure"
    svg: str = ""


@contextmanager
def drawing(height: float, width: float = 5.0) -> Iterator[Drawing]:
    """A new figure of so many inches: 5 of them are as wide as a phone's screen."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_STYLE), warnings.catch_warnings():
        # The browser has fonts for what Matplotlib's lacks
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        result = Drawing(figure)
        yield result
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    result.svg = _inlined(text.getvalue())


def _inlined(text: str) -> str:
    """The SVG as it stands in a page: identifiers of its own, the page's colours, no metadata."""
    name = f"f{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    root = ElementTree.fromstring(text)
    parents = {child: parent for parent in root.iter() for child in parent}
    for tag in ("metadata", "style"):
        for element in list(root.iter(f"{{{_SVG}}}{tag}")):
            parents[element].remove(element)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    values = (value for element in root.iter() for value in element.attrib.values())
    referred = {match[2] for match in map(_REFERENCE.match, values) if match}
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        element.attrib = {
            key.removeprefix(f"{{{_XLINK}}}"): _own(key, value, name)
            for key, value in element.attrib.items()
            if key != "id" or value in referred
        }
        for place in ("text", "tail"):  # Matplotlib's line breaks
            if not (getattr(element, place) or "").strip():
                setattr(element, place, None)
    root.set("xmlns", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _own(key: str, value: str, name: str) -> str:
    """The value of an attribute as it stands in the page."""
    if key == "id":
        return f"{name}-{value}"
    if key == "style":
        value = value.replace("font-family: 'DejaVu Sans'; ", "")  # the page has its own
        return _COLOUR.sub(lambda match: f"var(--{_NAMES[match[0]]})", value)
    if match := _REFERENCE.match(value):
        return f"{match[1]}{name}-{match[2]}{match[3]}"
    if value.startswith("data:"):
        return "".join(value.split())
    value = re.sub(r"\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}", value)
    return " ".join(value.split())
