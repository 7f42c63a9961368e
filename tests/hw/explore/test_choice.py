"""How a network is made on a board unless told otherwise."""

from types import SimpleNamespace

import pytest

from hw.boards.table import BOARDS
from hw.explore import choice
from hw.explore.choice import config_on, fitting
from hw.explore.resources import resources_of, shortage
from hw.explore.stand_in import stand_in
from hw.rtl.config import DEFAULT, find_config
from sw.cli import UserError
from sw.encoder import LatencyEncoder, PhaseEncoder
from sw.structure import parse

MNIST = LatencyEncoder(shape=(28, 28))


def made(text, steps=4):
    return stand_in(MNIST, parse(text), steps)


def fits(network, name, board):
    try:
        return not shortage(resources_of(network, find_config(name)), board)
    except UserError:
        return False


def logic_cells(cells):
    """Resources of a config that takes so many logic cells, by its name; others do not fit."""

    def resources(network, config):
        of_config = cells.get(config.name, 9999)
        return SimpleNamespace(
            memories_on=lambda _: (1, 0), logic_cells=lambda _: of_config, distributed=lambda: ()
        )

    return resources


@pytest.mark.parametrize(
    ("board", "text"),
    [
        ("ulx3s", "16c3p1-f2-32c3p1-f2-10"),
        ("orangecrab", "32c3p1-f2-64c3p1-f2-150-10"),
        ("icebreaker", "16c3p1-f2-32c3p1-f2-10"),
        ("icebreaker", "32c3p1-f2-64c3p1-f2-128-10"),
        ("icebreaker", "8c5s2-16c3s2-10"),
        ("icestick", "32c3p1-f2-64c3p1-f2-128-10"),
        ("icestick", "16c3p1-f2-24c3p1-f2-20c3p1-f2-10"),
    ],
)
def test_the_first_that_fits(board, text):
    """tiles-4 if it does, else the most channels, a table for the first layer before none and
    weights in the bitstream before loaded ones, margins in distributed RAM last; then those that
    gather. Gather-32 would leave 2 % of an iCEstick free.
    """
    board, network = BOARDS[board], made(text)
    lanes = (32, 16, 8, 6, 5, 4, 3, 2, 1)
    kinds = {n: ("-table", "") if n in (8, 5, 4) else ("",) for n in lanes}
    order = ["tiles-4"]
    for n in lanes:
        of_table = ("", "-spram", "-distributed") if n == 8 else ("", "-spram")
        order += [f"tiles-{n}{t}{e}" for t in kinds[n] for e in (of_table if t else ("", "-spram"))]
    order += [*(["gather-32"] if board.name != "icestick" else []), "gather-16", "gather-8"]
    expected = next((name for name in order if fits(network, name, board)), None)
    found = fitting(network, board)
    assert (found and found.name) == expected
    assert config_on(network, board, None).name == (expected or "tiles-4")


def test_a_part_with_spram_takes_loaded_weights():
    network = made("16c3p1-f2-32c3p1-f2-10")
    assert config_on(network, BOARDS["icebreaker"], None).name == "tiles-4-table-spram"


def test_the_smallest_board_takes_the_smallest_engine():
    network = made("16c3p1-f2-24c3p1-f2-20c3p1-f2-10")
    assert config_on(network, BOARDS["icestick"], None).name == "gather-16"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"gather-32": 1216, "gather-16": 1100}, "gather-32"),  # 95 % of 1,280
        ({"gather-32": 1217, "gather-16": 1100}, "gather-16"),
        ({"gather-32": 1250, "gather-16": 1240, "gather-8": 1230}, "gather-32"),  # each is tight
        ({"tiles-4": 1217, "tiles-32": 1500, "gather-8": 1000}, "gather-8"),
        ({"tiles-4": 1217, "tiles-1": 1300}, "tiles-4"),
        ({}, None),
    ],
)
def test_cells_are_left_free(monkeypatch, cells, expected):
    """On an iCEstick; engines that are not named do not fit."""
    monkeypatch.setattr(choice, "resources_of", logic_cells(cells))
    found = fitting(made("16c3p1-f2-24c3p1-f2-20c3p1-f2-10"), BOARDS["icestick"])
    assert (found and found.name) == expected


def test_lanes_that_only_take_time(monkeypatch):
    """With 8 and 16 channels 32 lanes take more cycles than 16, and more cells."""
    cells = {"gather-32": 1100, "gather-16": 1000, "gather-8": 900}
    monkeypatch.setattr(choice, "resources_of", logic_cells(cells))
    assert fitting(made("8c5s2-16c3s2-10"), BOARDS["icestick"]).name == "gather-16"


def test_what_is_named_is_taken():
    network = made("16c3p1-f2-32c3p1-f2-10")
    assert config_on(network, BOARDS["icebreaker"], "tiles-4").name == "tiles-4"
    assert config_on(made("20-10"), BOARDS["icebreaker"], None) == DEFAULT
    with pytest.raises(UserError, match="makes dense layers only"):
        config_on(network, BOARDS["icebreaker"], "event")


def test_what_no_engine_makes():
    with pytest.raises(UserError, match="pools behind a convolution only"):
        config_on(made("f2-10"), BOARDS["icebreaker"], None)


def test_longer_windows_than_lists_hold():
    config = config_on(made("8c3-f4-10", steps=32), BOARDS["icebreaker"], None)
    assert config.name.startswith("gather")


def test_a_bistable_network_takes_the_engine_that_fits():
    """Its default has the weights in block RAM; with loaded ones, that with the most lanes."""
    encoder = PhaseEncoder(shape=(28, 28))
    small = stand_in(encoder, parse("8c5s2,10"), 3)
    large = stand_in(encoder, parse("32c3p1,m2,64c3p1,m2,128,10"), 3)
    board = BOARDS["icebreaker"]
    assert config_on(small, board, None).name == "bistable-16x4"
    assert config_on(large, board, None).name == "bistable-64x1-spram"
    assert config_on(large, board, "bistable-16x4-spram").name == "bistable-16x4-spram"
