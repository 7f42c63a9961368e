"""``python -m hw.energy NETWORK``: an estimate of the energy per image on an iCE40 UP5K.

Never measured here: no board was attached. The activity is counted in the netlist, on real images
(sim/verilator/toggles.py); what each toggle costs comes from currents that others measured and
published:

- tinyVision.ai, "iCE40 Power Testing" (github.com/tinyvision-ai-inc/ice40_power): currents of an
  iCE40UP5K-SG48, core at 1.219 V. Blank design 85.6 µA; a clock of 12 MHz with 1, 2, 4 and 8
  counters of 28 bits 613.5, 616.65, 624.2 and 641.3 µA; two counters of 8 bits multiplied in logic
  996 µA, without the multiplier 645 µA; PLL at 16, 32 and 48 MHz 1,419, 2,029 and 2,573 µA, and
  138.6 µA on its own rail.
- M. Horowitz, "Computing's energy problem", ISSCC 2014: 10 pJ for 64 bits from 8 KiB in 45 nm at
  0.9 V; a quarter of the bits at 1.2 V is 4.4 pJ. From 32 KiB, as a single-port RAM has, it is
  twice as much.

A block RAM takes the energy of an access in a cycle whose clock enable is set, and nothing else:
RCLKE and WCLKE (Lattice TN1250, "Memory Usage Guide for iCE40 Devices"), where Yosys puts the
enables of reads and writes. The clock up to there is part of the clock trunk.

A counter of 28 bits toggles two wires per cycle. The multiplier toggles 38.4 (its netlist, counted
as ours) but also glitches, which the count does not see. So a toggle costs between the two; we take
the geometric mean.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hw.boards.clock import check_clock, needs_pll
from hw.boards.table import find_board
from hw.explore.choice import config_on
from hw.explore.resources import check_fit
from hw.rtl.config import Config, default_config, engine_names
from sw.cli import UserError, check_output, run, table, write_json
from sw.encoder import ImageEncoder
from sw.flags import megahertz, parser, positive_int
from sw.network import CODINGS, Network, find
from sw.record import Record
from sw.reports.page import publish
from sw.reports.result import command_line, folder_of, versions_of
from sw.reports.sections.energy import Energy, Part
from sw.selection import TRAINED_ON, Selection

if TYPE_CHECKING:
    from sim.verilator.toggles import Activity

__all__ = ["COEFFICIENTS", "EnergyReport", "Range", "energy", "measure"]

_VOLTS = 1.219
_COUNTER = (641.3 - 613.5) / 7 / 12 * _VOLTS  # pJ per cycle, of one more counter of 28 bits
_MULTIPLIER = (996 - 645) / 12 * _VOLTS  # pJ per cycle
_MULTIPLIER_CHANGES = 38.4


@dataclass(frozen=True)
class Range(Record):
    """An estimate with what it may be at least and at most."""

    value: float
    low: float
    high: float

    def scaled(self, amount: float) -> "Range":
        """All three by ``amount``."""
        return Range(self.value * amount, self.low * amount, self.high * amount)

    def __add__(self, other: "Range") -> "Range":
        return Range(self.value + other.value, self.low + other.low, self.high + other.high)


_LEAST, _MOST = _COUNTER / 2, _MULTIPLIER / _MULTIPLIER_CHANGES

COEFFICIENTS = {
    # pJ: toggle of a wire; cycle of a flip-flop's clock, nothing or all that a counter takes
    "wire": Range((_LEAST * _MOST) ** 0.5, _LEAST, _MOST),
    "flip_flop": Range(_COUNTER / 28 / 2, 0.0, _COUNTER / 28),
    # pJ: cycle of the clock trunk; access of a block RAM and of a single-port RAM, within a factor
    # of two
    "clock": Range(1.0, 0.8, 1.2).scaled((613.5 - 85.6) / 12 * _VOLTS),
    "access": Range(1.0, 0.5, 2.0).scaled(4.4),
    "single_access": Range(1.0, 0.5, 2.0).scaled(8.9),
    # µW: the part's static power; the PLL without the clock that it drives, and its own rail
    "rest": Range(1.0, 0.8, 2.0).scaled(85.6 * _VOLTS),
    "pll": Range(1.0, 0.8, 1.2).scaled((1419 - 16 * (2573 - 1419) / 32 - 85.6 + 138.6) * _VOLTS),
}


def energy(
    activity: "Activity",
    *,
    clock: float,
    pll: bool = True,
) -> dict[str, Range]:
    """Energy per image in nJ, by what takes it; ``core`` is the sum of all but the PLL, and with
    that ``total``.

    Parameters
    ----------
    activity : sim.verilator.toggles.Activity
        Of a core, with images.
    clock : Hz
        Matters only for what flows without activity.
    pll : bool
        A PLL makes the clock.
    """
    cycles = activity.cycles / activity.images
    flip_flops = sum(activity.flip_flops.values())
    picojoules = {
        "clock": cycles,
        "flip_flop": cycles * flip_flops,
        "wire": sum(activity.wires.values()) / activity.images,
        "access": sum(activity.accesses.values()) / activity.images,
    }
    if activity.single_accesses:
        picojoules["single_access"] = sum(activity.single_accesses.values()) / activity.images
    parts = {name: COEFFICIENTS[name].scaled(1e-3 * n) for name, n in picojoules.items()}
    parts["rest"] = COEFFICIENTS["rest"].scaled(1e3 * cycles / clock)
    core = sum(parts.values(), start=Range(0.0, 0.0, 0.0))
    locking = COEFFICIENTS["pll"].scaled(1e3 * cycles / clock * pll)
    return parts | {"core": core, "pll": locking, "total": core + locking}


_TITLES = {
    "clock": "clock trunk",
    "flip_flop": "clock, flip-flops",
    "wire": "wires",
    "access": "block RAMs",
    "single_access": "single-port RAMs",
    "rest": "static",
    "core": "core, estimate",
    "pll": "PLL, estimate",
    "total": "total, estimate",
}


@dataclass(frozen=True, kw_only=True)
class EnergyReport(Record):
    """The estimate for a network on the UP5K.

    Parameters
    ----------
    clock_mhz : float
    network, network_sha256 : str
    engine : str
        Empty where it is the usual one.
    images : int
        Number of test images counted.
    cycles_mean : float
        Per image, including its pixel input.
    wires_mean, accesses_mean : dict of str to float
        Toggles of wires and accesses of block RAMs per image, by block.
    energy_nanojoules : dict of str to Range
        Per image, see :func:`energy`.
    note : str
    single_accesses_mean : float
        Accesses of single-port RAMs per image.
    """

    clock_mhz: float
    network: str
    network_sha256: str
    images: int
    cycles_mean: float
    wires_mean: dict[str, float]
    accesses_mean: dict[str, float]
    energy_nanojoules: dict[str, Range]
    note: str
    engine: str = ""
    single_accesses_mean: float = 0.0

    @classmethod
    def of(
        cls,
        network: Network,
        activity: "Activity",
        *,
        clock: float,
        pll: bool,
        engine: str = "",
    ) -> "EnergyReport":
        """That of a network's activity at ``clock`` Hz."""
        images = activity.images
        return cls(
            clock_mhz=clock / 1e6,
            network=network.name,
            network_sha256=network.sha256,
            images=images,
            cycles_mean=activity.cycles / images,
            wires_mean={block: n / images for block, n in activity.wires.items()},
            accesses_mean={block: n / images for block, n in activity.accesses.items()},
            energy_nanojoules=energy(activity, clock=clock, pll=pll),
            note="an estimate, from published currents; nothing was measured on a board",
            engine=engine,
            single_accesses_mean=sum(activity.single_accesses.values()) / images,
        )

    def lines(self) -> list[tuple[str, str]]:
        """As human-readable text."""
        most = sorted(self.wires_mean.items(), key=lambda item: -item[1])[:4]
        wires = ", ".join(f"{block or 'top'} {count:,.0f}" for block, count in most)
        return [
            (
                "activity",
                f"{self.images} test images back to back, {self.cycles_mean:.1f} cycles each",
            ),
            (
                "wire toggles",
                f"{sum(self.wires_mean.values()):,.0f} per image: {wires}, …",
            ),
            (
                "RAM accesses",
                f"{sum(self.accesses_mean.values()):,.0f} per image"
                + (
                    f", SPRAM {self.single_accesses_mean:,.0f}" if self.single_accesses_mean else ""
                ),
            ),
            *(
                (
                    _TITLES[name],
                    f"{part.value:6.1f} nJ per image ({part.low:.1f} … {part.high:.1f})",
                )
                for name, part in self.energy_nanojoules.items()
            ),
        ]

    def result(self, command: str) -> Energy:
        """As it stands on the network's report page."""
        parts = {
            key: Part(name=_TITLES[key].removesuffix(", estimate"), **asdict(part))
            for key, part in self.energy_nanojoules.items()
        }
        return Energy(
            network_sha256=self.network_sha256,
            command=command,
            versions=versions_of("amaranth", "numpy"),
            device="iCE40 UP5K",
            clock_mhz=self.clock_mhz,
            images=self.images,
            cycles_mean=self.cycles_mean,
            parts=tuple(part for key, part in parts.items() if key not in ("core", "total")),
            core=parts["core"],
            total=parts["total"],
            note=self.note,
            engine=self.engine,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser(
        "Estimate a network's energy on an iCE40 UP5K.",
        dataset="the one the network was trained on",
        build=True,
        report=True,
    )
    options.add_argument("network", nargs="?", help="path or zoo name (default: the board's)")
    options.add_argument("--engine", help=engine_names())
    options.add_argument(
        "--images",
        metavar="N",
        type=positive_int,
        default=22,
        help="test images, of which the first two are not counted (default: %(default)s)",
    )
    options.add_argument(
        "--clock",
        metavar="MHZ",
        type=megahertz,
        help="clock; at the crystal's 12 MHz no PLL is used (default: the board's)",
    )
    arguments = sys.argv[1:] if arguments is None else arguments
    args = options.parse_args(arguments)
    check_output(args.build_dir / "verify", folder=True)
    board = find_board("icebreaker")
    clock = board.clock if args.clock is None else check_clock(board, args.clock)
    network = find(args.network or board.network, codings=CODINGS)
    config = config_on(network, board, args.engine)
    check_fit(network, board, config)
    if not args.no_report:
        check_output(folder_of(network, args.build_dir), folder=True)
    activity = measure(
        network, args.images, build_dir=args.build_dir, data=Selection.of(args), config=config
    )
    usual = config == default_config(network)
    report = EnergyReport.of(
        network,
        activity,
        clock=clock,
        pll=needs_pll(board, clock),
        engine="" if usual else config.name,
    )
    if args.json:
        write_json(args.json, report)
    if not args.quiet:
        title = ("network", f"{network.title}, {network.structure}, {network.steps} steps")
        print(table([title, *report.lines()]))
    if not args.no_report:
        result = report.result(command_line("hw.energy", arguments))
        named, folder = args.network or network.name, folder_of(network, args.build_dir)
        line = publish(network, named, folder, [result])
        if not args.quiet:
            print(line)


def measure(
    network: Network,
    images: int,
    *,
    build_dir: Path,
    data: Selection = TRAINED_ON,
    config: Config | None = None,
) -> "Activity":
    """The activity of a network's core on the first ``images`` test images of its data set, or
    of the one that ``data`` names.
    """
    from sim.verilator.toggles import core_activity
    from sw.data.registry import load_for

    if not isinstance(network.encoder, ImageEncoder):
        raise UserError(
            f"network {network.name!r} takes {network.encoder.examples}; energy is estimated on "
            "images"
        )
    inputs, _ = load_for(network, data, images)
    assert isinstance(inputs, np.ndarray)
    return core_activity(network, inputs, folder=build_dir / "verify", config=config)


if __name__ == "__main__":
    run(main)
