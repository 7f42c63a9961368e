"""The lines engine against the golden model: margins of every class, and every hidden unit."""

import random

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from exchange import cycle_by_cycle
from networks import map_network
from samples import deep

from hw.rtl.engines.lines import Lines
from sim import golden
from sim.verilator.engines.lines import probed
from sw.encoder import LatencyEncoder
from sw.network import Network

# structure: shape of the image, lowest and highest threshold
CASES = {
    "6c3-f2-10": ((8, 8), -1, 3),  # pooled as it is evaluated
    "6c3p1-f2-5c3p1-f2-7": ((3, 8, 9), -1, 3),  # … and by a stage of its own
    "4c5s2-6c3x2s1x2p1-9-6": ((12, 11), -2, 2),
    "5c3s2p0.1.1.0-3": ((6, 7), 0, 2),
    "3c1-2c2x1-f1x2-4": ((5, 9), 0, 1),
    "16c8-10": ((8, 8), -5, 5),  # a dense layer as a convolution of one place
    "12-7-6": ((5, 6), -5, 5),
    "2c2-1": ((2, 2), 0, 0),
    "3": ((1, 1), 0, 0),
}
OFTEN = ("6c3p1-f2-5c3p1-f2-7", "12-7-6")
IMAGES = 4


def make(rng, text):
    shape, low, high = CASES[text]
    encoder = LatencyEncoder(shape=shape, silent_below=128)
    network = map_network(rng, text, 1, encoder, low, high)
    images = rng.integers(0, 256, (IMAGES, *encoder.image_shape), np.uint8)
    images[1:3] = np.array([0, 255], np.uint8).reshape(2, *[1] * (images.ndim - 1))
    return network, images


def margins_of(network, images):
    """Of the output layer, by a plain sum over the golden model's spikes of the layer before."""
    answer = golden.run_images(network, images)
    times = [network.encoder.times(images, 1), *answer.times]
    fired = times[len(network.layers) - 1] == 0
    last = network.layers[-1]
    return fired @ np.where(last.weight.T, 1, -1) - last.threshold, answer


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("text", [*OFTEN, *deep(*(text for text in CASES if text not in OFTEN))])
def test_margins_and_hidden_units(rng, text, loaded):
    network, images = make(rng, text)
    expected, answer = margins_of(network, images)
    seen = run(network, images, loaded=loaded, idle=0.2, pause=0.3)
    np.testing.assert_array_equal(seen.margins, expected)
    for index in probed(network):  # what a pooling drops is not evaluated
        counted = (answer.times[index] == 0).sum(axis=1)
        np.testing.assert_array_equal(seen.fired[index], counted)


def test_a_reset_at_any_time_leaves_nothing(rng):
    """Rings of weights come back to their first row by themselves."""
    network, images = make(rng, "6c3-f2-10")
    expected, _ = margins_of(network, images)
    for loaded in (False, True):
        for cycle in rng.integers(1, 300, 6).tolist():
            seen = run(network, images[:2], loaded=loaded, reset=cycle)
            np.testing.assert_array_equal(seen.margins, expected[:2])


@pytest.mark.parametrize("gap", [0, 3, 9])
@pytest.mark.parametrize("loaded", [False, True])
def test_a_result_that_is_taken_before_the_last_pixel(rng, loaded, gap):
    """Of 4 × 4 places a window of 3 × 3 leaves the last ones: they are taken all the same, and so
    is the next image.
    """
    encoder = LatencyEncoder(shape=(4, 4), silent_below=128)
    network = map_network(rng, "4c3s2-3", 1, encoder, 0, 3)
    images = rng.integers(0, 256, (3, 4, 4), np.uint8)
    expected, _ = margins_of(network, images)
    engine = Lines(loaded=loaded)
    dut = engine.component(network, None)
    flags = (network.encoder.times(images, 1) == 0).reshape(3, 16)
    items = [
        {"unit": [0], "step": [0], "spike": bool(bit), "last": k == 15}
        for bits in flags
        for k, bit in enumerate(bits)
    ]
    margins = []

    async def process(ctx):
        if loaded:
            for address, word in enumerate(engine.load_words(network).tolist()):
                ctx.set(dut.load.valid, 1)
                ctx.set(dut.load.payload, {"address": address, "data": word})
                await ctx.tick()
            ctx.set(dut.load.valid, 0)
        sent, wait, ended = 0, 0, False
        ctx.set(dut.potentials.ready, 1)
        for _ in range(2000):
            offers = sent < len(items) and not wait
            ctx.set(dut.arrivals.valid, offers)
            if offers:
                ctx.set(dut.arrivals.payload, items[sent])
            ctx.set(dut.restart, ended)
            ended = False
            if ctx.get(dut.potentials.valid):
                margins.append(ctx.get(dut.potentials.payload.margin))
                ended = bool(ctx.get(dut.potentials.payload.last))
            accepted = offers and ctx.get(dut.arrivals.ready)
            sent, wait = sent + accepted, gap if accepted else max(0, wait - 1)
            await ctx.tick()
        assert sent == len(items)

    cycle_by_cycle(dut, process)
    assert margins == expected.reshape(-1).tolist()


def test_every_image_takes_as_long(rng):
    network, images = make(rng, "6c3-f2-10")
    cycles = {run(network, images[k : k + 1], loaded=False).cycles for k in range(IMAGES)}
    assert len(cycles) == 1
    assert cycles.pop() <= Lines().most_cycles(network, None)


class Seen:
    """What came: margins int [B, N], units that fired by layer int [B], and cycles."""

    def __init__(self, network, count):
        self.margins = np.zeros((count, network.sizes[-1]), np.int64)
        self.fired, self.cycles = {}, 0


def run(network: Network, images, *, loaded, idle=0.0, pause=0.0, reset=None) -> Seen:
    """One image after another; with ``reset`` that many cycles of the first before it."""
    engine = Lines(loaded=loaded)
    engine.check(network, None)
    dut = engine.component(network, None)
    chance, seen = random.Random(0), Seen(network, len(images))
    flags = network.encoder.times(images, 1) == 0
    channels = network.maps[0][0]
    flags = flags.reshape(len(images), channels, -1).swapaxes(1, 2).reshape(len(images), -1)
    watched = {
        int(name.removeprefix("layer_")): getattr(dut, name)
        for name in dut.signature.members
        if name.startswith("layer_")
    }
    seen.fired = {index: np.zeros(len(images), np.int64) for index in watched}

    async def one(ctx, bits, number, most=None):
        sent = taken = cycle = 0
        while taken < network.sizes[-1] and cycle != most:
            offers = sent < len(bits) and chance.random() >= idle
            ctx.set(dut.arrivals.valid, offers)
            ctx.set(dut.restart, cycle == 0)
            if offers:
                last = sent == len(bits) - 1
                item = {"unit": [0], "step": [0], "spike": bool(bits[sent]), "last": last}
                ctx.set(dut.arrivals.payload, item)
            ctx.set(dut.potentials.ready, engine.loaded is False or chance.random() >= pause)
            for index, port in watched.items():
                seen.fired[index][number] += ctx.get(port.valid) & ctx.get(port.fires)
            if ctx.get(dut.potentials.valid) and ctx.get(dut.potentials.ready):
                seen.margins[number, taken] = ctx.get(dut.potentials.payload.margin)
                assert ctx.get(dut.potentials.payload.last) == (taken == network.sizes[-1] - 1)
                taken += 1
            sent += offers and ctx.get(dut.arrivals.ready)
            await ctx.tick()
            cycle += 1
            assert cycle < 20_000
        ctx.set(dut.arrivals.valid, 0)
        return cycle

    async def process(ctx):
        if loaded:
            for address, word in enumerate(engine.load_words(network).tolist()):
                ctx.set(dut.load.valid, 1)
                ctx.set(dut.load.payload, {"address": address, "data": word})
                await ctx.tick()
            ctx.set(dut.load.valid, 0)
        if reset is not None:
            await one(ctx, flags[0], 0, most=reset)
            ctx.set(resetting, 1)
            await ctx.tick()
            ctx.set(resetting, 0)
        for number, bits in enumerate(flags):
            seen.cycles += await one(ctx, bits, number)

    resetting = Signal()
    cycle_by_cycle(ResetInserter(resetting)(dut), process)
    return seen
