"""Verifies a network's hardware against the golden model, image by image.

``python -m sim.verify NETWORK`` compiles the exported Verilog, streams the test images of the
network's data set through it twice, and compares class, decision step, margin and the spike time of
every hidden unit up to the decision with the golden model's. The first pass offers each image to an
idle core and measures its latency; the second streams images back to back and measures the
initiation interval. What it finds is added to the network's report page.

Exit status: 0 all equal, 1 a difference (shown), 2 it could not be run.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np

from hw.rtl.config import config_for, engine_names
from hw.rtl.inputs.registry import find_input
from sim.verilator import tool
from sim.verilator.compare import Compared, Measured, MismatchError, compare
from sim.verilator.simulator import CoreError
from sw.cli import check_output, run, write_json
from sw.data import registry
from sw.encoder import Inputs
from sw.flags import parser, positive_int, share
from sw.network import CODINGS, Network, find
from sw.reports.page import publish
from sw.reports.result import Histogram, command_line, folder_of, portable, versions_of
from sw.reports.sections.answers import evaluation_of
from sw.reports.sections.evaluation import Evaluation
from sw.reports.sections.values import Values
from sw.reports.sections.verification import Verification
from sw.selection import Selection

__all__ = ["Report", "main"]

_NETLIST_IMAGES = 100


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What was compared, and with what.

    Parameters
    ----------
    network, network_sha256, dataset, engine : str
        The network, its content, the name of the data set, the engines as the command names them.
    target : str
        ``rtl``, or ``netlist`` of the synthesis for iCE40.
    images : int
        Images or recordings.
    stalls : float
        Probability of a pause after each item and each answer, in the second pass.
    seed : int
        Of the pauses and of what starts at random.
    verilator : str
        Which one compiled the hardware.
    """

    network: str
    network_sha256: str
    dataset: str
    target: str
    engine: str
    images: int
    stalls: float
    seed: int
    verilator: str


@dataclass(frozen=True, kw_only=True)
class Equal(Measured):
    """No mismatch, and the share of images whose class is right."""

    mismatches: int = 0
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first image for which hardware and golden model differ; the others were not compared."""

    message: str
    mismatches: int = 1
    first_mismatch: int


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The hardware hangs or violates a stream's protocol."""

    message: str
    mismatches: int = 1
    fault: str


Result: TypeAlias = Equal | Difference | Fault


@dataclass(frozen=True)
class Report:
    """What the command writes in JSON."""

    settings: Settings
    result: Result
    seconds: float

    def to_dict(self) -> dict[str, object]:
        """All in one object, without the readable message."""
        whole = {**asdict(self.settings), **asdict(self.result), "seconds": self.seconds}
        whole.pop("message", None)
        return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = parser(
        "Verify a network's hardware against the golden model, image by image.",
        dataset="the one the network was trained on",
        build=True,
        seed=True,
        report=True,
    )
    options.add_argument("network", help="path of a network file, or a name in the zoo")
    options.add_argument(
        "--images",
        metavar="N",
        type=positive_int,
        help=f"the first N test images (default: all; with --netlist {_NETLIST_IMAGES})",
    )
    options.add_argument(
        "--stalls",
        metavar="P",
        type=share,
        default=0.0,
        help="probability of a random pause after each pixel and each answer, in the second pass",
    )
    options.add_argument(
        "--netlist", action="store_true", help="test the netlist synthesised for iCE40 instead"
    )
    options.add_argument("--engine", help=engine_names())
    arguments = sys.argv[1:] if arguments is None else arguments
    args = options.parse_args(arguments)
    check_output(args.build_dir / "verify", folder=True)
    begun = time.monotonic()
    network = find(args.network, codings=CODINGS)
    config = config_for(network, args.engine)
    if not args.no_report:
        check_output(folder_of(network, args.build_dir), folder=True)
    selection = Selection.of(args)
    count = args.images or (_NETLIST_IMAGES if args.netlist else None)
    inputs, labels = registry.load_for(network, selection, count)
    settings = Settings(
        network=network.name,
        network_sha256=network.sha256,
        dataset=registry.name_of(network, selection),
        target="netlist" if args.netlist else "rtl",
        engine=config.name,
        images=len(labels),
        stalls=args.stalls,
        seed=args.seed,
        verilator=tool.find().version,
    )
    try:
        compared = compare(
            network,
            inputs,
            folder=args.build_dir / "verify",
            stalls=args.stalls,
            seed=args.seed,
            netlist=args.netlist,
            config=config,
            progress=not args.quiet,
        )
        accuracy = float(compared.answer.correct(labels).mean())
        result: Result = Equal(**asdict(compared.measured), accuracy=accuracy)
    except MismatchError as difference:
        compared = None
        result = Difference(message=str(difference), first_mismatch=difference.image)
    except CoreError as fault:
        compared = None
        result = Fault(message=f"the core's behaviour is wrong: {fault}", fault=str(fault))
    report = Report(settings, result, seconds=round(time.monotonic() - begun, 2))
    if args.json:
        write_json(args.json, report)
    page = None
    if not args.no_report:
        command = command_line("sim.verify", arguments)
        found = list(_results(network, report, compared, inputs, labels, command))
        page = publish(network, args.network, folder_of(network, args.build_dir), found)
    if not isinstance(result, Equal):
        print(f"error: {result.message}", file=sys.stderr)
        return 1
    if not args.quiet:
        print(_summary(network, report, result))
        if page:
            print(page)
    return 0


def _results(
    network: Network,
    report: Report,
    compared: Compared | None,
    inputs: Inputs,
    labels: np.ndarray,
    command: str,
) -> Iterator[Verification | Evaluation | Values]:
    """What the command adds to the network's report page."""
    settings, result = report.settings, report.result
    versions = versions_of("amaranth", "numpy") | {"verilator": settings.verilator}
    yield Verification(
        network_sha256=settings.network_sha256,
        command=command,
        versions=versions,
        dataset=portable(settings.dataset),
        engine=settings.engine,
        target=settings.target,
        images=settings.images,
        difference=None if isinstance(result, Equal) else result.message,
        hidden_units_compared=compared.measured.hidden_units_compared if compared else 0,
        cycles=Histogram.of(compared.cycles) if compared else None,
        cycles_from=find_input(network.encoder).cycles_from,
        interval_cycles_mean=compared.measured.interval_cycles_mean if compared else None,
        stalls=settings.stalls,
        seed=settings.seed,
    )
    if compared is not None:
        yield evaluation_of(
            network,
            inputs,
            labels,
            compared.answer,
            dataset=settings.dataset,
            command=command,
            versions=versions,
        )


def _summary(network: Network, report: Report, result: Equal) -> str:
    settings = report.settings
    seen = "value" if network.coding == "bistable" else "spike"
    lines = [
        f"{network.title} ({network.structure}, {network.steps} steps): golden model = "
        f"{'RTL' if settings.target == 'rtl' else 'iCE40 netlist'} on {settings.images} "
        f"images of {settings.dataset}",
        "  equal          class, decision step, margin"
        + (f", every hidden {seen}" if result.hidden_units_compared else ""),
        f"  accuracy       {result.accuracy:.2%}",
        f"  cycles         {result.cycles_mean:.1f} mean, {result.cycles_max} worst, "
        f"from {find_input(network.encoder).cycles_from} to the result",
    ]
    if result.interval_cycles_mean:
        lines.append(
            f"  interval       {result.interval_cycles_mean:.1f} cycles per image, back to back"
        )
    return "\n".join([*lines, f"  seconds        {report.seconds}"])


if __name__ == "__main__":
    run(main)
