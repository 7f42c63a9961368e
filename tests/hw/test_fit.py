"""Whether a network fits a board."""

import json
import re

import numpy as np
import pytest
from samples import image_network

from hw.boards import BOARDS
from hw.build import plan
from hw.event import potential_shapes
from hw.fit import block_rams, check_fit, least_logic_cells, network_block_rams
from hw.tools import run_tool
from sw.cli import UserError
from sw.network import find


@pytest.mark.parametrize(
    ("family", "depth", "width", "count"),
    [
        ("ice40", 1, 1, 1),
        ("ice40", 256, 16, 1),
        ("ice40", 257, 16, 2),
        ("ice40", 256, 17, 2),
        ("ice40", 512, 8, 1),
        ("ice40", 1024, 4, 1),
        ("ice40", 2048, 2, 1),
        ("ice40", 2048, 3, 2),
        ("ice40", 600, 10, 2),  # three words of 5 bits in a row of 16
        ("ice40", 4096, 1, 1),
        ("ice40", 784, 128, 32),  # pads to 1,024
        ("ice40", 768, 128, 24),  # three banks of 256
        ("ice40", 512, 192, 24),
        ("ice40", 192, 10, 1),
        ("ice40", 300, 20, 3),
        ("ecp5", 512, 36, 1),
        ("ecp5", 513, 36, 2),
        ("ecp5", 1024, 18, 1),
        ("ecp5", 2048, 9, 1),
        ("ecp5", 4096, 4, 1),
        ("ecp5", 8192, 2, 1),
        ("ecp5", 16384, 1, 1),
        ("ecp5", 16385, 1, 2),
        ("ecp5", 784, 600, 34),
    ],
)
def test_block_rams(family, depth, width, count):
    assert block_rams(family, depth, width) == count


@pytest.mark.parametrize(
    ("family", "sizes", "count"),
    [
        ("ice40", (512, 192, 10), 24 + 1 + 3),  # links: 1,024 words of 9 + 1 bits
        ("ice40", (64, 10), 1 + 1),
        ("ecp5", (784, 600, 10), 34 + 1 + 2),
    ],
)
def test_network_block_rams(family, sizes, count):
    assert network_block_rams(family, sizes) == count


def test_least_logic_cells():
    """By hand: potentials of 4 inputs, ± 4 less a threshold of 1: −5 … 3, 4 bits."""
    network = image_network(np.random.default_rng(0), shape=(2, 2), hidden=(3,), low=1, high=1)
    for shape in (shape for layer in network.layers for shape in potential_shapes(layer)):
        assert 2 <= shape.width <= 4
    widths = [
        max(len(f"{value if value >= 0 else ~value:b}") + 1 for value in (plus - 1, plus - n - 1))
        for n, row in ((4, network.layers[0]), (3, network.layers[1]))
        for plus in row.weight.sum(axis=1).tolist()
    ]
    assert least_logic_cells(network) == sum(widths) + 2 * 3


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_what_fits(board):
    check_fit(find(board.network), board)


@pytest.mark.parametrize(
    ("network", "board", "reasons", "remedies"),
    [
        (
            "mnist-784-600-10-t8",
            "icebreaker",
            r"158 block RAMs of 30 and at least (\d+) logic cells of 5280",
            ("train with", "take --board ulx3s"),
        ),
        (
            "mnist-784-600-10-t8",
            "ice40hx8k",
            r"158 block RAMs of 32",
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
        assert network_block_rams("ice40", sizes(limit)) <= board.memories
        assert network_block_rams("ice40", sizes(limit + 1)) > board.memories


@pytest.mark.parametrize(
    ("hidden", "classes", "shortage", "remedy"),
    [
        ((3000,), 4, r"logic cells of 5280", r"; train with \d+ units .* layer, or take .* ulx3s$"),
        (
            (),
            12_000,
            r"751 block RAMs of 30 and .* logic cells",
            r"; make the network much smaller$",
        ),
    ],
)
def test_far_too_large(rng, hidden, classes, shortage, remedy):
    network = image_network(rng, hidden=hidden, classes=classes)
    with pytest.raises(UserError, match=rf"{shortage}.*{remedy}"):
        check_fit(network, BOARDS["icebreaker"])


def test_yosys_needs_as_many_block_rams(rng, tmp_path):
    network = image_network(rng, shape=(15, 20), hidden=(20,), classes=3)
    the_plan = plan(network, BOARDS["icebreaker"])
    the_plan.extract(tmp_path)
    _, *arguments = json.loads(the_plan.files["build_top.json"])["commands"][0]
    run_tool("yosys", arguments, cwd=tmp_path, log=tmp_path / "log")
    cells = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"]
    rams = [name for name, cell in cells.items() if cell["type"] == "SB_RAM40_4K"]
    used = [
        sum(f".{memory}." in name for name in rams)
        for memory in ("integrate_0.rows", "integrate_1.rows", "orderer.links")
    ]
    assert used == [
        block_rams("ice40", 300, 20),
        block_rams("ice40", 20, 3),
        block_rams("ice40", 600, 10),
    ]
    assert sum(used) == network_block_rams("ice40", network.sizes)
