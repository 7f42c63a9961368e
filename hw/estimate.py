"""``python -m hw.estimate NETWORK --board B``: what a build would give, before any synthesis."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field

from hw.boards.table import BOARDS, Board, board_names, find_board
from hw.boards.utilisation import Available, Utilisation
from hw.explore import search
from hw.explore.choice import config_on
from hw.explore.measure import Measurement, measure
from hw.explore.resources import ERROR, remedies, resources_of, shortage
from hw.explore.routed import is_routed, read_routed
from hw.rtl.config import Config, engine_names
from sw.cli import UserError, run, table, write_json
from sw.flags import parser, picture_file
from sw.network import CODINGS, Network, find
from sw.record import INLINE, Record
from sw.selection import TRAINED_ON, Selection

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True, kw_only=True)
class Estimate(Record):
    """Size, fit and cycles of a network on a board.

    Parameters
    ----------
    board, network, network_sha256, engine : str
    utilisation : Utilisation
        Its ``logic_cells`` is an estimate (hw/explore/resources.py), the rest is exact.
    fits : bool
    shortage : tuple of str
        Resources that the board lacks.
    remedies : tuple of str
        What would fit.
    clock_mhz : float
        A rough value: what the board's default network reaches.
    routed : bool
        Whether the design is known to route (hw/explore/routed.py).
    measurement : Measurement
        Exact.
    """

    board: str
    network: str
    network_sha256: str
    engine: str
    utilisation: Utilisation = field(metadata=INLINE)
    fits: bool
    shortage: tuple[str, ...]
    remedies: tuple[str, ...]
    clock_mhz: float
    routed: bool
    measurement: Measurement = field(metadata=INLINE)

    def lines(self) -> list[tuple[str, object]]:
        """As human-readable text."""
        lines = [
            ("engine", self.engine),
            *self.utilisation.lines("about "),
            (
                "fmax, roughly",
                f"{self.clock_mhz:g} MHz, as the board's default {BOARDS[self.board].network}",
            ),
            *self.measurement.lines(self.clock_mhz),
        ]
        if self.fits:
            routed = "place and route succeeded" if self.routed else "not routed yet"
            cells = self.utilisation.logic_cells
            above = cells > self.utilisation.available.logic_cells and not self.routed
            sure = f"perhaps: the estimate may be {ERROR:.0%} too high" if above else "yes"
            return [*lines, ("fits", f"{sure}; {routed}")]
        return [
            *lines,
            ("fits", f"no: it needs {' and '.join(self.shortage)}"),
            *(("would fit", remedy) for remedy in self.remedies),
        ]


def estimate(
    network: Network, board: Board, data: Selection = TRAINED_ON, config: Config | None = None
) -> Estimate:
    """Size, fit and cycles of ``network`` on ``board``, before any synthesis; unless ``config``
    says how, as it is made there by default (hw/explore/choice.py).
    """
    config = config or config_on(network, board, None)
    needed = resources_of(network, config)
    short = shortage(needed, board)
    block_rams, spram = needed.memories_on(board)
    return Estimate(
        board=board.name,
        network=network.name,
        network_sha256=network.sha256,
        engine=config.name,
        utilisation=Utilisation(
            logic_cells=needed.logic_cells(board.family),
            ebr=block_rams,
            spram=spram,
            available=Available.on(board),
        ),
        fits=not short,
        shortage=tuple(short),
        remedies=tuple(remedies(network, needed, board) if short else ()),
        clock_mhz=board.clock / 1e6,
        routed=is_routed(board.name, network.sha256, config.name, read_routed()),
        measurement=measure(network, data, config),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser(
        "Estimate a network on a board, before any synthesis.",
        dataset="the one the network was trained on",
    )
    options.add_argument("network", nargs="?", help="path or zoo name (default: the board's)")
    options.add_argument("--board", help=f"{board_names()} (default of a search: all)")
    options.add_argument("--engine", help=f"auto (design-space exploration), or {engine_names()}")
    search.add_flags(options)
    options.add_argument(
        "--picture", metavar="FILE", type=picture_file, help="plot the result of a search"
    )
    args = options.parse_args(arguments)
    board = find_board(args.board) if args.board else None
    if search.asked(args):
        _search(args, board)
        return
    if args.picture:
        raise UserError("--picture: plots the result of a search; add --engine auto or a limit")
    if board is None:
        raise UserError(f"--board is missing; name one of {board_names()}")
    network = find(args.network or board.network, codings=CODINGS)
    report = estimate(network, board, Selection.of(args), config_on(network, board, args.engine))
    if args.json:
        write_json(args.json, report)
    if args.quiet:
        return
    title = [
        ("network", f"{network.title}, {network.structure}, {network.steps} steps"),
        ("board", f"{board.name} ({board.part})"),
    ]
    print(table([*title, *report.lines()]))


def _search(args: argparse.Namespace, board: Board | None) -> None:
    """Prints, writes and draws the Pareto front."""
    log = (lambda text: None) if args.quiet else (lambda text: print(text, flush=True))
    candidates = search.from_flags(args, board, log)
    front, chosen = search.front(candidates), candidates[0]
    if args.json:
        write_json(args.json, search.proposals(front, chosen))
    if args.picture:
        search.picture(args.picture, front, chosen)
    log(search.report(front, chosen))


if __name__ == "__main__":
    run(main)
