"""The test bench: plain Verilog and files of hexadecimal words."""

from collections.abc import Iterable, Mapping

from hw.flow.bundle.design import Design
from hw.flow.bundle.templates import fill

__all__ = ["testbench"]


def testbench(design: Design, folder: str) -> Mapping[str, str]:
    """The files of the test bench by their paths; the simulator runs in the bundle's folder.

    Parameters
    ----------
    design : Design
    folder : str
        Where they are to be.
    """
    widths = {port.name: port.width for port in design.data_ports}
    beats, last = design.vectors.beats(design.network, design.config, design.pixel_port, widths)
    data = sum(widths.values())
    words = [beat | end << data for beat, end in zip(beats.tolist(), last.tolist(), strict=True)]
    results = {
        port.name: port.width
        for port in design.ports
        if port.name.startswith("result_") and port.name not in ("result_valid", "result_ready")
    }
    files = {
        f"{folder}/stimulus.hex": _hex(words, data + 1),
        f"{folder}/expected.hex": _hex(design.vectors.expected(results), sum(results.values())),
    }
    connections = [
        f"{design.stream}_valid(in_valid)",
        f"{design.stream}_ready(in_ready)",
        *_slices(widths, "in_data"),
        *_slices(results, "result"),
        "result_valid(out_valid)",
        "result_ready(out_ready)",
    ]
    load = dict.fromkeys(("CONSTANTS", "SIGNALS", "TASK", "READ"), "")
    if design.words is not None:
        files[f"{folder}/weights.hex"] = _hex(design.words.tolist(), 16)
        address = design.port("load_address").width
        connections += [
            "load_address(load_address)",
            "load_data(load_data)",
            "load_valid(load_valid)",
        ]
        load = {
            "CONSTANTS": f"  localparam integer WORDS = {len(design.words)};  // of weights\n",
            "SIGNALS": f"  reg [{address - 1}:0] load_address;\n"
            "  reg [15:0] load_data;\n"
            "  reg load_valid;\n"
            "  reg [15:0] weights[0:WORDS - 1];\n"
            "  integer word;\n",
            "TASK": "      for (word = 0; word < WORDS; word = word + 1) begin\n"
            "        load_valid = 1'b1;\n"
            f"        load_address = word[{address - 1}:0];\n"
            "        load_data = weights[word];\n"
            "        @(negedge clk);\n"
            "      end\n"
            "      load_valid = 1'b0;",
            "READ": f'    $readmemh("{folder}/weights.hex", weights);\n    load_valid = 1\'b0;',
        }
    files[f"{folder}/{design.top}_tb.v"] = fill(
        "testbench.v",
        TOP=design.top,
        PERIOD=f"{design.period:.3f}",
        BEATS=len(words),
        IMAGES=len(design.vectors),
        PATIENCE=design.most_cycles,
        DATA_HIGH=data - 1,
        DATA_WIDTH=data,
        RESULT_HIGH=sum(results.values()) - 1,
        CONNECTIONS=",\n".join(f"      .{each}" for each in connections),
        STIMULUS=f"{folder}/stimulus.hex",
        EXPECTED=f"{folder}/expected.hex",
        **{f"LOAD_{name}": text for name, text in load.items()},
    )
    return files


def _slices(widths: Mapping[str, int], vector: str) -> list[str]:
    """Connects each port to its bits of ``vector``, the lowest first."""
    result, offset = [], 0
    for name, width in widths.items():
        bits = f"{offset + width - 1}:{offset}" if width > 1 else str(offset)
        result.append(f"{name}({vector}[{bits}])")
        offset += width
    return result


def _hex(words: Iterable[int], width: int) -> str:
    digits = -(-width // 4)
    return "".join(f"{word:0{digits}x}\n" for word in words)
