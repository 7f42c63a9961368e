"""Probes: SystemVerilog that is bound into the exported Verilog and tells the C++ harness what
happens inside.
"""

from collections.abc import Iterator

from amaranth.utils import exact_log2

from hw.flow.verilog import TOP
from hw.rtl.config import Config
from hw.rtl.streams import MarginsLayout, SpikeBeat
from sw.network import Network

__all__ = ["hidden_probes", "trace_probes"]


def hidden_probes(network: Network, config: Config) -> str:
    """Tells of every hidden spike, the units of all layers in one row, and of the inference's
    end.
    """
    text = [
        "module probe_decide (input clk, rst, decided);",
        '  import "DPI-C" function void inference_ends();',
        "  always @(posedge clk) if (decided && !rst) inference_ends();",
        "endmodule",
        f"bind {TOP}_decide probe_decide probe (.clk(clk), .rst(rst), .decided(decided));",
    ]
    offset = 0
    for index, units in enumerate(network.sizes[1:-1]):
        text += _beats(
            f"probe_fire_{index}",
            f"{config.engine(index).firing_block}_{index}.spikes",
            SpikeBeat(units, network.steps, config.engine(index + 1).banks),
            "hidden_spike(int unit, int step)",
            f"hidden_spike({offset} + {{unit}}, {{step}})",
        )
        offset += units
    return "\n".join(text) + "\n"


def trace_probes(network: Network, config: Config) -> str:
    """Tells of every spike that enters a layer, layer 0 being the first hidden one, and of every
    output's margin at the end of a step.
    """
    text: list[str] = []
    for index, units in enumerate(network.sizes[:-1]):
        # What fires is sent by the layer before; of the inputs it is what the first layer takes.
        sender = f"{config.engine(0).block}_0.beats"
        if index:
            sender = f"{config.engine(index - 1).firing_block}_{index - 1}.spikes"
        text += _beats(
            f"probe_spikes_{index}",
            sender,
            SpikeBeat(units, network.steps, config.engine(index).banks),
            "spike(int layer, int unit, int step)",
            f"spike({index}, {{unit}}, {{step}})",
        )
    outputs = len(network.layers) - 1
    layout = MarginsLayout(network.layers[-1], network.steps, config.most_spikes(network)[outputs])
    margin, step = layout["margin"], layout["step"]
    width = margin.shape.elem_shape.width
    text += [
        "module probe_margins (",
        f"    input clk, rst, valid, ready, decided, input [{layout.size - 1}:0] payload);",
        '  import "DPI-C" function void margin(int unit, int step, longint value);',
        "  always @(posedge clk) if (valid && ready && !decided && !rst) begin",
        *(
            f"    margin({unit}, {_bits('payload', step.offset, step.width)}, "
            f"longint'($signed(payload[{margin.offset + unit * width} +: {width}])));"
            for unit in range(network.sizes[-1])
        ),
        "  end",
        "endmodule",
        f"bind {TOP}_decide probe_margins probe (.clk(clk), .rst(rst), .decided(decided),",
        "    .valid(potentials__valid), .ready(potentials__ready), .payload(potentials__payload));",
    ]
    return "\n".join(text) + "\n"


def _beats(name: str, sender: str, layout: SpikeBeat, function: str, call: str) -> Iterator[str]:
    """A probe on the stream ``block.stream`` of spike beats; ``call`` is made for each spike."""
    block, stream = sender.split(".")
    banks = layout["spike"].width
    spike, row_width = layout["spike"].offset, layout["row"].width // banks
    step = _bits("payload", layout["step"].offset, layout["step"].width)
    yield f"module {name} ("
    yield f"    input clk, rst, restart, valid, ready, input [{layout.size - 1}:0] payload);"
    yield f'  import "DPI-C" function void {function};'
    yield "  always @(posedge clk) if (valid && ready && !restart && !rst) begin"
    for bank in range(banks):
        row = _bits("payload", bank * row_width, row_width)
        unit = f"{bank} + ({row} << {exact_log2(banks)})"  # as banks.unit_at
        yield f"    if (payload[{spike + bank}]) {call.format(unit=unit, step=step)};"
    yield "  end"
    yield "endmodule"
    yield f"bind {TOP}_{block} {name} {stream}_probe (.clk(clk), .rst(rst),"
    yield f"    .restart(restart), .valid({stream}__valid), .ready({stream}__ready),"
    yield f"    .payload({stream}__payload));"


def _bits(name: str, offset: int, width: int) -> str:
    """Part of a vector as an integer, in SystemVerilog."""
    return f"int'({name}[{offset + width - 1}:{offset}])" if width else "0"
