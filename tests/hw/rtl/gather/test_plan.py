"""How maps, weights and thresholds of the gather engine lie in its memories, by hand."""

import numpy as np
import pytest
from networks import map_network

from hw.rtl.gather.plan import plan_network
from sw.cli import UserError
from sw.encoder import EventsEncoder, LatencyEncoder


def test_sizes_by_hand(rng):
    """16c3p1-f2-24c3p1-f2-20c3p1-f2-10 on 28 × 28 with W = 16: words of a place, windows of 9 and
    of 18 words, groups; the last map's windows end at row 5 of 7.
    """
    encoder = LatencyEncoder(shape=(28, 28))
    network = map_network(rng, "16c3p1-f2-24c3p1-f2-20c3p1-f2-10", 4, encoder)
    plan = plan_network(network, 16)
    assert [layer.size for layer in plan.layers] == [(28, 28), (14, 14), (7, 14), (3, 6)]
    assert [layer.kernel for layer in plan.layers] == [(3, 3), (3, 3), (3, 6), (3, 6)]
    assert [layer.stride for layer in plan.layers] == [(1, 1), (1, 1), (1, 2), (1, 2)]
    assert [layer.padding for layer in plan.layers] == [(1, 1), (1, 1), (1, 2), (0, 0)]
    assert [layer.places for layer in plan.layers] == [(14, 14), (7, 7), (3, 3), (1, 1)]
    assert [layer.groups for layer in plan.layers] == [1, 2, 2, 1]
    assert [plan.words(layer) for layer in plan.layers] == [1, 9, 18, 18]
    assert [layer.most_begin for layer in plan.layers] == [(27, 27), (13, 13), (5, 10), (0, 0)]
    assert plan.bases == [0, 1, 10, 19, 37, 55]
    assert len(plan.weights) == 16 * (1 + 2 * 9 + 2 * 18 + 18)
    # 16 × 16, 8 × 16 and 4 × 8 words, one after another
    assert (plan.regions, plan.flag_words) == ([0, 256, 384], 416)
    assert plan.layers[0].leaves_map == (True, True)
    assert plan.layers[3].leaves_map == (False, False)


def test_each_weight_meets_its_input(rng):
    """A window's words times the rows of a channel are its potential."""
    network = map_network(rng, "5c2x3-6c2-3", 2, LatencyEncoder(shape=(3, 4, 5)))
    plan = plan_network(network, 4)
    first, second, output = plan.layers
    spikes = rng.random((3, 2, 3)) < 0.5  # channel, row, column
    expected = (spikes * (2 * network.layers[0].weight.reshape(5, 3, 2, 3) - 1.0)).sum((1, 2, 3))
    bits = spikes.transpose(1, 2, 0).reshape(-1)
    words = [bits[at : at + 4][::-1] for at in range(0, 18, 4)]
    words[-1] = np.pad(words[-1], (0, 2))
    assert potentials(plan, first, words)[:5] == expected.tolist()

    spikes = rng.random((5, 2, 2)) < 0.5
    expected = (spikes * (2 * network.layers[1].weight.reshape(6, 5, 2, 2) - 1.0)).sum((1, 2, 3))
    words = []
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        words += [spikes[:4, y, x], np.pad(spikes[4:, y, x], (0, 3))]
    assert potentials(plan, second, words)[:6] == expected.tolist()

    spikes = rng.random((6, 2, 2)) < 0.5  # the whole map
    weight = 2 * network.layers[2].weight.reshape(3, 6, 2, 2) - 1.0
    expected = (spikes * weight).sum((1, 2, 3))
    words = []
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        words += [spikes[:4, y, x], np.pad(spikes[4:, y, x], (0, 2))]
    assert potentials(plan, output, words)[:3] == expected.tolist()


def potentials(plan, layer, words):
    """What the engine sums for each channel."""
    result = []
    for channel in range(layer.groups * plan.lanes):
        group, lane = divmod(channel, plan.lanes)
        rows = [(group * plan.words(layer) + j) * plan.lanes + lane for j in range(len(words))]
        result.append(
            sum(
                2 * (word & layer.weights[row]).sum() - word.sum()
                for word, row in zip(words, rows, strict=True)
            )
        )
    return result


def test_thresholds_are_near_but_for_the_output(rng):
    network = map_network(rng, "2c2-2", 2, LatencyEncoder(shape=(2, 2)))
    network.layers[0].weight[:] = [[True, True, True, False], [False] * 4]
    network.layers[0].threshold[:] = 1000, -1000
    network.layers[1].threshold[:] = 1000, -1000
    hidden, output = plan_network(network, 4).layers
    assert hidden.presets.tolist() == [-4, 4, -5, -5]  # V is −1 … 3 and −4 … 0
    assert hidden.spontaneous
    assert output.presets[:2].tolist() == [-1000, 1000]
    assert plan_network(network, 4).margin_bits == 11 + (1000 + 2 > 1023)


REFUSED = {
    "gather takes images, whose pixels fire once, not events; take tiles-4": (
        "4c3,10",
        EventsEncoder(shape=(1, 6, 6)),
    ),
    "gather pools behind a convolution only, layer 0 is f2; train with one first": (
        "f2,10",
        LatencyEncoder(shape=(6, 6)),
    ),
}


@pytest.mark.parametrize(("message", "case"), REFUSED.items(), ids=REFUSED)
def test_refuses(rng, message, case):
    text, encoder = case
    with pytest.raises(UserError, match=f"^network 'random': {message}$"):
        plan_network(map_network(rng, text, 4, encoder), 8)
