"""Probes: SystemVerilog that is bound into the exported Verilog and tells the C++ harness what
happens inside.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from types import ModuleType

from amaranth.utils import exact_log2

from hw.flow.verilog import TOP
from hw.rtl.config import Config
from hw.rtl.streams import MarginsLayout, SpikeBeat
from sim.verilator.fields import bits
from sw.network import Network
from sw.structure import Pooling

__all__ = ["hidden_probes", "probed_layers", "trace_probes"]


def probed_layers(network: Network, config: Config) -> tuple[int, ...]:
    """Hidden layers whose spikes can be seen: of poolings behind each other, which one engine makes
    at once, the last; or what the engine's own probes say.
    """
    own = getattr(_own(config), "probed", None) if config.whole else None
    if own:
        return tuple(own(network, config.whole))
    kinds = [layer.kind for layer in network.layers]
    return tuple(
        index
        for index, pair in enumerate(pairwise(kinds))
        if not (config.whole and all(isinstance(kind, Pooling) for kind in pair))
    )


def hidden_probes(network: Network, config: Config) -> str:
    """Tells of every spike of :func:`probed_layers`, the units of all of them in one row, and of
    the inference's end.
    """
    text = [
        "module probe_decide (input clk, rst, decided);",
        '  import "DPI-C" function void inference_ends();',
        "  always @(posedge clk) if (decided && !rst) inference_ends();",
        "endmodule",
        f"bind {TOP}_decide probe_decide probe (.clk(clk), .rst(rst), .decided(decided));",
    ]
    firsts: list[int | None] = [None] * len(network.layers)
    offset = 0
    for index in probed_layers(network, config):
        firsts[index], offset = offset, offset + network.sizes[index + 1]
    if config.whole:
        text += _whole(
            network,
            config,
            "hidden_spike(int unit, int step)",
            lambda layer, unit: f"hidden_spike({firsts[layer]} + {unit}, step)",
        )
        return "\n".join(text) + "\n"
    for index, units in enumerate(network.sizes[1:-1]):
        text += _beats(
            f"probe_fire_{index}",
            f"{config.engine(index).firing_block}_{index}.spikes",
            SpikeBeat(units, network.steps, config.engine(index + 1).banks),
            "hidden_spike(int unit, int step)",
            f"hidden_spike({firsts[index]} + {{unit}}, {{step}})",
        )
    return "\n".join(text) + "\n"


def trace_probes(network: Network, config: Config) -> str:
    """Tells of every spike that enters a layer, layer 0 being the first hidden one, and of every
    output's margin at the end of a step. Where one engine makes the whole network, of those of
    :func:`probed_layers`, which are in the order in which they fire.
    """
    text: list[str] = []
    if config.whole:
        text += _whole(
            network,
            config,
            "spike(int layer, int unit, int step)",
            lambda layer, unit: f"spike({layer + 1}, {unit}, step)",
        )
    for index, units in enumerate([] if config.whole else network.sizes[:-1]):
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
    if config.whole and (margins := getattr(_own(config), "margins", None)):
        return "\n".join([*text, *margins(network)]) + "\n"
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
            f"    margin({unit}, {bits('payload', step)}, "
            f"longint'($signed(payload[{margin.offset + unit * width} +: {width}])));"
            for unit in range(network.sizes[-1])
        ),
        "  end",
        "endmodule",
        f"bind {TOP}_decide probe_margins probe (.clk(clk), .rst(rst), .decided(decided),",
        "    .valid(potentials__valid), .ready(potentials__ready), .payload(potentials__payload));",
    ]
    return "\n".join(text) + "\n"


def _whole(
    network: Network, config: Config, function: str, call: Callable[[int, str], str]
) -> Iterator[str]:
    """The probes of the engine that makes the whole network."""
    most_events = config.most_spikes(network)[0]
    yield from _own(config).probes(network, config.whole, most_events, function, call)


def _own(config: Config) -> ModuleType:
    """The module of the name of the engine that makes the whole network, here."""
    _, _, name = type(config.whole).__module__.rpartition(".")
    return import_module(f"sim.verilator.engines.{name}")


def _beats(name: str, sender: str, layout: SpikeBeat, function: str, call: str) -> Iterator[str]:
    """A probe on the stream ``block.stream`` of spike beats; ``call`` is made for each spike."""
    block, stream = sender.split(".")
    banks = layout["spike"].width
    spike = layout["spike"].offset
    step = bits("payload", layout["step"])
    yield f"module {name} ("
    yield f"    input clk, rst, restart, valid, ready, input [{layout.size - 1}:0] payload);"
    yield f'  import "DPI-C" function void {function};'
    yield "  always @(posedge clk) if (valid && ready && !restart && !rst) begin"
    for bank in range(banks):
        row = bits("payload", layout["row"], bank, banks)
        unit = f"{bank} + ({row} << {exact_log2(banks)})"  # as banks.unit_at
        yield f"    if (payload[{spike + bank}]) {call.format(unit=unit, step=step)};"
    yield "  end"
    yield "endmodule"
    yield f"bind {TOP}_{block} {name} {stream}_probe (.clk(clk), .rst(rst),"
    yield f"    .restart(restart), .valid({stream}__valid), .ready({stream}__ready),"
    yield f"    .payload({stream}__payload));"
