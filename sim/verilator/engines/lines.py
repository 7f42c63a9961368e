"""Probes on the lines engine: its hidden units, counted as they are evaluated."""

from collections.abc import Callable, Iterator

from hw.flow.verilog import TOP
from hw.rtl.engines.lines import Lines
from hw.rtl.lines.plan import ConvPlan, PoolPlan, plan_network
from sw.network import Network

__all__ = ["margins", "probed", "probes"]


def probed(network: Network, engine: object = None) -> tuple[int, ...]:
    """Hidden layers whose every spike can be seen: all but a convolution of which the pooling
    behind it drops a row or a column, which is not evaluated.
    """
    seen = set()
    for stage in plan_network(network)[:-1]:
        if stage.evaluations == network.sizes[stage.index + 1]:
            seen.add(stage.index)
        if isinstance(stage, PoolPlan) or stage.last != stage.index:
            seen.add(stage.last)
    return tuple(sorted(seen))


def probes(
    network: Network,
    engine: Lines,
    most_events: int | None,
    function: str,
    call: Callable[[int, str], str],
) -> Iterator[str]:
    """For each unit that fires, before and behind a pooling, makes the ``call`` of its layer, as
    the network counts them, and its number, to the ``function``.
    """
    seen = probed(network)
    for stage in plan_network(network)[:-1]:
        if isinstance(stage, ConvPlan) and stage.last != stage.index in seen:
            yield from _probe(network, engine, stage.index, stage.window, function, call)
        if stage.last in seen:
            yield from _probe(network, engine, stage.last, (1, 1), function, call)


def margins(network: Network) -> Iterator[str]:
    """Tells of every output's margin; they come one after another."""
    yield "module probe_margins #(parameter BITS = 1) ("
    yield "    input clk, rst, valid, ready, decided, input [BITS-1:0] payload);"
    yield '  import "DPI-C" function void margin(int unit, int step, longint value);'
    yield "  int unit;"
    yield "  always @(posedge clk)"
    yield "    if (rst || decided) unit <= 0;"
    yield "    else if (valid && ready) begin"
    yield "      unit <= unit + 1;"
    yield "      margin(unit, 0, longint'($signed(payload[BITS-2:0])));"
    yield "    end"
    yield "endmodule"
    yield f"bind {TOP}_decide probe_margins #(.BITS($bits(potentials__payload))) probe ("
    yield "    .clk(clk), .rst(rst), .decided(decided), .valid(potentials__valid),"
    yield "    .ready(potentials__ready), .payload(potentials__payload));"


def _probe(
    network: Network,
    engine: Lines,
    layer: int,
    window: tuple[int, int],
    function: str,
    call: Callable[[int, str], str],
) -> Iterator[str]:
    """A probe on the units of ``layer``: window by window, at each of them channel by channel, and
    for each channel the places of the window.
    """
    channels, height, width = network.maps[layer + 1]
    down, across = window
    columns = width // across
    name = f"probe_layer_{layer}"
    yield f"module {name} (input clk, rst, restart, valid, fires);"
    yield f'  import "DPI-C" function void {function};'
    yield "  localparam int step = 0;"
    yield "  int count;"
    yield f"  wire [31:0] at = count / {down * across * channels};"
    yield f"  wire [31:0] channel = count / {down * across} % {channels};"
    yield f"  wire [31:0] y = at / {columns} * {down} + count % {down * across} / {across};"
    yield f"  wire [31:0] x = at % {columns} * {across} + count % {across};"
    yield "  always @(posedge clk)"
    yield "    if (rst || restart) count <= 0;"
    yield "    else if (valid) begin"
    yield "      count <= count + 1;"
    yield f"      if (fires) {call(layer, f'(channel * {height} + y) * {width} + x')};"
    yield "    end"
    yield "endmodule"
    block, port = f"{TOP}_{engine.block}", f"layer_{layer}"
    yield f"bind {block} {name} probe_{port} (.clk(clk), .rst(rst), .restart(restart),"
    yield f"    .valid({port}[0]), .fires({port}[1]));"
