"""``python -m hw.area [NETWORK[:ENGINE] …]``: accuracy against area in silicon, as a table, as JSON
and as a picture; of the networks that ship for Tiny Tapeout if none is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hw.explore.measure import Observation
from hw.flow.asic.flow import run_flow
from hw.flow.asic.pdk import find_pdk, pdk_names
from hw.flow.asic.tiles import TILES, cells_of, fitting
from hw.rtl.config import silicon_config_for, silicon_engine_names
from sw.cli import run, write_json
from sw.flags import parser, picture_file
from sw.network import find
from sw.pictures import drawn
from sw.record import Record
from sw.selection import TRAINED_ON

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PUBLISHED", "SHIPPED", "Point", "observed", "picture", "point"]

SHIPPED: Sequence[str] = (
    "digits-1x8x8-6c3-f2-10-t1:lines",
    "digits-1x8x8-24c8-10-t1:lines",
    "digits-1x8x8-16c3p1-f2-10-t1:lines",
    "digits-64-32-10-t2:popcount",
    "mnist_16-1x16x16-11c3p1-f2-22c3p1-f2-10-t1:lines",
    "mnist_16-1x16x16-12c3p1-f2-24c3p1-f2-10-t1:lines",
    "mnist_16-1x16x16-16c3p1-f2-32c3p1-f2-10-t1:lines",
    "mnist_16-1x16x16-17c3p1-f2-33c3p1-f2-10-t1:lines",
    "mnist_16-1x16x16-18c3p1-f2-35c3p1-f2-10-t1:lines",
    "mnist_16-1x16x16-20c3p1-f2-40c3p1-f2-10-t1:lines",
    "mnist-1x28x28-16c3p1-f2-32c3p1-f2-10-t1:lines",
    "mnist-1x28x28-24c3p1-f2-48c3p1-f2-10-t1:lines",
    "digits-1x8x8-6c3-f2-10-t1:lines-loaded",
    "digits-1x8x8-24c8-10-t1:lines-loaded",
    "mnist_16-1x16x16-12c3p1-f2-24c3p1-f2-10-t1:lines-loaded",
    "mnist_16-1x16x16-16c3p1-f2-32c3p1-f2-10-t1:lines-loaded",
)
PUBLISHED: Sequence[tuple[str, int, float]] = (("LILogicNet", 10_000, 97.60),)
"""What others published of MNIST at 16 x 16 binary pixels: name, logic gates, accuracy in percent;
drawn beside ours.
"""
_IMAGES = 20  # for cycles


@dataclass(frozen=True, kw_only=True)
class Point(Record):
    """A network made by an engine, in cells of a library.

    Parameters
    ----------
    network, layers, dataset, engine, pdk : str
    steps, weight_bits : int
    stored : bool
        Weights are loaded into flip-flops or memories; else they are logic.
    accuracy : float, or None
        Strict, on all test images: what the network's file says.
    cells, flip_flops : int
    gates : float
        Area in areas of a NAND of two inputs.
    tiles : str, or None
        The smallest of Tiny Tapeout's sizes that is taken to hold so many cells.
    cycles : int
        From the last pixel to the result, of the first 20 test images the most.
    image_cycles : int, or None
        From the first pixel, if pixels come without a pause.
    """

    network: str
    layers: str
    dataset: str
    steps: int
    weight_bits: int
    engine: str
    stored: bool
    pdk: str
    accuracy: float | None
    cells: int
    flip_flops: int
    gates: float
    tiles: str | None
    cycles: int
    image_cycles: int | None


def point(observation: Observation, pdk: str, build_dir: Path) -> Point:
    """The point of what :func:`observed` gives.

    Raises
    ------
    UserError
        There is no such library, a tool is missing, or the data are.
    """
    network = observation.network
    library = find_pdk(pdk)
    report = run_flow(
        observation,
        library,
        clock=library.clock,
        until="synthesis",
        images=_IMAGES,
        active=0,
        build_dir=build_dir,
    )
    total = report.synthesis.total
    accuracy = network.provenance["test_accuracy"]
    return Point(
        network=network.name,
        layers=network.structure,
        dataset=str(network.provenance["dataset"]),
        steps=network.steps,
        weight_bits=network.weight_bits,
        engine=observation.config.name,
        stored=observation.config.loads(network),
        pdk=pdk,
        accuracy=accuracy if isinstance(accuracy, float) else None,
        cells=total.cells,
        flip_flops=total.flip_flops,
        gates=total.gates,
        tiles=fitting(total.cells),
        cycles=int(observation.cycles.max()),
        image_cycles=observation.cycles_from_first_pixel,
    )


def observed(text: str) -> Observation:
    """Of ``NETWORK`` or ``NETWORK:ENGINE``; raises :class:`UserError` for either."""
    name, _, engine = text.partition(":")
    network = find(name)
    return Observation(
        network, TRAINED_ON, silicon_config_for(network, engine or None), count=_IMAGES
    )


def picture(path: Path, points: Sequence[Point]) -> None:
    """The points by cells and accuracy, a line for each data set with weights as logic and one with
    weights stored; :data:`PUBLISHED`; what each of Tiny Tapeout's sizes is taken to hold is shown
    below them.
    """
    shown = sorted(
        (each for each in points if each.accuracy is not None), key=lambda each: each.cells
    )
    with drawn(path, (8, 5)) as figure:
        axes = figure.subplots()
        for number, dataset in enumerate(sorted({each.dataset for each in shown})):
            for stored, style in ((False, "o-"), (True, "s:")):
                part = [each for each in shown if (each.dataset, each.stored) == (dataset, stored)]
                if part:
                    axes.plot(
                        [each.cells for each in part],
                        [100 * (each.accuracy or 0) for each in part],
                        style,
                        color=f"C{number}",
                        linewidth=1,
                        markeredgecolor="black",
                        label=f"{dataset}, weights {'stored' if stored else 'as logic'}",
                        zorder=3,
                    )
        for each in shown:
            _label(axes, _layers(each), each.cells, 100 * (each.accuracy or 0))
        for name, gates, percent in PUBLISHED:
            axes.plot(gates, percent, "*", color="black", markersize=9)
            _label(axes, name, gates, percent)
        axes.set(xscale="log", xlabel="standard cells", ylabel="accuracy, strict [%]")
        for name in ("1x1", "1x2", "2x2", "4x4"):
            axes.axvline(cells_of(name), color="grey", linestyle=":", linewidth=1)
            axes.annotate(
                name,
                (cells_of(name), 0.01),
                xycoords=("data", "axes fraction"),
                xytext=(-3, 0),
                textcoords="offset points",
                ha="right",
                size=8,
                color="grey",
            )
        axes.margins(x=0.12, y=0.15)
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.legend(loc="lower right", fontsize=8)


def _layers(each: Point) -> str:
    """Layers after the inputs, and what is not usual."""
    engine = "" if each.engine.startswith("lines") else f", {each.engine}"
    steps = f", T = {each.steps}" if each.steps > 1 else ""
    return each.layers.split("-", 1)[1] + steps + engine


def _label(axes: "Axes", text: str, cells: int, percent: float) -> None:
    """Text that hangs from a point: its neighbours along a line may lie close."""
    axes.annotate(
        text,
        (cells, percent),
        xytext=(3, -4),
        textcoords="offset points",
        rotation=-50,
        rotation_mode="anchor",
        va="top",
        size=6,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Accuracy against area in silicon, of networks and engines.", build=True)
    options.add_argument(
        "points",
        nargs="*",
        metavar="NETWORK[:ENGINE]",
        help="path of a network file or a name in the zoo, and how it is made "
        f"({silicon_engine_names()}); without any, the networks that ship for Tiny Tapeout",
    )
    options.add_argument(
        "--pdk", default="osu018", help=f"cell library: {pdk_names()} (default: %(default)s)"
    )
    options.add_argument("--picture", metavar="FILE", type=picture_file, help="also draw them")
    args = options.parse_args(arguments)
    find_pdk(args.pdk)
    points, observations = [], [observed(text) for text in args.points or SHIPPED]
    for each in observations:
        _ = each.data  # of all, before the first one takes minutes
    for each in observations:
        points.append(point(each, args.pdk, args.build_dir))
        if not args.quiet:
            print(_line(points[-1]), flush=True)
    points.sort(key=lambda each: each.cells)
    if args.json:
        write_json(args.json, {"points": [each.to_dict() for each in points]})
    if args.picture:
        picture(args.picture, points)


def _line(each: Point) -> str:
    accuracy = "unknown" if each.accuracy is None else f"{each.accuracy:.2%}"
    return (
        f"{each.network} {each.engine}: {accuracy}, {each.cells:,} cells ({each.gates:,.0f} gates, "
        f"{each.flip_flops} flip-flops), {each.tiles or f'more than {list(TILES)[-1]}'} tiles, "
        f"{each.cycles} cycles from the last pixel"
    )


if __name__ == "__main__":
    run(main)
