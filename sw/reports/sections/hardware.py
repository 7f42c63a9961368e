"""What place and route made of the network on a board."""

from collections.abc import Iterator
from dataclasses import dataclass

from sw.network import Network
from sw.record import Record
from sw.reports.blocks import Block, Facts, Figure, Highlight, Note, Table
from sw.reports.distribution import latency
from sw.reports.floorplan import Placement, floorplan
from sw.reports.result import Histogram, Result, portable
from sw.reports.sections.base import Section
from sw.reports.svg import COLOURS, SERIES, drawing

__all__ = ["SECTION", "Build", "SlowestPath", "Use"]


@dataclass(frozen=True, kw_only=True)
class Use(Record):
    """How many of a resource were estimated before synthesis, are used, and are there."""

    name: str
    estimated: int
    used: int
    available: int

    @property
    def share(self) -> float:
        """Used, of those that are there."""
        return self.used / self.available


@dataclass(frozen=True, kw_only=True)
class SlowestPath(Record):
    """The path that limits the clock, from register to register: parts of the design, and
    delays in ns.
    """

    begin: str
    end: str
    logic: float
    routing: float


@dataclass(frozen=True, kw_only=True)
class Build(Result):
    """What ``hw.build`` made.

    Parameters
    ----------
    board, board_title, part, engine : str
    includes : str
        What the logic cells are of.
    uses : tuple of Use
    clock_mhz, fmax_mhz : float
        The accelerator's clock; what it could be by timing analysis.
    slowest : SlowestPath or None
    placement_seed : int
    router : str
    bitstream, bitstream_sha256 : str
    cycles : Histogram or None
        Of the latency, by the cycle model; None if it was not measured.
    cycles_from : str
        The event from which they are counted.
    accuracy : float or None
    images : int or None
    note : str
        How cycles and accuracy were measured, or why not.
    placement : Placement or None
    """

    kind = "build"

    board: str
    board_title: str
    part: str
    engine: str
    includes: str
    uses: tuple[Use, ...]
    clock_mhz: float
    fmax_mhz: float
    slowest: SlowestPath | None
    placement_seed: int
    router: str
    bitstream: str
    bitstream_sha256: str
    cycles: Histogram | None
    cycles_from: str
    accuracy: float | None
    images: int | None
    note: str
    placement: Placement | None

    @property
    def variant(self) -> str:
        return f"{self.board}-{self.engine}"


def _highlights(network: Network, result: Build) -> Iterator[Highlight]:
    cells = result.uses[0]
    yield Highlight(
        name=f"{cells.name}, {result.board}",
        value=f"{cells.used:,}",
        note=f"{cells.share:.0%} of {cells.available:,}",
    )
    if result.cycles is not None:
        mean = result.cycles.mean
        yield Highlight(
            name=f"latency, {result.board}",
            value=f"{mean / result.clock_mhz:.2f} µs",
            note=f"mean {mean:.1f} cycles at {result.clock_mhz:g} MHz",
        )
    else:
        yield Highlight(
            name=f"clock, {result.board}",
            value=f"{result.clock_mhz:g} MHz",
            note=f"fmax {result.fmax_mhz:g} MHz",
        )


def _blocks(network: Network, result: Build) -> Iterator[Block]:
    present = [use for use in result.uses if use.available]
    yield Figure(
        svg=_bars(present),
        title="Resources",
        caption=f"Of the {result.board_title}. The line is the estimate before synthesis.",
        description="; ".join(
            f"{use.name} {use.used:,} of {use.available:,}, estimated {use.estimated:,}"
            for use in present
        )
        + ".",
    )
    if result.cycles is not None:
        yield latency(
            result.cycles,
            origin=result.cycles_from,
            clock_mhz=result.clock_mhz,
            title="Latency",
        )
    else:
        yield Note(
            text=f"Accuracy and latency were {result.note}. "
            "These flags of hw.build name where the data are:",
            code="--data-dir DIR\n--dataset FILE",
        )
    yield Table(
        caption="Estimate and result",
        head=("resource", "estimated", "built", "difference", "available", "used"),
        rows=[
            (
                use.name,
                f"{use.estimated:,}",
                f"{use.used:,}",
                f"{use.used / use.estimated - 1:+.1%}" if use.estimated else "–",
                f"{use.available:,}",
                f"{use.share:.1%}",
            )
            for use in present
        ],
    )
    yield Facts(rows=list(_facts(result)))
    if result.placement is None:
        yield Note(
            text="The placement is not known: what is there was built by an earlier version. "
            "Remove its folder and build again."
        )
        return
    parts = result.placement.parts
    memories = sum(part.memories for part in parts)
    yield Figure(
        svg=floorplan(result.placement),
        title="Floorplan",
        caption="Placement by nextpnr, of the tiles that the design spans. A tile is filled as far "
        "as its cells are used; squares with an edge are memories.",
        description=f"Floorplan of {len(parts)} parts with {memories} memories: "
        + ", ".join(f"{part.part} takes {part.cells:,} cells" for part in parts)
        + ".",
        legend=[
            (f"series{number % SERIES}", f"{part.part}: {_amount(part.cells, part.memories)}")
            for number, part in enumerate(parts)
        ],
    )


def _amount(cells: int, memories: int) -> str:
    texts = [f"{cells:,} cells"] if cells else []
    if memories:
        texts.append("1 memory" if memories == 1 else f"{memories} memories")
    return ", ".join(texts)


def _facts(result: Build) -> Iterator[tuple[str, str]]:
    yield "board", f"{result.board_title} ({result.part})"
    yield "engine", result.engine
    yield "cells are of", result.includes
    slack = 1e3 / result.clock_mhz - 1e3 / result.fmax_mhz
    yield "clock", f"{result.clock_mhz:g} MHz, with {slack:.2f} ns to spare"
    yield "fmax", f"{result.fmax_mhz:g} MHz, nextpnr's estimate for the slow corner"
    if (path := result.slowest) is not None:
        yield (
            "slowest path",
            f"from {path.begin} to {path.end}: {path.logic + path.routing:.1f} ns, of which "
            f"{path.routing / (path.logic + path.routing):.0%} is routing",
        )
    if result.accuracy is not None:
        yield "accuracy, strict", f"{result.accuracy:.2%} of {result.images:,} test examples"
    yield "placement", f"seed {result.placement_seed}, {result.router}"
    yield "bitstream", portable(result.bitstream)
    yield "its SHA-256", result.bitstream_sha256


def _bars(uses: list[Use]) -> str:
    with drawing(0.55 * len(uses) + 0.85) as picture:
        axes = picture.figure.subplots()
        for place, use in enumerate(uses):
            full = use.share > 1
            axes.barh(place, 100, 0.56, color=COLOURS["grid"])
            axes.barh(place, 100 * use.share, 0.56, color=COLOURS["warn" if full else "accent"])
            estimate = 100 * use.estimated / use.available
            axes.plot([estimate] * 2, [place - 0.38, place + 0.38], color=COLOURS["ink"])
            axes.text(
                102, place, f"{use.used:,} of {use.available:,}", ha="left", va="center", size=10
            )
        axes.set_yticks(range(len(uses)), [use.name for use in uses])
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="used [%]", xlim=(0, 140), xticks=range(0, 101, 20))
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_bounds(0, 100)
    return picture.svg


SECTION = Section(
    anchor="hardware",
    title="On the FPGA",
    kind=Build,
    blocks=_blocks,
    highlights=_highlights,
    missing=lambda network, named: f"python -m hw.build --board ice40 {named}",
)
