"""The comparison of hardware and golden model."""

from collections.abc import Iterator
from dataclasses import dataclass

from sw.network import Network
from sw.reports.blocks import Block, Facts, Highlight, Note
from sw.reports.distribution import latency
from sw.reports.result import Histogram, Result
from sw.reports.sections.base import Section

__all__ = ["SECTION", "Verification"]


@dataclass(frozen=True, kw_only=True)
class Verification(Result):
    """What ``sim.verify`` found.

    Parameters
    ----------
    dataset, engine : str
    target : str
        ``rtl``, or ``netlist`` of the synthesis for iCE40.
    images : int
        Examples that were to be compared.
    difference : str or None
        The first difference, None if all is equal.
    hidden_units_compared : int
        Hidden units whose spike times were compared, too.
    cycles : Histogram or None
        Of the latency, by an idle core; None if there is a difference.
    cycles_from : str
        The event from which they are counted.
    interval_cycles_mean : float or None
        Cycles per example back to back.
    stalls : float
        Probability of a pause after each item and each answer, in the second pass.
    seed : int
    """

    kind = "verification"

    dataset: str
    engine: str
    target: str
    images: int
    difference: str | None
    hidden_units_compared: int
    cycles: Histogram | None
    cycles_from: str
    interval_cycles_mean: float | None
    stalls: float
    seed: int

    @property
    def variant(self) -> str:
        return "-".join([self.target, self.engine, self.dataset])

    @property
    def what(self) -> str:
        """What was compared with the golden model."""
        return "RTL" if self.target == "rtl" else "iCE40 netlist"


def _highlights(network: Network, result: Verification) -> Iterator[Highlight]:
    equal = result.difference is None
    yield Highlight(
        name=f"{result.what} against golden model",
        value="equal" if equal else "differs",
        note=f"{result.images:,} test examples, engine {result.engine}",
    )


def _blocks(network: Network, result: Verification) -> Iterator[Block]:
    examples = f"{result.images:,} test examples of {result.dataset}"
    if result.difference is None:
        compared = "class, decision step and margin"
        if units := result.hidden_units_compared:
            compared = f"class, decision step, margin and spike times of all {units:,} hidden units"
        yield Note(
            text=f"Golden model = {result.what}: {compared} are equal for each of {examples}.",
            tone="good",
        )
    else:
        yield Note(
            text=f"Golden model and {result.what} differ within {examples}.",
            tone="bad",
            code=result.difference,
        )
    if result.cycles is not None:
        yield latency(
            result.cycles,
            origin=result.cycles_from,
            clock_mhz=None,
            title="Latency, by simulation",
        )
    rows = [("engine", result.engine), ("compared", result.what)]
    if result.interval_cycles_mean is not None:
        rows.append(
            ("initiation interval", f"{result.interval_cycles_mean:.1f} cycles, back to back")
        )
    if result.stalls:
        rows.append(("random pauses", f"{result.stalls:.0%} of items and answers"))
    rows.append(("seed", str(result.seed)))
    yield Facts(rows=rows)


SECTION = Section(
    anchor="verification",
    title="Verification",
    kind=Verification,
    blocks=_blocks,
    highlights=_highlights,
    missing=lambda network, named: f"python -m sim.verify {named}",
)
