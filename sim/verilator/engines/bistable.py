"""Probes on the bistable engine: the values that its neurons say, and what is behind pooling."""

from collections.abc import Callable, Iterator, Sequence

from hw.flow.verilog import TOP
from hw.rtl.bistable.layouts import WordLayout
from hw.rtl.bistable.planner import plan_network
from hw.rtl.engines.bistable import Bistable
from sim.verilator.fields import bits
from sw.network import Network

__all__ = ["probes"]


def probes(
    network: Network,
    engine: Bistable,
    most_events: int | None,
    function: str,
    call: Callable[[int, str], str],
) -> Iterator[str]:
    """For each hidden unit, before and behind a pooling, makes the ``call`` of its layer, as the
    network counts them, and its number, to the ``function``, with its value for a step. Of poolings
    behind each other the last is seen.
    """
    plan = plan_network(network, engine.lanes, engine.listens)
    hidden = plan.layers[:-1]
    whole = [(layer.width, *layer.window, layer.outputs.width) for layer in hidden]
    yield from _probe(
        f"{TOP}_{engine.block}",
        "spoken",
        WordLayout(plan),
        len(plan.layers),
        function,
        windows=True,
        sizes=[
            (*own, layer.channels, layer.height) for own, layer in zip(whole, hidden, strict=True)
        ],
        calls=[call(layer.index, "unit") for layer in hidden],
    )
    pooled = [
        (each.width, 1, 1, each.width, layer.channels, each.height)
        for layer in hidden
        for each in (layer.outputs,)
    ]
    behind = [after.index - 1 for after in plan.layers[1:]]
    yield from _probe(
        f"{TOP}_{engine.block}",
        "written",
        WordLayout(plan),
        len(plan.layers),
        function,
        windows=False,
        sizes=pooled,
        calls=[
            call(index, "unit") if layer.pools else ""
            for layer, index in zip(hidden, behind, strict=True)
        ],
    )


def _probe(
    block: str,
    name: str,
    layout: WordLayout,
    layers: int,
    function: str,
    *,
    windows: bool,
    sizes: Sequence[tuple[int, ...]],
    calls: Sequence[str],
) -> Iterator[str]:
    """A probe on the port ``name``, which has words of channels job by job: places of a window,
    tiles, windows. Of each layer the width of its map, the window's rows and columns, windows of a
    row, channels, and the height of its map.
    """
    values = layout["values"]
    count, width = values.shape.length, values.shape.elem_shape
    yield f"module probe_{name} (input clk, rst, input [{layout.size - 1}:0] payload,"
    yield f"    input [{max(layers - 1, 1).bit_length() - 1}:0] layer);"
    yield f'  import "DPI-C" function void {function};'
    for field in ("valid", "slot", "group", "window_begins", "place_ends", "layer_ends"):
        yield f"  wire [31:0] {field} = {bits('payload', layout[field])};"
    yield "  reg [31:0] place, last_turn;"
    # The place in the window: another one with the first word of each job, where all are seen.
    turn = "group ? last_turn : window_begins ? 0 : last_turn + 1" if windows else "0"
    yield f"  wire [31:0] turn = {turn};"
    yield "  int width, down, across, wide, channels, height, y, x, unit, step;"
    yield "  always @(posedge clk) if (rst) place <= 0; else if (valid) begin"
    yield "    case (layer)"
    for number, (width_of, down, across, wide, channels, height) in enumerate(sizes):
        values_of = (width_of, down, across, wide, channels, height)
        names = ("width", "down", "across", "wide", "channels", "height")
        settings = " ".join(f"{a} = {b};" for a, b in zip(names, values_of, strict=True))
        yield f"      {number}: begin {settings} end"
    yield "      default: ;"
    yield "    endcase"
    yield "    y = place / wide * down + turn / across;"
    yield "    x = place % wide * across + turn % across;"
    yield f"    for (int lane = 0; lane < {count}; lane = lane + 1)"
    yield f"      if (slot * {count} + lane < channels) begin"
    yield f"        unit = ((slot * {count} + lane) * height + y) * width + x;"
    yield f"        step = payload[{values.offset} + lane * {width} +: {width}];"
    yield "        case (layer)"
    yield from (f"          {n}: {text};" for n, text in enumerate(calls) if text)
    yield "          default: ;"
    yield "        endcase"
    yield "      end"
    yield "    last_turn <= turn;"
    yield "    if (place_ends) place <= layer_ends ? 0 : place + 1;"
    yield "  end"
    yield "endmodule"
    yield f"bind {block} probe_{name} {name}_probe (.clk(clk), .rst(rst), .payload({name}),"
    yield "    .layer(layer));"
