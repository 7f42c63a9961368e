"""The plan of the tiles engine: what it says of a spike gives the convolution of docs/spec.md."""

import numpy as np
import pytest
from networks import map_network

from hw.rtl.tiles.plan import LIST_WORDS
from hw.rtl.tiles.planner import plan_network
from sw.cli import UserError
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.structure import Conv

NETWORKS = {
    "4c3p1-f2-6c3p1-f2-5": ((1, 8, 8), 4),
    "5c5x3s2x1p1.0.2.2-3c2-7-4": ((3, 7, 6), 2),
    "3c1x4s1x3p0.0.1.0-2": ((5, 1, 9), 2),
    "40-30-6": ((2, 5, 5), 4),
    "7c3-f2-8c2x1-9-4": ((7, 6, 5), 3),
    "6c2s2-5": ((2, 5, 6), 5),
}


def places_of(network, layer, unit):
    """Which output places of ``layer`` see the input ``unit``, with the column of weights each
    uses: by the formula, y · s + k − top.
    """
    kind, (_, height, width) = network.layers[layer].kind, network.maps[layer]
    c, place = divmod(unit, height * width)
    y, x = divmod(place, width)
    _, rows, columns = network.maps[layer + 1]
    found = {}
    for oy in range(rows):
        for ox in range(columns):
            ky = y - oy * kind.stride[0] + kind.padding[0]
            kx = x - ox * kind.stride[1] + kind.padding[2]
            if 0 <= ky < kind.kernel[0] and 0 <= kx < kind.kernel[1]:
                found[oy, ox] = (c * kind.kernel[0] + ky) * kind.kernel[1] + kx
    return found


def reached(plan, layer, tile, y, x, lane, in_tile):
    """As the hardware does it: place → weights of the P lanes, from the plan's tables and rows."""
    down, across = layer.down, layer.across
    position = down.position[y] + across.position[x]
    row = (tile * layer.inputs.tiles + in_tile) * layer.positions + position
    minus = layer.minus[row * plan.lanes + lane].reshape(*plan.grid, plan.lanes)
    found = {}
    for a in range(plan.grid[0]):
        for b in range(plan.grid[1]):
            if down.enable[y] >> a & 1 and across.enable[x] >> b & 1:
                last = [
                    axis.row[at] * banks + axis.bank[at]
                    for axis, at, banks in ((down, y, plan.grid[0]), (across, x, plan.grid[1]))
                ]
                found[last[0] - a, last[1] - b] = minus[a, b]
    return found


@pytest.mark.parametrize("text", NETWORKS)
def test_each_spike_reaches_what_the_formula_says(rng, text):
    shape, lanes = NETWORKS[text]
    network = map_network(rng, text, 4, LatencyEncoder(shape=shape))
    plan = plan_network(network, lanes)
    for layer in plan.layers:
        weight, kind = network.layers[layer.index].weight, network.layers[layer.index].kind
        units = layer.inputs.units
        inputs = int(np.prod(network.maps[layer.index]))
        assert sorted(units[units >= 0].tolist()) == list(range(inputs))
        for in_tile, y, x, lane in zip(*np.nonzero(units >= 0), strict=True):
            unit = int(units[in_tile, y, x, lane])
            for tile in range(layer.tiles):
                found = reached(plan, layer, tile, y, x, lane, in_tile)
                if isinstance(kind, Conv):
                    expected = places_of(network, layer.index, unit)
                    assert set(found) == set(expected)
                    members = range(tile * lanes, min((tile + 1) * lanes, kind.channels))
                    for place, column in expected.items():
                        signs = found[place][: len(members)]
                        np.testing.assert_array_equal(signs, ~weight[members, column])
                else:
                    own = layer.outputs.units[tile]
                    for (i, j), minus in found.items():
                        exists = own[i, j] >= 0
                        signs = ~weight[own[i, j][exists], unit]
                        np.testing.assert_array_equal(minus[exists], signs)
                    assert len(found) == plan.banks


@pytest.mark.parametrize("text", NETWORKS)
def test_no_two_entries_share_a_bank(rng, text):
    shape, lanes = NETWORKS[text]
    plan = plan_network(map_network(rng, text, 4, LatencyEncoder(shape=shape)), lanes)
    for layer in plan.layers:
        for axis, banks in ((layer.down, plan.grid[0]), (layer.across, plan.grid[1])):
            assert all(0 <= bank < banks for bank in axis.bank)
            assert all(enable < 1 << banks for enable in axis.enable)


def test_margins_and_their_bounds_by_hand(rng):
    """Three weights of +1, one of −1: V is in −1 … 3. A threshold above that fires as 4, one below
    as −1.
    """
    network = map_network(rng, "2c2-1", 2, LatencyEncoder(shape=(2, 2)))
    network.layers[0].weight[:] = [[1, 1, 1, 0], [1, 1, 1, 0]]
    network.layers[0].threshold[:] = 900, -900
    network.layers[1].weight[:] = True
    network.layers[1].threshold[:] = 1  # V in 0 … 2
    plan = plan_network(network, 2)
    assert plan.layers[0].starts.tolist() == [[-4, 1]]
    assert plan.layers[0].moved.tolist() == [4 - 900, -1 + 900]
    assert plan.layers[0].margins == (-5, 4)
    assert plan.layers[0].spontaneous
    assert not plan.layers[1].spontaneous
    assert (plan.margin_bits, plan.fired) == (4, -8)
    # −8 is 1000, −5 is 1011: three bits tell them apart, 100 and 101
    assert plan.fired_bits == 3


def test_sizes_by_hand(rng):
    network = map_network(rng, "16c3p1-f2-32c3p1-f2-10", 4, LatencyEncoder(shape=(28, 28)))
    plan = plan_network(network, 4)
    assert plan.grid == (3, 3)
    assert plan.row_bits == (4, 4)  # rows 0 … 9 of three places each
    assert [layer.tiles for layer in plan.layers] == [4, 8, 1]
    assert [layer.inputs.tiles for layer in plan.layers] == [1, 4, 8]
    # a row per tile, input tile and lane; of the dense layer one per input
    assert plan.weight_rows == 4 * 4 + 8 * 16 + 32 * 7 * 7
    assert plan.entry_bits == 5 + 5 + 4
    assert [each.most for each in plan.maps] == [784, 16 * 14 * 14, 32 * 7 * 7]
    assert plan.list_words == plan.list_need == 784 + 3136 + 1568
    assert plan.first_segment == 4 + 1
    assert plan.segment_bits == 6  # those of the inputs, and 8 tiles of 4 steps: 37 and one more
    assert plan.tiles == 2 * 13
    assert not plan.can_overflow
    assert plan.windows == (14, 14)


def test_loaded_words_are_the_rows(rng):
    network = map_network(rng, "5c3-4", 2, LatencyEncoder(shape=(5, 5)))
    plan = plan_network(network, 4)  # 36 bits a row: three words, and one that is not kept
    assert (plan.weight_columns, plan.load_columns) == (3, 4)
    words = plan.load_words.reshape(-1, 4)
    assert not words[:, 3].any()
    for row, minus in zip(words.tolist(), plan.weights.tolist(), strict=True):
        assert [bool(row[bit // 16] >> bit % 16 & 1) for bit in range(36)] == minus


REFUSED = {
    r"tiles takes at most 16 steps, not 32; take gather-16": (
        "2c3-2",
        (8, 8),
        32,
        {},
    ),
    r"tiles pools behind a convolution only, layer 0 is f2; train with one first": (
        "f2-2c3-2",
        (8, 8),
        4,
        {},
    ),
    r"tiles takes at most 8,192 input spikes, not 9,000; give fewer": (
        "2c3-2",
        (1, 8, 8),
        4,
        {"most_events": 9000},
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refuses(rng, message):
    text, shape, steps, settings = REFUSED[message]
    kind = EventsEncoder if settings else LatencyEncoder
    network = map_network(rng, text, steps, kind(shape=shape))
    with pytest.raises(UserError, match=f"^network 'random': {message}$"):
        plan_network(network, 4, **settings)
    assert LIST_WORDS == 2 * 8192
