"""Delays, transitions and capacitances of a cell, and what its flip-flop asks for."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hw.flow.asic.sky130.cells import Arc, Cell
from hw.flow.asic.sky130.circuit import VOLTS, Transient, ramp, simulate
from hw.flow.errors import ToolFailedError
from sw.record import Record

__all__ = ["SLEWS", "Characterised", "Constraint", "Delays", "Table", "characterise", "loads_of"]

Table = tuple[tuple[float, ...], ...]

SLEWS = (0.01, 0.04, 0.12, 0.4, 1.0)  # ns, from 20 % to 80 %
_LOADS = (0.5, 3.0, 12.0, 50.0)  # fF, all but the first times the cell's drive
_CHOOSING = (0.12, 3.0)  # where the slowest levels of other inputs are looked for
_CONSTRAINT_SLEWS = (0.04, 0.12, 0.4)
_LATER = 1.1  # an edge that makes the flip-flop slower than that comes too late
_STEPS = 8  # halvings of the span in which setup or hold time is looked for
_SPAN = {"setup": (-0.4, 0.8), "hold": (-0.8, 0.4)}  # ns


@dataclass(frozen=True, kw_only=True)
class Delays(Record):
    """From an input to an output, in ns; of a flip-flop from CLK to Q.

    Parameters
    ----------
    pin, output : str
    rising : bool
        A rising input makes the output rise; else fall.
    rise, fall, rise_transition, fall_transition : tables
        Of the output, by the input's transition (:data:`SLEWS`) and its load (:func:`loads_of`).
    """

    pin: str
    output: str
    rising: bool
    rise: Table
    fall: Table
    rise_transition: Table
    fall_transition: Table


@dataclass(frozen=True, kw_only=True)
class Constraint(Record):
    """What D must keep to around the rising edge of CLK, in ns.

    Parameters
    ----------
    kind : "setup" or "hold"
    slews : tuple of float
        Transitions of CLK, and of D.
    rise, fall : tables
        For that edge of D, by the transitions of CLK and of D.
    """

    kind: str
    slews: tuple[float, ...]
    rise: Table
    fall: Table


@dataclass(frozen=True, kw_only=True)
class Characterised(Record):
    """A cell.

    Parameters
    ----------
    cell : str
    capacitances : dict of str to float
        Of each input, in fF: the charge of an edge over the supply, mean of both edges.
    delays : tuple of Delays
    constraints : tuple of Constraint
    simulations : int
    """

    cell: str
    capacitances: dict[str, float]
    delays: tuple[Delays, ...]
    constraints: tuple[Constraint, ...]
    simulations: int


def loads_of(cell: Cell) -> tuple[float, ...]:
    """Loads in fF at which the cell is characterised."""
    return (_LOADS[0], *(cell.drive * load for load in _LOADS[1:]))


def characterise(cell: Cell, text: str, folder: Path) -> Characterised:
    """Characterises a cell, whose circuit is ``text``.

    Raises
    ------
    ToolFailedError
        ngspice fails, or an output does not do what the cell's function says.
    """
    run = _Runs(cell, text, folder)
    return _flip_flop(cell, run) if cell.is_flip_flop else _gate(cell, run)


class _Runs:
    """Simulations of one cell, counted."""

    def __init__(self, cell: Cell, text: str, folder: Path) -> None:
        self.cell, self.text, self.folder = cell, text, folder
        self.count = 0

    def all(self, transients: Sequence[Transient]) -> list[dict[str, float]]:
        """What each measures; all edges that are asked for must come."""
        found = self.any(transients)
        for each, values in zip(transients, found, strict=True):
            missing = [name for name in each.measures if name not in values]
            if missing:
                raise ToolFailedError(
                    "ngspice",
                    f"{self.cell.name}: no {missing[0]}, which its function asks for",
                    self.folder / "ngspice.log",
                )
        return found

    def any(self, transients: Sequence[Transient]) -> list[dict[str, float]]:
        """The same; edges may fail to come."""
        self.count += len(transients)
        found = simulate(self.text, transients, self.folder)
        if len(found) != len(transients):
            raise ToolFailedError("ngspice", "it stopped early", self.folder / "ngspice.log")
        return found


def _gate(cell: Cell, run: _Runs) -> Characterised:
    groups: dict[tuple[str, str, bool], list[Arc]] = defaultdict(list)
    for arc in cell.arcs():
        groups[arc.pin, arc.output, arc.rising].append(arc)
    slew, load = _CHOOSING
    arcs = [arc for group in groups.values() for arc in group]
    first = run.all([_edges(cell, arc, slew, cell.drive * load) for arc in arcs])
    speed = {arc: values["rise"] + values["fall"] for arc, values in zip(arcs, first, strict=True)}
    slowest = [max(group, key=speed.__getitem__) for group in groups.values()]
    points = [(slew, load) for slew in SLEWS for load in loads_of(cell)]
    found = run.all([_edges(cell, arc, slew, load) for arc in slowest for slew, load in points])
    delays = [
        _delays(arc, found[index * len(points) : (index + 1) * len(points)])
        for index, arc in enumerate(slowest)
    ]
    charges = defaultdict(list)
    for arc, values in zip(arcs, first, strict=True):
        charges[arc.pin].append((abs(values["charge_up"]) + abs(values["charge_down"])) / 2)
    return Characterised(
        cell=cell.name,
        capacitances={pin: 1e15 * sum(each) / len(each) / VOLTS for pin, each in charges.items()},
        delays=tuple(delays),
        constraints=(),
        simulations=run.count,
    )


def _edges(cell: Cell, arc: Arc, slew: float, load: float) -> Transient:
    """An input goes up and down."""
    settle = 0.6 + 0.12 * load / cell.drive
    up = 0.1 + slew
    down = up + 2 * slew + settle
    stop = down + slew + settle
    edges = ("rise", "fall") if arc.rising else ("fall", "rise")
    pin, output = arc.pin, arc.output
    inputs = {other: [(0.0, VOLTS * level)] for other, level in arc.others}
    return Transient(
        inputs={**inputs, pin: [*ramp(up, slew, True), *ramp(down, slew, False)]},
        loads={each: load if each == output else cell.drive for each in cell.outputs},
        stop=stop,
        step=0.004 + 0.02 * slew + 0.0003 * load / cell.drive,
        measures={
            edges[0]: _delay(pin, "rise", output, edges[0]),
            edges[1]: _delay(pin, "fall", output, edges[1]),
            **_transitions(output),
            "charge_up": f"integ i(v{pin}) from=0 to={(up + down) / 2:.6g}n",
            "charge_down": f"integ i(v{pin}) from={(up + down) / 2:.6g}n to={stop:.6g}n",
        },
    )


def _delay(
    pin: str, edge: str, output: str, out_edge: str, count: int = 1, after: float = 0
) -> str:
    half = VOLTS / 2
    return (
        f"trig v({pin}) val={half} {edge}={count} "
        f"targ v({output}) val={half} {out_edge}=1 td={after:.6g}n"
    )


def _transitions(
    output: str, edges: Sequence[str] = ("rise", "fall"), after: float = 0
) -> dict[str, str]:
    low, high = 0.2 * VOLTS, 0.8 * VOLTS
    return {
        f"{edge}_transition": (
            f"trig v({output}) val={first:.3g} {edge}=1 td={after:.6g}n "
            f"targ v({output}) val={last:.3g} {edge}=1 td={after:.6g}n"
        )
        for edge, (first, last) in {"rise": (low, high), "fall": (high, low)}.items()
        if edge in edges
    }


def _delays(arc: Arc, found: Sequence[dict[str, float]]) -> Delays:
    columns = len(_LOADS)

    def table(name: str) -> Table:
        values = [round(1e9 * each[name], 6) for each in found]
        return tuple(
            tuple(values[begin : begin + columns]) for begin in range(0, len(values), columns)
        )

    return Delays(
        pin=arc.pin,
        output=arc.output,
        rising=arc.rising,
        rise=table("rise"),
        fall=table("fall"),
        rise_transition=table("rise_transition"),
        fall_transition=table("fall_transition"),
    )


_FIRST, _RESET, _EDGE = 0.6, 1.6, 3.4  # ns: CLK takes the old value, falls, takes the new one


def _clocked(
    cell: Cell,
    *,
    slews: tuple[float, float],
    load: float,
    value: bool,
    at: float,
    leaves: float | None = None,
) -> Transient:
    """CLK takes first the other value and then this one, which D has from ``at`` on, and until it
    ``leaves``, in ns from CLK's edge; ``slews`` are those of CLK and of D.
    """
    edge = "rise" if value else "fall"
    clock, data = slews
    moves = ramp(_EDGE + at, data, value)
    if leaves is not None:
        moves += ramp(_EDGE + leaves, data, not value)
    stop = _EDGE + 2 + clock + 0.12 * load / cell.drive
    before = _EDGE - clock
    return Transient(
        inputs={
            "CLK": [
                *ramp(_FIRST, 0.04, True),
                *ramp(_RESET, 0.04, False),
                *ramp(_EDGE, clock, True),
            ],
            "D": moves,
        },
        loads={"Q": load},
        stop=stop,
        step=0.006 + 0.01 * clock + 0.0003 * load / cell.drive,
        measures={
            "delay": _delay("CLK", "rise", "Q", edge, count=2, after=before),
            **_transitions("Q", [edge], before),
            "last": f"find v(Q) at={stop - 0.01:.6g}n",
            "charge_clk": f"integ i(vCLK) from=0 to={(_FIRST + _RESET) / 2:.6g}n",
            "charge_d": f"integ i(vD) from={_RESET + 0.3:.6g}n to={stop:.6g}n",
        },
    )


def _flip_flop(cell: Cell, run: _Runs) -> Characterised:
    early = -1.2  # D is there long before
    points = [(slew, load) for slew in SLEWS for load in loads_of(cell)]
    found = {
        edge: run.all(
            [
                _clocked(cell, slews=(slew, 0.04), load=load, value=value, at=early)
                for slew, load in points
            ]
        )
        for edge, value in (("rise", True), ("fall", False))
    }
    both = [
        {
            "rise": up["delay"],
            "fall": down["delay"],
            "rise_transition": up["rise_transition"],
            "fall_transition": down["fall_transition"],
        }
        for up, down in zip(found["rise"], found["fall"], strict=True)
    ]
    charges = found["rise"] + found["fall"]
    slews = [(clock, data) for clock in _CONSTRAINT_SLEWS for data in _CONSTRAINT_SLEWS]
    load = cell.drive * _LOADS[1]

    def transient(kind: str, value: bool, slew: tuple[float, float], time: float) -> Transient:
        if kind == "setup":
            return _clocked(cell, slews=slew, load=load, value=value, at=-time)
        return _clocked(cell, slews=slew, load=load, value=value, at=early, leaves=time)

    return Characterised(
        cell=cell.name,
        capacitances={
            pin: 1e15
            * sum(abs(each[f"charge_{pin.lower()}"]) for each in charges)
            / len(charges)
            / VOLTS
            for pin in cell.inputs
        },
        delays=(_delays(Arc("CLK", "Q", True, ()), both),),
        constraints=tuple(_constraint(run, kind, slews, transient) for kind in ("setup", "hold")),
        simulations=run.count,
    )


def _constraint(
    run: _Runs,
    kind: str,
    slews: Sequence[tuple[float, float]],
    transient: Callable[[str, bool, tuple[float, float], float], Transient],
) -> Constraint:
    """The least time with which Q takes the value, no more than :data:`_LATER` times as late as
    with all the time there is; by halving.
    """
    cases = [(value, slew) for value in (True, False) for slew in slews]
    low, high = ([bound] * len(cases) for bound in _SPAN[kind])

    def tried(times: Sequence[float]) -> list[dict[str, float]]:
        return run.any(
            [transient(kind, *case, time) for case, time in zip(cases, times, strict=True)]
        )

    usual = [each["delay"] for each in tried(high)]
    for _ in range(_STEPS):
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        for index, values in enumerate(tried(middle)):
            right = (values.get("last", 0) > VOLTS / 2) == cases[index][0]
            if right and values.get("delay", 1) <= _LATER * usual[index]:
                high[index] = middle[index]
            else:
                low[index] = middle[index]
    # The edge of D that is bound: it brings the value, or takes it away.
    columns = len(_CONSTRAINT_SLEWS)
    rows = [tuple(high[begin : begin + columns]) for begin in range(0, len(high), columns)]
    of_one, of_zero = tuple(rows[:columns]), tuple(rows[columns:])
    rise, fall = (of_one, of_zero) if kind == "setup" else (of_zero, of_one)
    return Constraint(kind=kind, slews=_CONSTRAINT_SLEWS, rise=rise, fall=fall)
