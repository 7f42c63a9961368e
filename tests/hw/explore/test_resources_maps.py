"""What networks with maps need: memories by hand, refusals, and what would fit."""

import re

import numpy as np
import pytest
from networks import map_network

from hw.boards.families import ECP5, GOWIN, ICE40
from hw.boards.table import BOARDS
from hw.explore.resources import check_fit, resources_of, shortage
from hw.explore.stand_in import stand_in
from hw.rtl.config import find_config
from sw.cli import UserError
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.structure import parse

MNIST = LatencyEncoder(shape=(28, 28))


def needed(text, engine, encoder=MNIST, steps=4):
    return resources_of(stand_in(encoder, parse(text), steps), find_config(engine))


def test_memories_by_hand():
    """16c3p1-f2-32c3p1-f2-10 with P = 4. A bank of 9 has 10 × 10 places, in rows of 16. The lowest
    margin is that of the outputs: 1,568 inputs, half of them −1, θ = 196, so −980, and 784 − 196
    at most: 11 bits. Lists: 784 input spikes twice, or 784 and 4 tiles of 14 × 14 places, of
    which each has 4 channels that may fire in 4 steps: 3,136 entries. Together at most the inputs,
    4 · 196 · 4 and 8 · 49 · 4, 5,488 words, which 13 bits number; an entry is 5 + 5 + 4 bits. Each
    window has 4 flags and the number of a tile, 26 at most.
    """
    what = needed("16c3p1-f2-32c3p1-f2-10", "tiles-4")
    margins = 9 * ICE40.block_rams(9 * 16 + 10, 4 * 11)
    segments = ICE40.block_rams(2 * 64, 13)
    flags = ICE40.block_rams(16 * 16, 4 + 5)
    # Rows: 4 tiles · 1 channel in a tile of 4; 8 · 4 tiles of 4; 1 · 8 tiles · 49 places · 4
    weights = ICE40.block_rams(4 * 4 + 8 * 4 * 4 + 8 * 49 * 4, 36)
    assert what.block_rams(ICE40) == margins + segments + flags + weights
    assert what.spram() == 1
    assert what.block_rams(ICE40, spram=False) - what.block_rams(ICE40) == ICE40.block_rams(
        5488, 14
    )
    loaded = needed("16c3p1-f2-32c3p1-f2-10", "tiles-4-spram")
    assert loaded.block_rams(ICE40) == margins + segments + flags
    assert loaded.spram() == 1 + 3  # 36 bits are three columns of 1,712 rows
    assert loaded.memories_on(BOARDS["icebreaker"]) == (margins + segments + flags, 4)
    assert loaded.memories_on(BOARDS["ulx3s"])[1] == 0


def test_words_beyond_16_bits_are_in_block_ram():
    """A list's entry of 8 lanes and 10 bits of place."""
    what = needed("16c3p1-f2-32c3p1-f2-10", "tiles-8")
    assert what.spram() == 0
    assert what.block_rams(ICE40) == what.block_rams(ICE40, spram=False)


def test_margins_in_distributed_ram():
    """32c3p1-f2-64c3p1-f2-128-10 with P = 8: behind the first layer 14 × 14 places at most, 5 × 5
    in each of 9 banks, in rows of 8. Of a bank that is 4 · 8 + 5 words of 8 margins, which have 12
    bits: 24 parts of 4 bits, 3 of 16 words.
    """
    text = "32c3p1-f2-64c3p1-f2-128-10"
    block, distributed = (needed(text, f"tiles-8-table{end}") for end in ("", "-distributed"))
    bank = (4 * 8 + 5, 8 * 12)
    for family in (ICE40, ECP5):
        saved = block.block_rams(family) - distributed.block_rams(family)
        assert saved == 9 * family.block_rams(*bank)
    cells = 9 * (24 * 3 * (4 + 2) + 2 * 96)
    assert distributed.terms(ECP5) - block.terms(ECP5) == {"distributed_cell": cells}
    assert distributed.logic_cells(ECP5) - block.logic_cells(ECP5) >= cells
    network = stand_in(MNIST, parse(text), 4)
    for name, board in BOARDS.items():
        lacks = "distributed RAM" in shortage(distributed, board)
        assert lacks == (name not in ("ulx3s", "orangecrab"))
        assert "distributed RAM" not in shortage(block, board)
    with pytest.raises(UserError, match=r"does not fit orangecrab: it needs .* block RAMs of 56"):
        check_fit(network, BOARDS["orangecrab"], find_config("tiles-8-table"))
    check_fit(network, BOARDS["orangecrab"], find_config("tiles-8-table-distributed"))


def test_memories_of_an_engine_that_gathers(rng):
    """16c3p1-f2-24c3p1-f2-20c3p1-f2-10 with W = 16. Inputs in 32 rows of 32, each 2 bits of its
    step and one more; windows of 18 words at most, of 16 spikes and their number; 6 groups of 16
    presets; rows of weights for 1, 2 · 9, 2 · 18 and 18 words; flags of 16 × 16, 8 × 16 and 4 × 8
    words.
    """
    network = map_network(rng, "16c3p1-f2-24c3p1-f2-20c3p1-f2-10", 4, MNIST, 1, 20)
    what = resources_of(network, find_config("gather-16"))
    sizes = [(1024, 3), (18, 16 + 5), (18, 5), (96, 5), (16 * 73, 16), (416, 16)]
    for family in (ICE40, ECP5, GOWIN):
        assert what.block_rams(family) == sum(family.block_rams(*size) for size in sizes)
    assert what.block_rams(ICE40) == 12
    assert what.spram() == 0


@pytest.mark.parametrize("family", [ICE40, ECP5, GOWIN], ids=str)
def test_more_lanes_need_more_cells(family):
    cells = [needed("16c3p1-f2-10", f"tiles-{lanes}").logic_cells(family) for lanes in (1, 4, 16)]
    assert cells == sorted(set(cells))
    # Of a larger map the weights of few lanes are many block RAMs deep, which costs more.
    cells = [needed("16c3p1-f4-10", f"gather-{lanes}").logic_cells(family) for lanes in (8, 16, 32)]
    assert cells == sorted(set(cells))


def test_pooled_pixels_and_events_have_their_front():
    pooled = LatencyEncoder(shape=(56, 56), pool=2)
    plain, fronted = needed("8c3-10", "tiles-4"), needed("8c3-10", "tiles-4", pooled)
    assert fronted.block_rams(ICE40) == plain.block_rams(ICE40) + ICE40.block_rams(28, 10)
    events = needed("8c3-10", "tiles-4", EventsEncoder(shape=(1, 28, 28)))
    assert "event_input" in events.cost()
    assert "step" not in {*plain.cost(), *events.cost()}


LARGE = "64c3p1-f2-128c3p1-f2-256-10"


def test_more_weights_than_any_memory_holds():
    """One line: by how much, which network would fit, which board."""
    network = stand_in(MNIST, parse(LARGE), 4)
    for engine, memory in (("tiles-4", "block RAMs of 30"), ("tiles-4-spram", "SPRAM of 4")):
        with pytest.raises(UserError) as error:
            check_fit(network, BOARDS["icebreaker"], find_config(engine))
        message = str(error.value)
        assert "\n" not in message
        found = re.search(rf"(\d+) {memory}, (\d+) of them for its weights", message)
        bits = 16_384 * 16 if "SPRAM" in memory else 4096
        assert int(found[2]) >= 1_682_496 / bits
        assert int(found[1]) > int(found[2])
        assert "take --board ulx3s" in message
        layers, other = re.search(
            r"train with --layers (\S+?)(?: and take --engine (\S+?))?, or take", message
        ).groups()
        fewer = stand_in(MNIST, parse(f"{layers},10"), 4)
        assert not shortage(resources_of(fewer, find_config(other or engine)), BOARDS["icebreaker"])
        assert other in (None, "tiles-4-spram")  # the SPRAM holds more


def test_other_engines_with_which_it_would_fit():
    network = stand_in(MNIST, parse("16c3p1-f2-32c3p1-f2-10"), 4)
    with pytest.raises(UserError, match=r"take --engine .*tiles-4-spram") as error:
        check_fit(network, BOARDS["icebreaker"], find_config("tiles-4"))
    for name in re.search(r"--engine (.*?), or take", str(error.value))[1].split(" or "):
        check_fit(network, BOARDS["icebreaker"], find_config(name))


def test_engines_of_layers_do_not_make_maps(rng):
    network = map_network(rng, "4c3-f2-10", 4, MNIST)
    with pytest.raises(UserError, match=r"makes dense layers only, not 1x28x28-4c3-f2-10; take"):
        resources_of(network, find_config("event"))


def test_the_default_is_the_networks_own(rng):
    maps = map_network(rng, "4c3-f2-10", 4, MNIST)
    assert resources_of(maps).cost() == resources_of(maps, find_config("tiles-4")).cost()
    np.testing.assert_equal(resources_of(maps).memories_on(BOARDS["icebreaker"])[1], 1)
