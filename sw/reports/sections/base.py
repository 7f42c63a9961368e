"""What a section of the report page is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from sw.network import Network
from sw.reports.blocks import Block, Highlight
from sw.reports.result import Result
from sw.structure import Coding

__all__ = ["Section", "no_highlights"]

R = TypeVar("R", bound=Result)


def no_highlights(network: Network, result: Result) -> Iterator[Highlight]:
    """Of a section that has none."""
    return iter(())


@dataclass(frozen=True, kw_only=True)
class Section(Generic[R]):
    """A section: what it shows of each result of a kind.

    Parameters
    ----------
    anchor, title : str
    kind : type of Result
        What it is made of.
    blocks : function of a network and a result returning blocks
    highlights : function of a network and a result returning highlights
        For the top of the page.
    missing : function of a network and how it is named on a command line, returning str
        The command that brings results; empty if there is none for this network.
    coding : Coding, or None
        Of the networks that have the section; None: all.
    """

    anchor: str
    title: str
    kind: type[R]
    blocks: Callable[[Network, R], Iterator[Block]]
    highlights: Callable[[Network, R], Iterator[Highlight]] = no_highlights
    missing: Callable[[Network, str], str]
    coding: Coding | None = None
