"""What bistable networks need: memories by hand, refusals, and what would fit."""

import re

import pytest
from networks import bistable_network, map_network

from hw.boards.families import ECP5, GOWIN, ICE40
from hw.boards.table import BOARDS
from hw.explore.resources import check_fit, resources_of, shortage
from hw.explore.stand_in import stand_in
from hw.rtl.bistable.memories import constants_width
from hw.rtl.config import config_for, find_config
from sw.cli import UserError
from sw.encoder import LatencyEncoder, PhaseEncoder
from sw.structure import parse

MNIST = PhaseEncoder(shape=(28, 28))


def needed(text, engine, encoder=MNIST, steps=3):
    return resources_of(stand_in(encoder, parse(text), steps), find_config(engine))


def test_memories_by_hand():
    """32c3p1-m2-64c3p1-m2-128-10 with P = 64, E = 1, K = 3, so words of 4 values.

    Input: 784 places of three values, a row of the kernel, and whether there is more. Lists:
    14 · 14 places of 8 words and 7 · 7 of 16; a word is 4 · 3 bits, one of 32 of a place (128 units
    are 32 words), and whether there is more. A window of the pooling: 16 words of a tile. Weights:
    of the first layer a row for each of the 3 rows and 4 values of a word; then of 9 · 8 words, of
    2 tiles of 49 · 16, and of 32. Constants are 8 + 16 + 32 + 3 words.
    """
    what = needed("32c3p1-m2-64c3p1-m2-128-10", "bistable-64x1-spram")
    plan = what.engine._plan(what.network)
    lists = ICE40.block_rams(196 * 8 + 49 * 16, 12 + 5 + 1)
    # Of a stand-in all thresholds and biases of a layer are the same.
    constants = ICE40.block_rams(59, constants_width(plan))
    blocks = ICE40.block_rams(784, 3 * 3 + 1) + lists + ICE40.block_rams(16, 12) + constants
    assert what.block_rams(ICE40) == blocks
    rows = 4 * (3 + 9 * 8 + 2 * 49 * 16 + 32)
    assert plan.weight_rows == rows
    assert what.memories_on(BOARDS["icebreaker"]) == (blocks, 4)
    in_blocks = ECP5.block_rams(rows, 64) + what.block_rams(ECP5)
    assert what.memories_on(BOARDS["ulx3s"]) == (in_blocks, 0)


def test_a_shortcut_needs_words_that_are_held_back():
    plain, with_it = (
        needed(text, "bistable-16x4") for text in ("8c3p1-8c3p1-10", "8c3p1-8c3p1+1-10")
    )
    more = with_it.block_rams(ICE40) - plain.block_rams(ICE40)
    assert more == ICE40.block_rams(784 * 2, 4 * 3)


@pytest.mark.parametrize("family", [ICE40, ECP5, GOWIN], ids=str)
def test_more_lanes_need_more_cells(family):
    engines = ("bistable-8x1", "bistable-16x1", "bistable-32x1", "bistable-32x8")
    cells = [needed("16c3p1-m2-10", engine).logic_cells(family) for engine in engines]
    assert cells == sorted(set(cells))


def test_too_large():
    """One line: by how much, which network would fit, which board."""
    network = stand_in(MNIST, parse("64c3p1-m2-128c3p1-m2-256-10"), 3)
    with pytest.raises(UserError) as error:
        check_fit(network, BOARDS["icebreaker"], find_config("bistable-64x1-spram"))
    message = str(error.value)
    assert "\n" not in message
    found = re.search(r"(\d+) SPRAM of 4, (\d+) of them for its weights", message)
    assert int(found[1]) == int(found[2]) > 1_682_496 / (16_384 * 16)
    assert "take --board ulx3s" in message
    layers, other = re.search(
        r"train with --layers (\S+?)(?: and take --engine (\S+?))?, or take", message
    ).groups()
    fewer = stand_in(MNIST, parse(f"{layers},10"), 3)
    engine = find_config(other or "bistable-64x1-spram")
    assert not shortage(resources_of(fewer, engine), BOARDS["icebreaker"])


def test_each_engine_makes_networks_of_its_coding(rng):
    bistable = bistable_network(rng, "5-3", 3, (4, 4))
    first = map_network(rng, "5-3", 4, LatencyEncoder(shape=(4, 4)))
    for name in ("event", "tiles-4"):
        with pytest.raises(UserError, match=r"is a bistable network, .* makes first-spike ones; "):
            config_for(bistable, name)
    with pytest.raises(UserError, match=r"is a first-spike network, .*; take event$"):
        config_for(first, "bistable-8x1")
    assert config_for(bistable, None).name == "bistable-16x4"
