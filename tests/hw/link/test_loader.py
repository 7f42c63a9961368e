"""The loader: what it writes, and what it says of what came."""

import random
from functools import partial

import numpy as np
import pytest
from amaranth.lib import data
from amaranth.sim import Simulator
from conversations import flipped
from samples import deep, image_network

from hw.link import weight_image
from hw.link.loader import Loader
from hw.link.protocol import Status

WORDS = np.random.default_rng(1).integers(0, 1 << 16, 9).astype(np.uint16)
WRITTEN = list(enumerate(WORDS.tolist()))


@pytest.fixture
def network(rng):
    return image_network(rng)


@pytest.fixture
def content(network):
    return weight_image.pack(network, WORDS)


class Bench:
    """A loader whose streams a test drives; notes each word that is written."""

    def __init__(self, network, scenario, *, words=WORDS, idle=0.0, flash=True):
        layout = data.StructLayout({"address": range(len(words)), "data": 16})
        self.dut = Loader(header=weight_image.header(network, words), layout=layout, flash=flash)
        self.written = []
        self._idle = idle
        self._chance = random.Random(2)
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(partial(scenario, self))
        simulator.add_process(self._watch)
        simulator.run()

    async def _watch(self, ctx):
        words = self.dut.words
        async for _, _, valid, word in ctx.tick().sample(words.valid, words.payload):
            if valid:
                self.written.append((word.address, word.data))

    async def send(self, ctx, port, content):
        """Bytes by ``flash`` or ``host``, with idle cycles between."""
        port = {"flash": self.dut.flash, "host": self.dut.host.content}[port]
        for byte in content:
            while self._chance.random() < self._idle:
                await ctx.tick()
            ctx.set(port.payload, byte)
            ctx.set(port.valid, 1)
            await ctx.tick()
            ctx.set(port.valid, 0)
            ctx.set(port.payload, 0xA5)

    async def begin(self, ctx):
        """What a host does before it sends."""
        ctx.set(self.dut.host.begin, 1)
        await ctx.tick()
        ctx.set(self.dut.host.begin, 0)

    def state(self, ctx):
        """(status, reading)."""
        return ctx.get(self.dut.host.status), ctx.get(self.dut.reading)


@pytest.mark.parametrize("idle", [0.6, *deep(0)])
def test_from_flash(network, content, idle):
    async def scenario(bench, ctx):
        assert bench.state(ctx) == (Status.LOADING, 1)
        await bench.send(ctx, "flash", content)
        assert bench.state(ctx) == (Status.LOADING, 0)
        await ctx.tick()
        assert bench.state(ctx) == (Status.READY, 0)
        await bench.send(ctx, "flash", content)  # the loader does not listen any more
        assert bench.state(ctx) == (Status.READY, 0)

    assert Bench(network, scenario, idle=idle).written == WRITTEN


@pytest.mark.parametrize("idle", [0, *deep(0.6)])
@pytest.mark.parametrize("flash", [True, *deep(False)])
@pytest.mark.parametrize("came", [0, 21, 42, *deep(1, 19, 20, 30, 38, 41)])
def test_from_the_host_whatever_was_before(network, content, idle, flash, came):
    async def scenario(bench, ctx):
        await bench.send(ctx, "flash", content[:came])
        assert ctx.get(bench.dut.host.status) == (Status.LOADING if flash else Status.NO_IMAGE)
        if 0 < came < len(content):
            await ctx.tick()  # a word is written a cycle after its second byte
        bench.written.clear()
        await bench.begin(ctx)
        assert bench.state(ctx) == (Status.LOADING, 0)
        await bench.send(ctx, "host", content)
        assert bench.state(ctx) == (Status.LOADING, 0)
        await ctx.tick()
        assert bench.state(ctx) == (Status.READY, 0)

    assert Bench(network, scenario, idle=idle, flash=flash).written == WRITTEN


def test_any_number_of_times(network, content):
    async def scenario(bench, ctx):
        for good in (1, 0, 0, 1, 1):
            await bench.begin(ctx)
            await bench.send(ctx, "host", content if good else flipped(content, 200))
            await ctx.tick()
            assert bench.state(ctx) == (Status.READY if good else Status.DAMAGED, 0)

    assert len(Bench(network, scenario).written) == 5 * len(WORDS)


def test_weights_stay_until_a_header_was_right(network, content):
    """Of which a wrong one, or one that is not continued, is dropped."""

    async def scenario(bench, ctx):
        host = bench.dut.host
        await bench.begin(ctx)
        await bench.send(ctx, "host", content)
        await ctx.tick()
        for bit in range(HEADER):
            await bench.begin(ctx)
            await bench.send(ctx, "host", content[: bit // 8])
            await bench.send(ctx, "host", flipped(content, bit)[bit // 8 :][:1])
            assert ctx.get(host.rejected)
            assert ctx.get(host.verdict) == status_of(bit)
            await ctx.tick()
            assert not ctx.get(host.rejected)
            assert bench.state(ctx) == (Status.READY, 0)
        await bench.begin(ctx)
        await bench.send(ctx, "host", content[:19])
        assert bench.state(ctx) == (Status.READY, 0)
        ctx.set(host.drop, 1)
        await ctx.tick()
        ctx.set(host.drop, 0)
        await bench.send(ctx, "host", content[19:])
        assert bench.state(ctx) == (Status.READY, 0)
        await bench.begin(ctx)
        await bench.send(ctx, "host", content[:20])
        assert bench.state(ctx) == (Status.LOADING, 0)

    assert Bench(network, scenario).written == WRITTEN


def test_the_last_byte(network, content):
    async def scenario(bench, ctx):
        host = bench.dut.host
        await bench.begin(ctx)
        for place, byte in enumerate(content):
            ctx.set(host.content.payload, byte)
            ctx.set(host.content.valid, 1)
            assert ctx.get(host.last) == (place == len(content) - 1)
            await ctx.tick()

    Bench(network, scenario)


def status_of(bit):
    """What a weight image with ``bit`` flipped is: magic and version, identity, length and all
    that the checksum covers.
    """
    if bit < 64:
        return Status.NO_IMAGE
    return Status.OTHER_NETWORK if bit < 128 else Status.DAMAGED


HEADER = 160  # bits
FEW = (0, 63, 64, 127, 128, 159)
BODY = (160, 8 * 42 - 1)


@pytest.mark.parametrize("bit", [*FEW, *deep(*range(7, HEADER, 7))])
def test_a_wrong_header_in_the_flash(network, content, bit):
    """Is seen with the byte in question, and nothing is written."""

    async def scenario(bench, ctx):
        await check_wrong_header(bench, ctx, "flash", content, bit)

    assert Bench(network, scenario).written == []


def test_wrong_headers_from_the_host(network, content):
    """Every bit of it, one after the other."""

    async def scenario(bench, ctx):
        for bit in range(HEADER):
            await bench.begin(ctx)
            await check_wrong_header(bench, ctx, "host", content, bit)

    assert Bench(network, scenario).written == []


async def check_wrong_header(bench, ctx, port, content, bit):
    await bench.send(ctx, port, content[: bit // 8])
    assert ctx.get(bench.dut.host.status) == Status.LOADING
    await bench.send(ctx, port, flipped(content, bit)[bit // 8 :][:1])
    assert bench.state(ctx) == (status_of(bit), 0)
    await bench.send(ctx, port, content)  # is dropped
    assert bench.state(ctx) == (status_of(bit), 0)


@pytest.mark.parametrize("bit", [*BODY, *deep(*range(165, 8 * 42 - 1, 5))])
def test_a_flipped_bit_in_the_flash(network, content, bit):
    async def scenario(bench, ctx):
        await check_flipped(bench, ctx, "flash", content, bit)

    Bench(network, scenario)


def test_flipped_bits_from_the_host(network, content):
    """Every bit of words and checksum, one after the other."""

    async def scenario(bench, ctx):
        for bit in range(HEADER, 8 * len(content)):
            await bench.begin(ctx)
            await check_flipped(bench, ctx, "host", content, bit)

    assert len(content) == 42
    Bench(network, scenario)


async def check_flipped(bench, ctx, port, content, bit):
    await bench.send(ctx, port, flipped(content, bit))
    assert ctx.get(bench.dut.host.status) == Status.LOADING
    await ctx.tick()
    assert bench.state(ctx) == (Status.DAMAGED, 0)


@pytest.mark.parametrize("line", [0x00, 0xFF])
def test_a_silent_flash(network, line):
    async def scenario(bench, ctx):
        await bench.send(ctx, "flash", [line])
        assert bench.state(ctx) == (Status.NO_IMAGE, 0)

    assert Bench(network, scenario).written == []


def test_another_networks_weight_image(rng, network):
    async def scenario(bench, ctx):
        await bench.send(ctx, "flash", weight_image.pack(image_network(rng), WORDS))
        assert bench.state(ctx) == (Status.OTHER_NETWORK, 0)

    assert Bench(network, scenario).written == []


def test_a_weight_image_of_another_length(network, content):
    async def scenario(bench, ctx):
        await bench.send(ctx, "flash", content)
        assert bench.state(ctx) == (Status.OTHER_NETWORK, 0)

    assert Bench(network, scenario, words=WORDS[:-1]).written == []


@pytest.mark.smoke
def test_a_single_word(network):
    async def scenario(bench, ctx):
        await bench.send(ctx, "flash", weight_image.pack(network, WORDS[:1]))
        await ctx.tick()
        assert bench.state(ctx) == (Status.READY, 0)

    assert Bench(network, scenario, words=WORDS[:1]).written == WRITTEN[:1]
