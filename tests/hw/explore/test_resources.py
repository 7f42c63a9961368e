"""Whether a network fits a board."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import map_network
from samples import events_network, image_network

from hw.boards.families import ECP5, FAMILIES, ICE40
from hw.boards.table import BOARDS
from hw.explore.coefficients import CELLS, TERMS
from hw.explore.designs import DESIGNS, Design, design_network, fitted
from hw.explore.resources import LayeredResources, check_fit, resources_of, shortage
from hw.flow.plan import plan
from hw.flow.tools import run_tool
from hw.rtl.config import Config, find_config
from hw.rtl.engines.base import LayerSize
from hw.rtl.engines.registry import NETWORK_PRESETS, PRESETS
from hw.rtl.inputs.registry import find_input
from hw.rtl.potentials import half_width
from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.network import CODINGS, find

DOCS = Path(__file__).parents[3] / "docs"
BUILT = json.loads((Path(__file__).parent / "built.json").read_text())["built"]
WHAT = LayeredResources(
    layers=(
        LayerSize(inputs=512, outputs=192, margin_bits=9.0, half_bits=10),
        LayerSize(inputs=192, outputs=10, margin_bits=8.0, half_bits=9),
    ),
    steps=8,
    input=find_input(LatencyEncoder(shape=(28, 28), select=tuple(range(512)))),
    margin_width=8,
)


def one_layer(pool):
    """64 inputs and 10 outputs."""
    encoder = LatencyEncoder(shape=(8 * pool, 28 * pool), pool=pool, select=tuple(range(64)))
    return replace(WHAT, layers=WHAT.layers[:1], input=find_input(encoder)).resized((64, 10))


@pytest.mark.parametrize(
    ("what", "family", "count"),
    [
        (WHAT, "ice40", 24 + 1 + 3 + 2),  # weights, links of 1,024 words of 9 + 1 bits, heads
        (one_layer(1), "ice40", 1 + 1 + 2),
        (one_layer(4), "ice40", 1 + 1 + 2 + 1),
        (replace(WHAT, steps=256), "ice40", 24 + 1 + 3 + 2 * 2),  # 512 heads, three in a row
        (WHAT.resized((784, 600, 10)), "ecp5", 34 + 1 + 2 + 2),
    ],
)
def test_block_rams_of_a_network(what, family, count):
    assert what.block_rams(FAMILIES[family]) == count


@pytest.mark.smoke
def test_what_a_network_needs():
    """By hand: V − θ of 4 inputs and one −1 weight is −1 − 1 … 3 − 1, so 3 bits, and so on."""
    network = image_network(
        np.random.default_rng(0), shape=(4, 4), hidden=(1,), pool=2, select=None
    )
    first, output = network.layers
    first.weight[:] = [[True, True, True, False]]
    first.threshold[:] = 1
    output.weight[:] = [[True], [True], [False]]
    output.threshold[:] = [1, 2, 0]  # 0 − 1 … 1 − 1 | −2 … −1 | −1 … 0
    what = resources_of(network)
    assert [layer.margin_bits for layer in what.layers] == [3.0, (1 + 2 + 1) / 3]
    assert what.margin_width == 2
    assert what.sizes == (4, 1, 3)


@pytest.mark.parametrize(("board", "index", "cells", "memories"), [row[:4] for row in BUILT])
def test_the_estimate_meets_what_was_built(board, index, cells, memories):
    """Designs that were synthesised and packed by ``python -m hw.calibrate``."""
    design, family = DESIGNS[index], BOARDS[board].family
    what = resources_of(design_network(design), find_config(design.engine))
    # Of more lanes than any layer has channels, columns of spikes that meet no weight are left out.
    less = design.engine.startswith("gather")
    assert memories <= what.memories_on(BOARDS[board])[0] <= memories + less
    limit = {"ice40": 0.05, "ecp5": 0.08, "gowin": 0.09}[family.name]
    if design.engine.startswith(("tiles", "bistable")):
        limit = 0.1
    if design.engine.startswith("lines"):
        limit = 0.08
    if family.name == "gowin" and design.engine.endswith("x8"):
        limit = 0.2  # ABC makes trees of eight values of lookup tables of many inputs
    assert abs(what.logic_cells(family) / cells - 1) < limit


@pytest.mark.parametrize("board", sorted({row[0] for row in BUILT}))
def test_all_designs_that_fit_were_built(board):
    expected = {
        index
        for index, design in enumerate(DESIGNS)
        if not shortage(
            resources_of(design_network(design), find_config(design.engine)), BOARDS[board]
        )
    }
    assert {index for name, index, *_ in BUILT if name == board} == expected
    assert len(expected) >= 12


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_the_coefficients_are_the_fit_of_what_was_built(family):
    assert CELLS[family.name] == pytest.approx(fitted(BUILT, family), abs=0.011)


def test_every_term_has_its_coefficients():
    """Of engines and inputs, so that none is forgotten where one is added."""
    assert all(list(table) == list(TERMS) for table in CELLS.values())
    designs = [resources_of(design_network(d), find_config(d.engine)).terms(ECP5) for d in DESIGNS]
    assert {term for cost in designs for term in cost} == set(TERMS)
    for engine in PRESETS.values():
        assert set(engine.cost(WHAT.layers[0])) <= set(TERMS)
    networks = {
        "first-spike": design_network(Design((8, 8), "8c3p1-f2-10", 4)),
        "bistable": design_network(Design((8, 8), "8c3p1-m2-10", 4, engine="bistable-16x4")),
    }
    for whole in NETWORK_PRESETS.values():
        assert set(whole.cost(networks[whole.coding], None)) <= set(TERMS)


def test_the_estimate_meets_the_boards_as_built():
    """None of them was fitted; docs/hardware.md shows the estimates, docs/results.md the builds."""
    built = re.findall(
        r"^\| (\w+) \(.*?\) \| (\S+) \| (\S+) \| [\d.]+% \| ([\d,]+) of",
        (DOCS / "results.md").read_text(),
        re.MULTILINE,
    )
    assert len(built) >= 8
    shown = (DOCS / "hardware.md").read_text()
    for board, network, engine, cells in built:
        count = int(cells.replace(",", ""))
        made = resources_of(find(network, codings=CODINGS), find_config(engine))
        guess = made.logic_cells(BOARDS[board].family)
        assert abs(guess / count - 1) < 0.1
        error = f"{100 * (guess / count - 1):+.1f}".replace("-", "−")
        assert f"| {board} | {network} | {engine} | {guess:,} | {cells} | {error} % |" in shown


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_what_fits(board):
    check_fit(find(board.network), board)


@pytest.mark.parametrize(
    ("network", "board", "reasons", "remedies"),
    [
        (
            "mnist-784-600-10-t8",
            "icebreaker",
            r"159 block RAMs of 30 and about (\d+) logic cells of 5280",
            ("train with", " or folded-32-spram,event", "take --board ulx3s"),
        ),
        (
            "mnist-784-600-10-t8",
            "ice40hx8k",
            r"159 block RAMs of 32",
            ("train with", "take --board ulx3s"),
        ),
    ],
)
def test_what_does_not_fit(network, board, reasons, remedies):
    with pytest.raises(UserError) as error:
        check_fit(find(network), BOARDS[board])
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"network '{network}' does not fit {board}: it needs ")
    assert re.search(reasons, message), message
    for remedy in remedies:
        assert remedy in message


def test_the_remedies_are_true(rng):
    """The message's numbers fit, and one more does not."""
    board = BOARDS["icebreaker"]
    network = image_network(rng, shape=(28, 28), hidden=(192,), classes=10, steps=8)
    with pytest.raises(UserError) as error:
        check_fit(network, board)
    inputs = int(re.search(r"--inputs (\d+)", str(error.value))[1])
    hidden = int(re.search(r"with (\d+) units in the first hidden layer", str(error.value))[1])
    for sizes, limit in (
        (lambda n: (n, 192, 10), inputs),
        (lambda n: (784, n, 10), hidden),
    ):
        assert not shortage(resources_of(network).resized(sizes(limit)), board)
        assert shortage(resources_of(network).resized(sizes(limit + 1)), board)


def test_fewer_steps_where_they_are_what_costs(rng):
    """Of 256 steps the orderer alone takes two thirds of an UP5K."""
    board, config = BOARDS["icebreaker"], find_config("folded-32-spram,event")
    network = image_network(rng, shape=(28, 28), hidden=(600,), classes=10, steps=256)
    with pytest.raises(UserError, match=r"; train with --steps \d+") as error:
        check_fit(network, board, config)
    steps = int(re.search(r"--steps (\d+)", str(error.value))[1])
    what = resources_of(network, config)
    assert not shortage(replace(what, steps=steps), board)
    assert shortage(replace(what, steps=2 * steps), board)


@pytest.mark.parametrize(
    ("hidden", "classes", "shortage", "remedy"),
    [
        ((3000,), 4, r"logic cells of 5280", r"; train with \d+ units .* layer, or take .* ulx3s$"),
        (
            (),
            12_000,
            r"753 block RAMs of 30 and .* logic cells",
            r"; make the network much smaller$",
        ),
    ],
)
def test_far_too_large(rng, hidden, classes, shortage, remedy):
    network = image_network(rng, hidden=hidden, classes=classes)
    with pytest.raises(UserError, match=rf"{shortage}.*{remedy}"):
        check_fit(network, BOARDS["icebreaker"])


@pytest.mark.deep
@pytest.mark.parametrize("engine", ["event-4,event-2", "popcount-8,event", "folded-8,event"])
@pytest.mark.parametrize(
    ("board", "cell"), [("icebreaker", "SB_RAM40_4K"), ("ulx3s", "DP16KD")], ids=["ice40", "ecp5"]
)
def test_yosys_needs_as_many_block_rams(rng, tmp_path, board, cell, engine):
    network = image_network(rng, shape=(15, 20), hidden=(20,), classes=3)
    board, config = BOARDS[board], find_config(engine)
    found = built_cells(plan(network, board, config=config), cell, tmp_path)
    assert found == resources_of(network, config).block_rams(board.family)


@pytest.mark.parametrize(
    ("engine", "board", "cell"),
    [
        pytest.param("event", "icebreaker", "SB_RAM40_4K", marks=pytest.mark.deep),
        ("event,folded-8,event", "icebreaker", "SB_RAM40_4K"),
        ("event", "ulx3s", "DP16KD"),
        pytest.param("event,folded-8,event", "ulx3s", "DP16KD", marks=pytest.mark.deep),
    ],
)
def test_yosys_needs_as_many_block_rams_for_events(rng, tmp_path, board, cell, engine):
    """Of the weights only."""
    network = events_network(rng, channels=300, hidden=(12, 20))
    board, config = BOARDS[board], find_config(engine)
    found = built_cells(plan(network, board, config=config), cell, tmp_path)
    assert found == resources_of(network, config).block_rams(board.family)


@pytest.mark.deep
def test_yosys_needs_as_much_distributed_ram(rng, tmp_path):
    """Two rows of 8 margins in each of 9 banks, 16 words of 4 bits each; no other memory."""
    network = map_network(rng, "3c3p1-f2-12c3p1-f2-3", 4, LatencyEncoder(shape=(10, 10)))
    board, config = BOARDS["ulx3s"], find_config("tiles-8-table-distributed")
    the_plan = plan(network, board, config=config)
    bits = config.whole.plan(network).margin_bits
    assert built_cells(the_plan, "TRELLIS_DPR16X4", tmp_path) == 9 * 8 * bits // 4
    built = built_cells(the_plan, "DP16KD", tmp_path)
    assert built == resources_of(network, config).block_rams(board.family, spram=False)


def built_cells(the_plan, cell, folder):
    the_plan.extract(folder)
    _, *arguments = json.loads(the_plan.files["build_top.json"])["commands"][0]
    run_tool("yosys", arguments, cwd=folder, log=folder / "log")
    cells = json.loads((folder / "top.json").read_text())["modules"]["top"]["cells"]
    return sum(what["type"] == cell for what in cells.values())


def test_what_events_need():
    """By hand: potentials for 100 spikes, each of any weight; no encoder and no orderer."""
    network = events_network(np.random.default_rng(0), channels=300, hidden=(2,))
    hidden, output = network.layers
    hidden.threshold[:] = [1, 29]  # −101 … 99 and −129 … 71
    output.weight[:] = True
    output.threshold[:] = 1  # −1 … 1
    what = resources_of(network, Config(most_events=100))
    assert [layer.margin_bits for layer in what.layers] == [8.5, 2.0]
    assert what.sizes == (300, 2, 3)
    assert not {"step", "selection", "pool"} & set(what.cost())
    assert what.block_rams(ICE40) == ICE40.block_rams(300, 2) + 1


def test_channels_of_events_are_not_to_be_trained_away(rng):
    network = events_network(rng, channels=784, hidden=(600,))
    with pytest.raises(UserError, match=r"it needs 15\d block RAMs of 30 .*; train with \d+ units"):
        check_fit(network, BOARDS["icebreaker"])


RAM = """module top(
    input clk, we, input [15:0] ra, wa, input [{high}:0] d, output reg [{high}:0] q);
    (* ram_style = "block" *) reg [{high}:0] words [0:{depth} - 1];
    always @(posedge clk) begin q <= words[ra]; if (we) words[wa] <= d; end
endmodule"""
ROM = """module top(input clk, en, input [15:0] ra, output reg [{high}:0] q);
    (* ram_style = "block" *) reg [{high}:0] words [0:{depth} - 1];
    initial $readmemh("words.hex", words);
    always @(posedge clk) if (en) q <= words[ra];
endmodule"""
MEMORIES = [
    *((RAM, *shape) for shape in ((1280, 7), (300, 5))),
    *((ROM, *shape) for shape in ((768, 10),)),
    *(
        pytest.param(kind, *shape, marks=pytest.mark.deep)
        for kind, shapes in (
            (RAM, ((1568, 11),)),
            (ROM, ((1216, 32), (1100, 10))),
        )
        for shape in shapes
    ),
]


@pytest.mark.parametrize(("verilog", "depth", "width"), MEMORIES)
def test_yosys_packs_words_into_rows(rng, tmp_path, verilog, depth, width):
    (tmp_path / "top.v").write_text(verilog.format(high=width - 1, depth=depth))
    words = "\n".join(f"{word:x}" for word in rng.integers(0, 1 << width, depth).tolist())
    (tmp_path / "words.hex").write_text(words)
    script = "read_verilog top.v; synth_ice40 -top top -json top.json"
    run_tool("yosys", ["-q", "-p", script], cwd=tmp_path, log=tmp_path / "log")
    cells = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"]
    found = sum(what["type"] == "SB_RAM40_4K" for what in cells.values())
    assert ICE40.block_rams(depth, width) == found


def test_block_rams_of_a_folded_layer(rng):
    """20 units in three chunks of 8: a row of weights for each input and chunk."""
    network = image_network(rng, shape=(15, 20), hidden=(20,), classes=3)
    with_event, with_folded = (
        resources_of(network),
        resources_of(network, find_config("folded-8,event")),
    )
    bits = half_width(network.layers[0])
    saved = ICE40.block_rams(300, 20)
    needed = ICE40.block_rams(900, 8) + ICE40.block_rams(3, 8 * bits)
    assert with_folded.block_rams(ICE40) - with_event.block_rams(ICE40) == needed - saved
    assert with_folded.logic_cells(ICE40) < resources_of(
        image_network(rng, shape=(15, 20), hidden=(200,), classes=3)
    ).logic_cells(ICE40)


def test_a_network_in_spram():
    """Two copies of 784 · 19 rows of two columns; its weights take no block RAM."""
    network = find("mnist-784-600-10-t8")
    what = resources_of(network, find_config("folded-32-spram,event"))
    assert what.spram() == 4
    assert what.block_rams(ICE40) == 29  # as hw.build counts them
    check_fit(network, BOARDS["icebreaker"], what.config)
    reason = r"^network '.*' does not fit ice40hx8k: it needs 4 SPRAM of 0; take --board icebreaker"
    with pytest.raises(UserError, match=reason):
        check_fit(network, BOARDS["ice40hx8k"], what.config)
    assert resources_of(network).spram() == 0


def test_block_rams_of_each_memory(rng):
    """By hand for two banks: 150 rows of 8 bits, so two sides of links in 300 words."""
    network = image_network(rng, shape=(15, 20), hidden=(20,), classes=3)
    weights = 2 * ICE40.block_rams(152, 20) + ICE40.block_rams(20, 3)
    links = 2 * ICE40.block_rams(300, 8)
    heads = 3 * ICE40.block_rams(16, 16)  # read by loading and by draining; and the ends
    what = resources_of(network, find_config("event-2,event"))
    assert what.block_rams(ICE40) == weights + links + heads
