"""Probes on the tiles engine: what its sweep finds to fire, and what it writes to its lists."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from amaranth.lib import data

from hw.flow.verilog import TOP
from hw.rtl.engines.tiles import Tiles
from hw.rtl.tiles.layouts import EmittedLayout, FiredLayout
from hw.rtl.tiles.plan import SpikeMap, TiledLayer, TilesPlan
from sim.verilator.fields import bits
from sw.network import Network
from sw.structure import First

__all__ = ["probed", "probes"]


def probed(network: Network, engine: Tiles) -> tuple[int, ...]:
    """Hidden layers whose every spike can be seen: of poolings behind each other the last; of a
    first layer by a table what its pooling passes on.
    """
    kinds = [layer.kind for layer in network.layers]
    first = engine.plan(network).first
    return tuple(
        index
        for index, pair in enumerate(pairwise(kinds))
        if not all(isinstance(kind, First) for kind in pair)
        and index >= (first.index if first else 0)
    )


def probes(
    network: Network,
    engine: Tiles,
    most_events: int | None,
    function: str,
    call: Callable[[int, str], str],
) -> Iterator[str]:
    """For each unit that fires, before and behind a pooling, makes the ``call`` of its layer, as
    the network counts them, and its number, to the ``function``. Of poolings behind each other the
    last is seen.
    """
    plan = engine.plan(network, most_events)
    block = f"{TOP}_{engine.block}"
    hidden = plan.layers[:-1]
    fired, emitted = FiredLayout(plan), EmittedLayout(plan)
    yield from _probe(
        block,
        "fired",
        fired,
        function,
        units=fired["units"].width,
        bit=f"payload[{fired['units'].offset} + lane]",
        cases=[
            f"{number}: {call(layer.index, _own(plan, layer, fired))};"
            for number, layer in enumerate(hidden)
        ],
    )
    yield from _probe(
        block,
        "emitted",
        emitted,
        function,
        units=plan.lanes,
        bit=f"payload[{emitted['mask'].offset} + lane]",
        cases=[
            f"{number}: {call(_behind(plan, number), _pooled(layer.outputs, emitted))};"
            for number, layer in enumerate(hidden)
            if layer.pools
        ],
    )
    if plan.first:
        yield from _probe(
            block,
            "entered",
            emitted,
            function,
            units=plan.lanes,
            bit=f"payload[{emitted['mask'].offset} + lane]",
            cases=[f"0: {call(plan.first.index, _pooled(plan.inputs, emitted))};"],
        )


def _probe(
    block: str,
    name: str,
    layout: data.StructLayout,
    function: str,
    *,
    units: int,
    bit: str,
    cases: Sequence[str],
) -> Iterator[str]:
    """A probe on the port ``name`` that looks at all bits of its payload that are units."""
    yield f"module probe_{name} (input clk, rst, restart, input [{layout.size - 1}:0] payload);"
    yield f'  import "DPI-C" function void {function};'
    for field in ("layer", "tile", "step"):
        yield f"  wire [31:0] {field} = {bits('payload', layout[field])};"
    yield f"  always @(posedge clk) if (payload[{layout['valid'].offset}] && !restart && !rst)"
    yield f"    for (int lane = 0; lane < {units}; lane = lane + 1) if ({bit}) case (layer)"
    yield from (f"      {case}" for case in cases)
    yield "      default: ;"
    yield "    endcase"
    yield "endmodule"
    yield f"bind {block} probe_{name} {name}_probe (.clk(clk), .rst(rst), .restart(restart),"
    yield f"    .payload({name}));"


def _behind(plan: TilesPlan, number: int) -> int:
    """The last pooling behind layer ``number`` of the plan, as the network counts layers."""
    return plan.layers[number + 1].index - 1


def _own(plan: TilesPlan, layer: TiledLayer, layout: FiredLayout) -> str:
    """The unit of bit ``lane`` of a row of all banks."""
    down, across = (bits("payload", layout[name]) for name in ("down", "across"))
    rows, columns = plan.grid
    bank, channel = f"lane / {plan.lanes}", f"lane % {plan.lanes}"
    if layer.dense:
        return f"tile * {plan.banks * plan.lanes} + lane"
    y = f"({down} * {rows} + {bank} / {columns})"
    x = f"({across} * {columns} + {bank} % {columns})"
    channel = f"(tile * {plan.lanes} + {channel})"
    return f"({channel} * {layer.height} + {y}) * {layer.width} + {x}"


def _pooled(units: SpikeMap, layout: EmittedLayout) -> str:
    """The unit of bit ``lane`` of an entry of a list."""
    y, x = (bits("payload", layout[name]) for name in ("y", "x"))
    channel = f"(tile * {units.units.shape[3]} + lane)"
    return f"({channel} * {units.height} + {y}) * {units.width} + {x}"
