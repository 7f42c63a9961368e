"""How a network is made on a board unless told otherwise."""

import pytest

from hw.boards.table import BOARDS
from hw.explore.choice import config_on, fitting
from hw.explore.resources import resources_of, shortage
from hw.explore.stand_in import stand_in
from hw.rtl.config import DEFAULT, find_config
from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.structure import parse

MNIST = LatencyEncoder(shape=(28, 28))


def made(text, steps=4):
    return stand_in(MNIST, parse(text), steps)


def fits(network, name, board):
    try:
        return not shortage(resources_of(network, find_config(name)), board)
    except UserError:
        return False


@pytest.mark.parametrize(
    ("board", "text"),
    [
        ("ulx3s", "16c3p1-f2-32c3p1-f2-10"),
        ("icebreaker", "16c3p1-f2-32c3p1-f2-10"),
        ("icebreaker", "32c3p1-f2-64c3p1-f2-128-10"),
        ("icebreaker", "8c5s2-16c3s2-10"),
        ("icestick", "32c3p1-f2-64c3p1-f2-128-10"),
    ],
)
def test_the_first_that_fits(board, text):
    """tiles-4 if it does, else the most channels, weights in the bitstream first."""
    board, network = BOARDS[board], made(text)
    lanes = (32, 16, 8, 4, 2, 1)
    order = ["tiles-4", *(f"tiles-{n}{end}" for n in lanes for end in ("", "-spram"))]
    expected = next((name for name in order if fits(network, name, board)), None)
    found = fitting(network, board)
    assert (found and found.name) == expected
    assert config_on(network, board, None).name == (expected or "tiles-4")


def test_a_part_with_spram_takes_loaded_weights():
    network = made("16c3p1-f2-32c3p1-f2-10")
    assert config_on(network, BOARDS["icebreaker"], None).name == "tiles-4-spram"


def test_what_is_named_is_taken():
    network = made("16c3p1-f2-32c3p1-f2-10")
    assert config_on(network, BOARDS["icebreaker"], "tiles-4").name == "tiles-4"
    assert config_on(made("20-10"), BOARDS["icebreaker"], None) == DEFAULT
    with pytest.raises(UserError, match="makes dense layers only"):
        config_on(network, BOARDS["icebreaker"], "event")


def test_what_no_engine_makes():
    with pytest.raises(UserError, match="at most 16 steps"):
        config_on(made("8c3-10", steps=32), BOARDS["icebreaker"], None)
