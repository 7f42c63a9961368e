"""The data sheet: what an integrator has to know, in Markdown."""

from collections.abc import Iterator, Sequence

from hw.flow.bundle.design import Design
from hw.flow.bundle.flows.base import Flow
from hw.flow.bundle.templates import fill
from hw.link.protocol import Status

__all__ = ["datasheet"]

_KINDS = {
    "rom": "ROM, contents in its model",
    "ram_1r1w": "RAM, a port to read and one to write",
    "ram_1rw": "RAM, one port",
}

_STATUS = {
    Status.READY: "are there, and right",
    Status.LOADING: "are on their way",
    Status.NO_IMAGE: "have not come, or what came is no weight image",
    Status.OTHER_NETWORK: "are of another network or engine",
    Status.DAMAGED: "have a wrong checksum",
}

_RESULTS = {
    "first-spike": (
        "The class is that of the first output unit to fire; `result_step` is the step in which it "
        "did, and `result_margin`\nits `V − θ`. If several fire in that step, or none by the last "
        "one, it is the unit with the largest margin, then\nthe lowest index."
    ),
    "bistable": (
        "The class is that of the output unit with the largest potential, then the lowest index; "
        "`result_margin` is how\nfar that is above the next largest, 0 a tie, and `result_step` "
        "the network's last step, always the same."
    ),
}


def datasheet(design: Design, flow: Flow, sources: Sequence[str]) -> str:
    """The data sheet of ``design``, made for ``flow`` from ``sources``."""
    network = design.network
    return fill(
        "datasheet.md",
        TOP=design.top,
        NAME=network.file_name,
        CODING=network.coding,
        STRUCTURE=network.structure,
        STEPS=network.latency,
        CLASSES=len(network.labels),
        ENGINE=design.config.name,
        SHA256=network.sha256,
        SOURCES=", ".join(f"`{each}`" for each in sources),
        WEIGHT_BITS=f"{network.weight_bits:,}",
        RAM_BITS=f"{design.ram_bits:,}",
        CONSTANT_BITS=f"{design.constant_bits:,}",
        LOADED_TABLES="" if design.words is None else _tables(design),
        TABLES=_tables(design) if design.words is None else "",
        MACROS=_macro_bits(design),
        CLOCK=f"{design.clock / 1e6:g}",
        MOST_CYCLES=f"{design.config.most_cycles(network):,}",
        PORTS="\n".join(
            f"| `{port.name}` | {'in' if port.is_input else 'out'} | "
            f"{port.width}{', signed' if port.signed else ''} | {port.meaning} |"
            for port in design.ports
        ),
        LABELS=", ".join(f"{index} = {label}" for index, label in enumerate(network.labels)),
        DIAGRAM="\n".join(_diagram(design)),
        INPUT="\n".join(_input(design)),
        RESULT=_RESULTS[network.coding],
        WEIGHTS=_weights(design),
        MACRO_TABLE=_macros(design),
        VECTORS=len(design.vectors),
        SOURCE=design.vectors.source,
        FLOW=flow.name,
        USE="\n".join(flow.use(design)),
        DOCUMENTATION=flow.documentation,
    )


def _macro_bits(design: Design) -> str:
    kinds = len(design.verilog.macros)
    return f"{kinds} kinds, listed below" if kinds else "none"


def _tables(design: Design) -> str:
    """Those of :attr:`Design.tables`, as part of a row."""
    if not design.tables:
        return ""
    return ": " + ", ".join(f"{what} {rows:,} × {width:,}" for what, rows, width in design.tables)


def _weights(design: Design) -> str:
    if design.words is None:
        return ""
    words = f"{len(design.words):,}"
    if not design.loader:
        return fill("datasheet_words.md", WORDS=words)
    return fill(
        "datasheet_image.md",
        WORDS=words,
        BYTES=f"{len(design.weight_image):,}",
        STATUS="\n".join(f"| {status.value} | {_STATUS[status]} |" for status in Status),
    )


def _macros(design: Design) -> str:
    if not design.verilog.macros:
        return ""
    return fill(
        "datasheet_macros.md",
        ROWS="\n".join(
            f"| `{macro.name}` | {_KINDS[macro.kind]} | {macro.depth} | {macro.width} |"
            for macro in design.verilog.macros
        ),
    )


def _input(design: Design) -> Iterator[str]:
    if design.ports.stream == "event":
        yield "An inference is its events in time order (`event_unit` fires in `event_step`; steps"
        yield "never fall), then an end mark, a beat with `event_end`. An input may fire more than"
        yield "once. An out-of-range unit or step, or one that falls, gives a result with"
        yield f"`result_fault`, as do more than {design.config.most_events:,} events."
        return
    yield (
        f"An {design.example} is {design.example_shape} in {design.beats_per_image} beats: "
        f"{design.beat_order}; {design.pixel_beats}."
    )
    yield (
        f"{design.example.capitalize()}s follow one another without a gap or a mark; a reset "
        "starts a new one."
    )
    yield ""
    yield design.pixel_rule
    if design.values is not None:
        yield ""
        yield "### From values to bytes"
        yield "\n\n".join(design.values.text())


def _diagram(design: Design) -> Iterator[str]:
    """Beats with a pause, one that waits, and a result that waits."""
    stream, data = design.ports.stream, design.ports.data[0].name
    rows = {
        "clk": r" _/‾\_/‾\_/‾\_/‾\_/‾\_/‾\_ … _/‾\_/‾\_/‾\_",
        f"{stream}_valid": r" _/‾‾‾‾‾‾‾\___/‾‾‾‾‾‾‾\___ … _____________",
        data: r" XX a X b XXXXX   c   XXXX … XXXXXXXXXXXXX",
        f"{stream}_ready": r" ‾‾‾‾‾‾‾‾‾‾\______/‾‾‾‾‾‾‾ … _____________",
        "result_valid": r" _________________________ … _/‾‾‾‾‾‾‾\___",
        "result_label": r" XXXXXXXXXXXXXXXXXXXXXXXXX … XX   k   XXXX",
        "result_ready": r" _________________________ … _____/‾‾‾\___",
        "taken": "      a   b           c               k",
    }
    width = max(map(len, rows))
    for name, row in rows.items():
        yield f"{name:<{width}}{row}"
