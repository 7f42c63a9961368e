"""The estimate of the energy per inference, with its range."""

from collections.abc import Iterator
from dataclasses import dataclass

from sw.encoder import LatencyEncoder
from sw.network import Network
from sw.record import Record
from sw.reports.blocks import Block, Figure, Highlight, Note, Table
from sw.reports.result import Result
from sw.reports.sections.base import Section
from sw.reports.svg import COLOURS, drawing

__all__ = ["SECTION", "Energy", "Part"]


@dataclass(frozen=True, kw_only=True)
class Part(Record):
    """What takes energy: nJ per example, and what that may be at least and at most."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Energy(Result):
    """What ``hw.energy`` estimated.

    Parameters
    ----------
    device : str
        The FPGA that it is for.
    clock_mhz : float
    images : int
        Test examples whose activity was counted.
    cycles_mean : float
        Per example, its input included.
    parts : tuple of Part
    core, total : Part
        Sums: without the PLL, and with it.
    note : str
        How it was estimated.
    engine : str
        Empty where it is the usual one.
    """

    kind = "energy"

    device: str
    clock_mhz: float
    images: int
    cycles_mean: float
    parts: tuple[Part, ...]
    core: Part
    total: Part
    note: str
    engine: str = ""

    @property
    def variant(self) -> str:
        return "-".join(filter(None, [self.engine, f"{self.clock_mhz:g}MHz"]))


def _highlights(network: Network, result: Energy) -> Iterator[Highlight]:
    total = result.total
    yield Highlight(
        name="energy, estimated",
        value=f"{total.value:,.0f} nJ",
        note=f"{total.low:,.0f} … {total.high:,.0f} nJ, {result.device} at "
        f"{result.clock_mhz:g} MHz",
    )


def _blocks(network: Network, result: Energy) -> Iterator[Block]:
    total = result.total
    yield Note(
        text=f"An estimate, {result.note.removeprefix('an estimate, ')}: the wires that toggle in "
        f"the netlist on {result.images} test examples, times what each costs on the "
        f"{result.device}."
    )
    yield Figure(
        svg=_bars(result),
        title="Energy per example",
        caption=f"At {result.clock_mhz:g} MHz: {total.value:,.1f} nJ, between {total.low:,.1f} and "
        f"{total.high:,.1f} nJ. The lines are the ranges.",
        description="Energy by part: "
        + ", ".join(f"{part.name} {part.value:.1f} nJ" for part in result.parts)
        + ".",
    )
    yield Table(
        caption="nJ per example",
        head=("part", "estimate", "at least", "at most"),
        rows=[
            (part.name, f"{part.value:,.1f}", f"{part.low:,.1f}", f"{part.high:,.1f}")
            for part in (*result.parts, result.core, total)
        ],
    )


def _bars(result: Energy) -> str:
    parts = [*result.parts, result.total]
    with drawing(0.38 * len(parts) + 0.7) as picture:
        axes = picture.figure.subplots()
        for place, part in enumerate(parts):
            colour = COLOURS["muted" if part is result.total else "accent"]
            axes.barh(place, part.value, 0.6, color=colour)
            axes.plot([part.low, part.high], [place] * 2, color=COLOURS["ink"], linewidth=1.2)
            for end in (part.low, part.high):
                axes.plot([end] * 2, [place - 0.15, place + 0.15], color=COLOURS["ink"])
        axes.set_yticks(range(len(parts)), [part.name for part in parts])
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="nJ per example")
        axes.set_xlim(left=0)
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
    return picture.svg


def _missing(network: Network, named: str) -> str:
    """The command, which takes networks for images."""
    return f"python -m hw.energy {named}" if isinstance(network.encoder, LatencyEncoder) else ""


SECTION = Section(
    anchor="energy",
    title="Energy",
    kind=Energy,
    blocks=_blocks,
    highlights=_highlights,
    missing=_missing,
)
