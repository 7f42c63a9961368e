"""The test bench: plain Verilog and files of hexadecimal words."""

from collections.abc import Mapping
from typing import TypeAlias

from hw.flow.bundle.design import Design
from hw.flow.bundle.templates import fill
from hw.flow.ports import bits, connections
from hw.flow.vectors import hex_lines

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
    ports = design.ports
    beats, last = design.vectors.beats(design.network, design.config, design.pixel_port, ports.data)
    data, results = bits(ports.data), bits(ports.results)
    words = [beat | end << data for beat, end in zip(beats.tolist(), last.tolist(), strict=True)]
    files = {
        f"{folder}/stimulus.hex": hex_lines(words, data + 1),
        f"{folder}/expected.hex": hex_lines(design.vectors.expected(ports.results), results),
    }
    connected: list[str] = []
    load = dict.fromkeys(("CONSTANTS", "SIGNALS", "TASK", "READ"), "")
    if design.words is not None:
        loading = _image if design.loader else _words
        contents, connected, load = loading(design, f"{folder}/weights.hex")
        files[f"{folder}/weights.hex"] = contents
    files[f"{folder}/{design.top}_tb.v"] = fill(
        "testbench.v",
        TOP=design.top,
        PERIOD=f"{design.period:.3f}",
        BEATS=len(words),
        IMAGES=len(design.vectors),
        PATIENCE=design.most_cycles,
        DATA_HIGH=data - 1,
        DATA_WIDTH=data,
        RESULT_HIGH=results - 1,
        CONNECTIONS=connections(ports, connected),
        STIMULUS=f"{folder}/stimulus.hex",
        EXPECTED=f"{folder}/expected.hex",
        **{f"LOAD_{name}": text for name, text in load.items()},
    )
    return files


def _words(design: Design, path: str) -> _Loading:
    """Weights word by word, each with its address."""
    assert design.words is not None
    address = design.ports.named("load_address").width
    parts = _parts(path, count=len(design.words), width=16)
    parts["SIGNALS"] += f"  reg [{address - 1}:0] load_address;\n"
    parts["TASK"] = _repeat("WEIGHTS", f"load_address = word[{address - 1}:0];")
    ports = ["load_address", "load_data", "load_valid"]
    return hex_lines(design.words.tolist(), 16), ports, parts


def _image(design: Design, path: str) -> _Loading:
    """Weights as a weight image, byte by byte; then the status must say that they are right."""
    content = design.weight_image
    parts = _parts(path, count=len(content), width=8)
    status = design.ports.named("load_status")
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
    return hex_lines(list(content), 8), ports, parts


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
