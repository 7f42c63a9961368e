"""Design-space exploration: which network of the zoo, engine and board serve a goal best.

``python -m hw.estimate --engine auto`` prints and draws the Pareto front; ``hw.build`` with
the same flags builds the best that place and route can make. Nothing is synthesised: cells are the
estimate of hw/explore/resources.py, block RAMs and cycles are exact, and the clock is the board's
usual one.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hw.boards.table import BOARDS, Board
from hw.explore.choice import fitting
from hw.explore.measure import Observation
from hw.explore.resources import Resources, resources_of, shortage
from hw.explore.routed import Routed, is_routed, read_routed
from hw.rtl.config import Config, default_config, find_config, whole_configs
from sw.cli import UserError
from sw.flags import fraction, positive_float, positive_int
from sw.network import CODINGS, Network, find, zoo_names
from sw.pictures import drawn
from sw.record import Record
from sw.selection import TRAINED_ON, Selection

__all__ = [
    "GOALS",
    "Candidate",
    "Limits",
    "Proposal",
    "Proposals",
    "add_flags",
    "asked",
    "chosen_by_goal",
    "from_flags",
    "front",
    "picture",
    "proposals",
    "ranked",
    "report",
    "search",
]

GOALS = ("latency", "area", "energy")
_DATASET = "mnist"  # of the networks to choose from if none is named
_NAMES = ("network", "engine", "board")  # columns of a report, then those of its figures
_FIGURES = ("accuracy", "cells", "RAMs", "cycles", "worst", "µs", "work")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits that a candidate must meet.

    Parameters
    ----------
    cells : int, or None
        Logic cells, at most.
    cycles : float, or None
        Mean latency, at most, in cycles from the last pixel (of events: the first) to the result.
    accuracy : float 0 … 1, or None
        Strict, on the test images, at least.
    """

    cells: int | None = None
    cycles: float | None = None
    accuracy: float | None = None

    def __str__(self) -> str:
        named = (
            ("at most {:,} logic cells", self.cells),
            ("at most {:g} cycles", self.cycles),
            ("at least {:.2%} accuracy", self.accuracy),
        )
        return " and ".join(text.format(value) for text, value in named if value is not None)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network with an engine on a board that it fits.

    Parameters
    ----------
    network : Network
    config : Config
    board : Board
    cells, memories : int
        Logic cells (estimated) and block RAMs.
    accuracy : float
        Strict, on the test images.
    cycles_mean, cycles_max : float
        Latency, from the last pixel to the result; of events, from the first.
    routed : bool
        It is known to route (hw/explore/routed.py).
    """

    network: Network
    config: Config
    board: Board
    cells: int
    memories: int
    accuracy: float
    cycles_mean: float
    cycles_max: int
    routed: bool = False

    @property
    def microseconds(self) -> float:
        """Mean latency at the board's usual clock."""
        return self.cycles_mean * 1e6 / self.board.clock

    @property
    def work(self) -> float:
        """Thousand logic cells times cycles per image, including its pixel input: a measure of
        energy while the activity is unknown (hw/energy.py counts it).
        """
        loading = self.config.input(self.network).load_cycles
        return self.cells * (loading + self.cycles_mean) / 1000

    def cost(self, goal: str) -> float:
        """The figure that ``goal`` minimises."""
        costs = {"latency": self.microseconds, "area": self.cells, "energy": self.work}
        return costs[goal]

    def keeps(self, limits: Limits) -> bool:
        """Whether it stays within ``limits``."""
        return (
            (limits.cells is None or self.cells <= limits.cells)
            and (limits.cycles is None or self.cycles_mean <= limits.cycles)
            and (limits.accuracy is None or self.accuracy >= limits.accuracy)
        )


def search(
    networks: Iterable[Network],
    boards: Iterable[Board],
    *,
    configs: Callable[[Network], Iterable[Config]] = whole_configs,
    data: Selection = TRAINED_ON,
    log: Callable[[str], None] = print,
) -> list[Candidate]:
    """Every network with each of its ``configs`` that supports it on every board that it fits.

    Raises
    ------
    UserError
        A network's data set is not available.
    """
    result: list[Candidate] = []
    boards = list(boards)
    known = read_routed()
    for network in networks:
        observation = Observation(network, data)
        for config in configs(network):
            try:
                needed = resources_of(network, config)
            except UserError:
                continue  # this engine does not support this network
            fitting = [board for board in boards if not shortage(needed, board)]
            if not fitting:
                continue
            log(f"{network.title} with {config.name} …")
            observation = observation.with_config(config)
            result += _candidates(observation, needed, fitting, known)
    return result


def _candidates(
    observation: Observation, needed: Resources, boards: Iterable[Board], known: Iterable[Routed]
) -> Iterator[Candidate]:
    """One for each of ``boards``, which it fits."""
    network, config, measured = observation.network, observation.config, observation.measurement
    if measured.accuracy is None:
        raise UserError(f"network {network.name!r}: {measured.note}")
    assert measured.cycles_mean is not None
    assert measured.cycles_max is not None
    for board in boards:
        yield Candidate(
            network=network,
            config=config,
            board=board,
            cells=needed.logic_cells(board.family),
            memories=needed.memories_on(board)[0],
            accuracy=measured.accuracy,
            cycles_mean=measured.cycles_mean,
            cycles_max=measured.cycles_max,
            routed=is_routed(board.name, network.sha256, config.name, known),
        )


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The Pareto-optimal ones in accuracy, cells, latency and work."""
    ranks = [_rank(candidate) for candidate in candidates]
    return [
        candidate
        for candidate, own in zip(candidates, ranks, strict=True)
        if not any(
            other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in ranks
        )
    ]


def _rank(candidate: Candidate) -> tuple[float, ...]:
    """The figures to minimise, in the order that breaks ties between candidates."""
    return -candidate.accuracy, candidate.cells, candidate.microseconds, candidate.work


def ranked(candidates: Sequence[Candidate], goal: str, within: Limits) -> list[Candidate]:
    """Those within the limits, the best for ``goal`` first; equal ones by accuracy, then by cells,
    then by time.

    Raises
    ------
    UserError
        None meets the limits; it names the best value for each.
    """
    keeping = [candidate for candidate in candidates if candidate.keeps(within)]
    if keeping:
        return sorted(keeping, key=lambda c: (c.cost(goal), *_rank(c)))
    if not candidates:
        raise UserError("no network fits; name a larger --board, or a smaller network")
    raise UserError(
        f"no design that fits has {within}; the best for each alone are "
        f"{min(c.cells for c in candidates):,} logic cells, "
        f"{min(c.cycles_mean for c in candidates):.1f} cycles, "
        f"{max(c.accuracy for c in candidates):.2%}: relax one, or name another --board"
    )


def add_flags(options: argparse.ArgumentParser) -> None:
    """The flags of a search, beside ``--engine``, which may then be ``auto``."""
    options.add_argument("--goal", choices=GOALS, help="what to minimise (default: latency)")
    options.add_argument(
        "--max-lc", metavar="N", type=positive_int, help="upper limit on logic cells"
    )
    options.add_argument(
        "--max-cycles", metavar="N", type=positive_float, help="upper limit on mean cycles"
    )
    options.add_argument(
        "--min-accuracy",
        metavar="A",
        type=fraction,
        help="lower limit on strict test accuracy, such as 0.97; chooses among the zoo's networks",
    )


def _limits(args: argparse.Namespace) -> Limits:
    """The limits that the flags name. Raises :class:`UserError` for one out of its range."""
    for name, value in (("--max-lc", args.max_lc), ("--max-cycles", args.max_cycles)):
        if value is not None and value <= 0:
            raise UserError(f"{name} must be above 0, not {value:g}")
    if args.min_accuracy is not None and not 0 <= args.min_accuracy <= 1:
        raise UserError(f"--min-accuracy must be in 0 … 1, not {args.min_accuracy:g}")
    return Limits(cells=args.max_lc, cycles=args.max_cycles, accuracy=args.min_accuracy)


def _networks(name: str | None, board: Board | None) -> list[Network]:
    """The network of that name, or those of the zoo for the data set of the board's own."""
    if name is not None:
        return [find(name, codings=CODINGS)]
    dataset = find(board.network).provenance["dataset"] if board else _DATASET
    ours = map(find, zoo_names(codings=("first-spike",)))
    return [network for network in ours if network.provenance["dataset"] == dataset]


def asked(args: argparse.Namespace) -> bool:
    """Whether the flags ask for a search."""
    given = (args.goal, args.max_lc, args.max_cycles, args.min_accuracy)
    return args.engine == "auto" or any(value is not None for value in given)


def _configs(network: Network, engine: str | None, board: Board | None) -> list[Config]:
    """What ``--engine`` says; those that cannot make ``network`` are left out later."""
    if engine == "auto":
        return whole_configs(network)
    if engine is not None:
        return [find_config(engine)]
    return [(fitting(network, board) if board else None) or default_config(network)]


def from_flags(
    args: argparse.Namespace, board: Board | None, log: Callable[[str], None]
) -> list[Candidate]:
    """What the flags ask for: the candidates within the limits, the best first.

    ``args`` also has ``network`` (a name, or None for the zoo's), ``engine`` and those that
    say which data; without ``board`` all boards are tried.
    """
    within = _limits(args)
    found = search(
        _networks(args.network, board),
        [board] if board else BOARDS.values(),
        configs=lambda network: _configs(network, args.engine, board),
        data=Selection.of(args),
        log=log,
    )
    return ranked(found, args.goal or GOALS[0], within)


def chosen_by_goal(
    board: Board, data_dir: Path | None, log: Callable[[str], None]
) -> list[Candidate]:
    """What the exploration chooses of the zoo on ``board`` for each goal, with no limit and as
    accurate as the board's own network.
    """
    found = search(_networks(None, board), [board], data=Selection(data_dir=data_dir), log=log)
    own = max(c.accuracy for c in found if c.network.name == board.network)
    limits = (Limits(), Limits(accuracy=own))
    return [ranked(found, goal, within)[0] for goal in GOALS for within in limits]


def report(candidates: Sequence[Candidate], chosen: Candidate) -> str:
    """The candidates as a readable table, the chosen one marked, and those not known to route."""
    ordered = sorted(candidates, key=lambda c: (c.microseconds, c.cells))
    rows = [_NAMES + _FIGURES]
    rows += [
        (
            c.network.title,
            c.config.name,
            c.board.name,
            f"{c.accuracy:.2%}",
            f"{c.cells:,}",
            f"{c.memories}",
            f"{c.cycles_mean:.1f}",
            f"{c.cycles_max}",
            f"{c.microseconds:.2f}",
            f"{c.work:,.0f}",
        )
        for c in ordered
    ]
    # A column is as wide as its longest entry: names and figures of any length stay apart
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *lines = (
        "  ".join(
            text.ljust(width) if place < len(_NAMES) else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    marked = (
        f"{'*' if c == chosen else ' '} {line}{'' if c.routed else '  not routed yet'}"
        for c, line in zip(ordered, lines, strict=True)
    )
    return "\n".join([f"  {head}", *marked])


@dataclass(frozen=True, kw_only=True)
class Proposal(Record):
    """A candidate as it is reported."""

    network: str
    engine: str
    board: str
    accuracy: float
    logic_cells: int
    ebr: int
    cycles_mean: float
    cycles_max: int
    clock_mhz: float
    microseconds_mean: float
    routed: bool
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Proposals(Record):
    """What is worth having."""

    front: tuple[Proposal, ...]


def proposals(candidates: Sequence[Candidate], chosen: Candidate) -> Proposals:
    """The report of these candidates."""
    return Proposals(
        front=tuple(
            Proposal(
                network=c.network.name,
                engine=c.config.name,
                board=c.board.name,
                accuracy=c.accuracy,
                logic_cells=c.cells,
                ebr=c.memories,
                cycles_mean=c.cycles_mean,
                cycles_max=c.cycles_max,
                clock_mhz=c.board.clock / 1e6,
                microseconds_mean=c.microseconds,
                routed=c.routed,
                chosen=c == chosen,
            )
            for c in candidates
        )
    )


def picture(path: Path, candidates: Sequence[Candidate], chosen: Candidate) -> None:
    """The candidates by logic cells and time, coloured by accuracy."""
    with drawn(path, (7, 4.5)) as figure:
        axes = figure.subplots()
        points = axes.scatter(
            [c.cells for c in candidates],
            [c.microseconds for c in candidates],
            c=[100 * c.accuracy for c in candidates],
            s=[120 if c == chosen else 40 for c in candidates],
            edgecolors="black",
        )
        for c in candidates:
            axes.annotate(
                f"{c.board.name}, {c.config.name}",
                (c.cells, c.microseconds),
                xytext=(6, 3),
                textcoords="offset points",
                size=7,
            )
        figure.colorbar(points, label="accuracy, strict [%]")
        axes.set(xscale="log", yscale="log", xlabel="logic cells", ylabel="mean latency [µs]")
        axes.grid(visible=True, which="both", alpha=0.3)
