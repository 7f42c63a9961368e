"""Tiny Tapeout: its pins, ``info.yaml``, documentation, and the folder of tests with cocotb."""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from hw.flow.asic.tiles import LARGEST, TILES, cells_of, fitting
from hw.flow.bundle.cells import (
    count_cells,
    fixed_blocks,
    hidden_units_that_fit,
    layers_that_fit,
    sizes_that_fit,
)
from hw.flow.bundle.design import Design
from hw.flow.bundle.flows.base import Flow, Paths
from hw.flow.bundle.templates import fill
from hw.flow.ports import Port
from hw.rtl.config import Config
from sw.network import Network

__all__ = ["TinyTapeout"]

_VALID, _READY, _RESULT_VALID, _RESULT_READY = range(4)  # bits of uio
_LOAD = 4  # weights come in, where they are loaded; else the first bit of the step

_NOTHING_FITS = (
    f"another engine or fewer inputs; {LARGEST}, the largest, are taken to hold "
    f"{cells_of(LARGEST):,}"
)

# What Tiny Tapeout's template sets, but for density and clock; not to be changed.
_FIXED = {
    "PL_RESIZER_HOLD_SLACK_MARGIN": 0.1,
    "GRT_RESIZER_HOLD_SLACK_MARGIN": 0.05,
    "RUN_LINTER": 1,
    "LINTER_INCLUDE_PDK_MODELS": 1,
    "CLOCK_PORT": "clk",
    "RUN_KLAYOUT_XOR": 0,
    "RUN_KLAYOUT_DRC": 0,
    "DESIGN_REPAIR_BUFFER_OUTPUT_PORTS": 0,
    "TOP_MARGIN_MULT": 1,
    "BOTTOM_MARGIN_MULT": 1,
    "LEFT_MARGIN_MULT": 6,
    "RIGHT_MARGIN_MULT": 6,
    "FP_SIZING": "absolute",
    "GRT_ALLOW_CONGESTION": 1,
    "FP_IO_HLENGTH": 2,
    "FP_IO_VLENGTH": 2,
    "FP_PDN_VPITCH": 38.87,
    "RUN_CTS": 1,
    "FP_PDN_MULTILAYER": 0,
    "MAGIC_DEF_LABELS": 0,
    "MAGIC_WRITE_LEF_PINONLY": 1,
}


class TinyTapeout(Flow):
    """Tiny Tapeout: a design of a few tiles, with 24 pins."""

    name = "tinytapeout"
    text = "Tiny Tapeout: a tt_um_ wrapper, info.yaml, docs and tests as its template has them"
    documentation = "https://tinytapeout.com/specs/, info.yaml version 6 (tt-support-tools)"
    sources = "src"
    options: ClassVar[Mapping[str, Sequence[str]]] = {"tiles": tuple(TILES)}

    def check_network(self, network: Network, config: Config) -> None:
        source = config.input(network)
        if not source.narrow or source.pixels > 1:
            self._refuse(
                network, "has 8 pins for its inputs; take a network for pixels, one per beat"
            )
        if network.sizes[-1] > 256:
            self._refuse(network, "has 8 pins for the class; take at most 256 classes")

    def check(self, design: Design) -> None:
        asked = design.options["tiles"]
        if design.verilog.macros or design.loader:
            self._refuse(
                design.network,
                "has no macros, and no pins for --loader; leave out --macros and --loader",
            )
        blocks = count_cells(design.verilog.text, design.top)
        needed, budget = sum(blocks.values()), cells_of(asked)
        if needed > budget:
            larger, fixed = fitting(needed), fixed_blocks(blocks)
            remedies = [f"--tiles {larger}"] if larger else []
            remedies += _smaller(design, blocks, budget)
            if not larger and asked != LARGEST:
                most = _smaller(design, blocks, cells_of(LARGEST))
                remedies += [f"--tiles {LARGEST} and {each}" for each in most]
            too_large = design.network.dense and sum(fixed.values()) > budget
            part = max(fixed if too_large else blocks, key=lambda name: blocks[name])
            grows = ", which grows with inputs and steps" if too_large else ""
            self._refuse(
                design.network,
                f"would need about {needed:,} cells, {blocks[part]:,} of them for {part}{grows}, "
                f"and {asked} tiles are taken to hold {budget:,}; take "
                f"{' or '.join(remedies) or _NOTHING_FITS}",
            )

    def files(self, design: Design, paths: Paths) -> Mapping[str, str]:
        top = _top(design)
        bench = _bench(design)
        return {
            "info.yaml": _info(design),
            f"src/{top}.v": _wrapper(design),
            "src/config.json": json.dumps(
                {
                    "PL_TARGET_DENSITY_PCT": 60,
                    "CLOCK_PERIOD": round(design.period, 3),
                    **_FIXED,
                },
                indent=2,
            )
            + "\n",
            "docs/info.md": _documentation(design),
            "test/tb.v": fill("tinytapeout_tb.v", TOP=top),
            "test/test.py": fill("tinytapeout_test.py", **bench),
            "test/Makefile": fill("tinytapeout_Makefile", SOURCES=f"{top}.v {design.top}.v"),
            "test/requirements.txt": "cocotb==2.1.0\npytest\n",
        }

    def use(self, design: Design) -> Sequence[str]:
        return [
            "Copy this folder over Tiny Tapeout's Verilog template; its actions harden and test",
            "it. Here: `cd test && pip install -r requirements.txt && make`.",
            "",
            f"The wrapper `{_top(design)}` has Tiny Tapeout's pins:",
            "",
            "| pin | what |",
            "|---|---|",
            *(f"| `{pin}` | {text} |" for pin, text in _pins(design).items() if text),
        ]


def _smaller(design: Design, blocks: Mapping[str, int], budget: int) -> Sequence[str]:
    """The largest network of this kind that fits into ``budget`` cells, as a remedy; none if none
    does.
    """
    network, config, cells = design.network, design.config, sum(blocks.values())
    if not network.dense:
        layers = layers_that_fit(network, config, cells, budget)
        return [f"a network with --layers {','.join(map(str, layers[:-1]))}"] if layers else []
    if hidden := hidden_units_that_fit(network.sizes, blocks, budget):
        return [f"a network with about {','.join(map(str, hidden))} hidden units"]
    if sizes := sizes_that_fit(network, config, cells, budget):
        flags = f"--inputs {sizes[0]}"
        if units := sizes[1:-1]:
            flags += f" --hidden {','.join(map(str, units))}"
        return [f"a network with about {flags}"]
    return []


def _top(design: Design) -> str:
    return f"tt_um_{design.top}"


def _step_pins(design: Design) -> int:
    """Pins of the step, the upper ones of uio."""
    return 4 if design.words is None else 3


def _cut(design: Design) -> int:
    """Lower bits of the step for which there are no pins."""
    return max(0, design.ports.named("result_step").width - _step_pins(design))


def _outputs(design: Design) -> int:
    """uio_oe."""
    return 0b1111_0110 if design.words is None else 0b1110_0110


def _shown_step(design: Design) -> str:
    """Verilog of the step on its pins."""
    step, cut = design.ports.named("result_step"), _cut(design)
    if cut:
        return f"result_step[{step.width - 1}:{cut}]"
    return _padded("result_step", step, _step_pins(design))


def _padded(name: str, port: Port, width: int) -> str:
    spare = width - port.width
    return f"{{{spare}'b0, {name}}}" if spare else name


def _wrapper(design: Design) -> str:
    data, label = design.ports.data[0], design.ports.named("result_label")
    step, margin = design.ports.named("result_step"), design.ports.named("result_margin")
    loads, faults = design.words is not None, design.ports.has("result_fault")
    unused = ["ena", "uio_in[7:5]" if loads else "uio_in[7:4]", "uio_in[2:1]", "result_margin"]
    if data.width < 8 and not loads:
        unused.append(f"ui_in[7:{data.width}]")
    if _cut(design):
        unused.append(
            f"result_step[{_cut(design) - 1}:0]" if _cut(design) > 1 else "result_step[0]"
        )
    if faults:
        unused.append("result_fault")
    return fill(
        "tinytapeout.v",
        TOP=_top(design),
        CORE=design.top,
        LABEL_RANGE=label.range,
        STEP_RANGE=step.range,
        MARGIN_RANGE=margin.range.replace("signed ", ""),
        FAULT_WIRE="  wire result_fault;\n" if faults else "",
        FAULT_PORT="      .result_fault(result_fault),\n" if faults else "",
        DATA="ui_in" if data.width == 8 else f"ui_in[{data.width - 1}:0]".replace("[0:0]", "[0]"),
        VALID=f"uio_in[{_VALID}] & ~load" if loads else f"uio_in[{_VALID}]",
        LOADING=_loading(design) if loads else "",
        LOAD_PORTS="      .load_address(load_address),\n"
        "      .load_data({ui_in, low}),\n"
        "      .load_valid(byte_valid & odd),\n"
        if loads
        else "",
        RESULT_READY=_RESULT_READY,
        LABEL=_padded("result_label", label, 8),
        STEP=_shown_step(design),
        OUTPUTS=f"{_outputs(design):08b}",
        SPARE="1'b0, " if loads else "",
        UNUSED=", ".join(unused),
    )


def _loading(design: Design) -> str:
    """Verilog that makes words of bytes, with the addresses that follow."""
    bits = design.ports.named("load_address").width
    return fill("tinytapeout_loading.v", LOAD=_LOAD, VALID=_VALID, HIGH=bits - 1, WIDTH=bits)


def _pins(design: Design) -> dict[str, str]:
    """What each pin is, as info.yaml has it."""
    data, label = design.ports.data[0].width, design.ports.named("result_label").width
    loads, count, cut = design.words is not None, _step_pins(design), _cut(design)
    step = design.ports.named("result_step").width - cut
    what = [f"pixel data bit {k}" if k < data else "" for k in range(8)]
    if loads:
        weights = [f"weight bit {k}" for k in range(8)]
        what = [", ".join(filter(None, each)) for each in zip(what, weights, strict=True)]
    pins = {f"ui[{k}]": what[k] for k in range(8)}
    pins |= {f"uo[{k}]": f"class bit {k}" if k < label else "" for k in range(8)}
    control = {
        _VALID: "pixel valid (in)",
        _READY: "pixel ready (out)",
        _RESULT_VALID: "result valid (out)",
        _RESULT_READY: "result ready (in)",
    }
    pins |= {f"uio[{k}]": text for k, text in control.items()}
    if loads:
        pins[f"uio[{_LOAD}]"] = "load weights (in)"
    pins |= {
        f"uio[{8 - count + k}]": f"decision step bit {k + cut} (out)" if k < step else ""
        for k in range(count)
    }
    return pins


def _info(design: Design) -> str:
    """info.yaml; strings as JSON, which is YAML."""
    network = design.network
    kind = network.coding.capitalize()
    what = f"{kind} network {network.structure} with 1-bit weights, {network.steps} steps"
    lines = [
        "# Written by firstspike.",
        "project:",
        f"  title: {json.dumps(f'firstspike {network.file_name}')}",
        f"  author: {json.dumps(design.author)}",
        '  discord: ""',
        f"  description: {json.dumps(what)}",
        '  language: "Verilog"',
        f"  clock_hz: {design.clock}",
        f"  tiles: {json.dumps(design.options['tiles'])}",
        f"  top_module: {json.dumps(_top(design))}",
        "  source_files:",
        f"    - {json.dumps(f'{_top(design)}.v')}",
        f"    - {json.dumps(f'{design.top}.v')}",
        "",
        "pinout:",
        *(f"  {pin}: {json.dumps(text)}" for pin, text in _pins(design).items()),
        "",
        "yaml_version: 6",
    ]
    return "\n".join(lines) + "\n"


def _documentation(design: Design) -> str:
    network = design.network
    return fill(
        "tinytapeout_info.md",
        STRUCTURE=network.structure,
        WORKS=_WORKS[network.coding],
        PORT=design.pixel_beats,
        BEATS=design.beats_per_image,
        EXAMPLE=design.example,
        SHAPE=design.example_shape,
        ORDER=design.beat_order,
        PIXEL=design.pixel_rule,
        VALUES="`datasheet.md` says how values become bytes.\n" if design.values else "",
        LABELS=", ".join(network.labels),
        STEP_PINS=f"uio[7:{8 - _step_pins(design)}]",
        STEP=_named_step(design),
        LOADING=_how_to_load(design),
    )


_WORKS = {
    "first-spike": """Inputs fire early if their bytes are large, the units behind
them when enough of the right ones have fired, and the first output unit that fires names the class.
Nothing after the decision is computed.""",
    "bistable": """Values are sent bit by bit, the most
significant first; a unit adds and subtracts what it hears, and sends its own value when all is
heard. The output unit with the largest sum names the class.""",
}


def _named_step(design: Design) -> str:
    width = design.ports.named("result_step").width
    if not _cut(design):
        return "the decision step"
    return f"the upper {_step_pins(design)} of the {width} bits of the decision step"


def _how_to_load(design: Design) -> str:
    if design.words is None:
        return ""
    count = f"{2 * len(design.words):,}"
    return fill("tinytapeout_weights.md", BYTES=count, LOAD=_LOAD, VALID=_VALID)


def _bench(design: Design) -> dict[str, object]:
    beats, _ = design.vectors.beats(
        design.network, design.config, design.pixel_port, design.ports.data
    )
    per_image = design.beats_per_image
    assert per_image is not None
    count = min(len(design.vectors), _IMAGES)
    cut, answer = _cut(design), design.vectors.answer
    words = np.zeros(0, np.uint16) if design.words is None else design.words
    return {
        "PERIOD": f"{2 * round(design.period / 2, 3):.3f}",
        "PATIENCE": design.most_cycles,
        "WEIGHTS": words.astype("<u2").tobytes().hex(),
        "STEP": 8 - _step_pins(design),
        "OUTPUTS": f"{_outputs(design):08b}",
        "IMAGES": "\n".join(
            f'    "{bytes(image.tolist()).hex()}",'
            for image in beats.reshape(-1, per_image)[:count]
        ),
        "RESULTS": ", ".join(
            f"({label}, {step >> cut})"
            for label, step in zip(
                answer.label[:count].tolist(), answer.step[:count].tolist(), strict=True
            )
        ),
    }


_IMAGES = 8  # of the vectors, in the test with cocotb, which is slow
