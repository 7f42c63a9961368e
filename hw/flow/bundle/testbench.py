"""The test bench: plain Verilog and files of hexadecimal words."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from hw.flow.bundle.design import Design
from hw.flow.bundle.templates import fill

__all__ = ["testbench"]

# A file's content, the design's ports, and parts of the test bench.
_Loading: TypeAlias = tuple[str, list[str], dict[str, str]]


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
        loading = _image if design.loader else _words
        contents, more, load = loading(design, f"{folder}/weights.hex")
        files[f"{folder}/weights.hex"] = contents
        connections += [f"{name}({name})" for name in more]
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


def _words(design: Design, path: str) -> _Loading:
    """Weights word by word, each with its address."""
    assert design.words is not None
    address = design.port("load_address").width
    parts = _parts(path, count=len(design.words), width=16)
    parts["SIGNALS"] += f"  reg [{address - 1}:0] load_address;\n"
    parts["TASK"] = _repeat("WEIGHTS", f"load_address = word[{address - 1}:0];")
    ports = ["load_address", "load_data", "load_valid"]
    return _hex(design.words.tolist(), 16), ports, parts


def _image(design: Design, path: str) -> _Loading:
    """Weights as a weight image, byte by byte; then the status must say that they are right."""
    content = design.weight_image
    parts = _parts(path, count=len(content), width=8)
    status = design.port("load_status")
    parts["SIGNALS"] += f"  reg load_begin;\n  wire {status.range}load_status;\n"
    parts["READ"] += "    load_begin = 1'b0;\n"
    parts["TASK"] = (
        "      load_begin = 1'b1;\n"
        "      @(negedge clk);\n"
        "      load_begin = 1'b0;\n"
        f"{_repeat('WEIGHTS', '')}"
        "      repeat (4) @(negedge clk);\n"
        '      if (load_status !== 0) complain("weights are not accepted");\n'
    )
    ports = ["load_begin", "load_data", "load_valid", "load_status"]
    return _hex(list(content), 8), ports, parts


def _parts(path: str, *, count: int, width: int) -> dict[str, str]:
    """What every way of loading needs of the test bench."""
    return {
        "CONSTANTS": f"  localparam integer WEIGHTS = {count};  // words or bytes of weights\n",
        "SIGNALS": f"  reg [{width - 1}:0] load_data, weights[0:WEIGHTS - 1];\n"
        "  reg load_valid;\n"
        "  integer word;\n",
        "READ": f'    $readmemh("{path}", weights);\n    load_valid = 1\'b0;\n',
    }


def _repeat(count: str, before: str) -> str:
    """Sends all weights, one per cycle."""
    extra = f"        {before}\n" if before else ""
    return (
        f"      for (word = 0; word < {count}; word = word + 1) begin\n"
        "        load_valid = 1'b1;\n"
        f"{extra}"
        "        load_data = weights[word];\n"
        "        @(negedge clk);\n"
        "      end\n"
        "      load_valid = 1'b0;\n"
    )


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
