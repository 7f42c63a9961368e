"""Probes on the gather engine: the units that fire."""

from collections.abc import Callable, Iterator

from hw.flow.verilog import TOP
from hw.rtl.engines.gather import Gather
from hw.rtl.gather.engine import FiredLayout
from hw.rtl.gather.plan import GatheredLayer, GatherPlan, plan_network
from hw.rtl.serial_decide import MarginLayout
from sim.verilator.fields import bits
from sw.network import Network
from sw.structure import First

__all__ = ["margins", "probed", "probes"]


def probed(network: Network, engine: object = None) -> tuple[int, ...]:
    """Hidden layers whose every spike can be seen: not what a pooling follows, of which units are
    not made whose pooling has fired.
    """
    kinds = [layer.kind for layer in network.layers]
    return tuple(index for index, kind in enumerate(kinds[1:]) if not isinstance(kind, First))


def probes(
    network: Network,
    engine: Gather,
    most_events: int | None,
    function: str,
    call: Callable[[int, str], str],
) -> Iterator[str]:
    """For each hidden unit that fires, behind all pooling, makes the ``call`` of its layer, as the
    network counts them, and its number, to the ``function``.
    """
    plan = plan_network(network, engine.lanes)
    layout = FiredLayout(plan)
    yield f"module probe_fired (input clk, rst, restart, input [{layout.size - 1}:0] payload);"
    yield f'  import "DPI-C" function void {function};'
    for field in ("layer", "row", "column", "lane", "step"):
        yield f"  wire [31:0] {field} = {bits('payload', layout[field])};"
    yield f"  always @(posedge clk) if (payload[{layout['valid'].offset}] && !restart && !rst)"
    yield "    case (layer)"
    for number, layer in enumerate(plan.hidden):
        behind = plan.layers[number + 1].index - 1
        yield f"      {number}: {call(behind, _unit(plan, layer))};"
    yield "      default: ;"
    yield "    endcase"
    yield "endmodule"
    yield f"bind {TOP}_{engine.block} probe_fired fired_probe (.clk(clk), .rst(rst),"
    yield "    .restart(restart), .payload(fired));"


def _unit(plan: GatherPlan, layer: GatheredLayer) -> str:
    """The unit of a lane of the word in (row, column)."""
    channel = f"((column % {layer.groups}) * {plan.lanes} + lane)"
    rows, columns = layer.places
    return f"({channel} * {rows} + row) * {columns} + column / {layer.groups}"


def margins(network: Network) -> Iterator[str]:
    """Tells of every output's margin; those of a step come one after another."""
    layout = MarginLayout(network.layers[-1], network.steps)
    margin, step, last = layout["margin"], layout["step"], layout["last"]
    yield "module probe_margins ("
    yield f"    input clk, rst, valid, ready, input [{layout.size - 1}:0] payload);"
    yield '  import "DPI-C" function void margin(int unit, int step, longint value);'
    yield "  int unit;"
    yield "  always @(posedge clk) if (rst) unit <= 0; else if (valid && ready) begin"
    yield f"    margin(unit, {bits('payload', step)}, "
    yield f"        longint'($signed(payload[{margin.offset} +: {margin.width}])));"
    yield f"    unit <= payload[{last.offset}] ? 0 : unit + 1;"
    yield "  end"
    yield "endmodule"
    yield f"bind {TOP}_decide probe_margins probe (.clk(clk), .rst(rst),"
    yield "    .valid(margins__valid), .ready(margins__ready), .payload(margins__payload));"
