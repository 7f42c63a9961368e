"""What a section of a report page consists of. The template draws each kind of block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Block", "Facts", "Figure", "Heading", "Highlight", "Note", "Table"]


@dataclass(frozen=True, kw_only=True)
class Heading:
    """The title of a part of a section."""

    kind: str = "heading"
    text: str


@dataclass(frozen=True, kw_only=True)
class Note:
    """A paragraph. ``tone`` is ``plain``, ``good`` or ``bad``; ``code`` a command that belongs to
    it.
    """

    kind: str = "note"
    text: str
    tone: str = "plain"
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Names and values."""

    kind: str = "facts"
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text. The first column names the row; the others are set as numbers."""

    kind: str = "table"
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture.

    Parameters
    ----------
    svg : str
        As :func:`sw.reports.svg.drawn` gives it.
    title, caption : str
    description : str
        What it shows, for those who do not see it.
    legend : sequence of (str, str)
        Colours, as :data:`sw.reports.svg.COLOURS` names them, and what they mean.
    """

    kind: str = "figure"
    svg: str
    title: str
    caption: str = ""
    description: str
    legend: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Highlight:
    """One of the figures at the top of the page."""

    name: str
    value: str
    note: str = ""


Block: TypeAlias = Heading | Note | Facts | Table | Figure
