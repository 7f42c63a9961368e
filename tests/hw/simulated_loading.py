"""Link and loader with a core that a test plays: pixels in, 60 cycles later their sum as class."""

from collections import deque

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.sim import Simulator

from hw.link import weight_image
from hw.link.link import Link
from hw.link.loader import Loader
from hw.rtl.decide import ResultLayout

__all__ = ["WORDS", "converse"]

WORDS = np.random.default_rng(3).integers(0, 1 << 16, 6).astype(np.uint16)


def converse(network, script, *, flash=None, every=9):
    """What the link sends while ``script`` goes on, and the words that were written last.

    Parameters
    ----------
    network : Network
    script : list of bytes, or int
        What the host sends, a byte each ``every`` cycles; a number is a pause of so many cycles.
    flash : bytes, optional
        What comes from the flash after reset, a byte in 5 cycles.
    """
    layer = network.layers[-1]
    result = ResultLayout(layer, network.steps)
    link = Link(network, result=result, loads=True)
    layout = data.StructLayout({"address": range(len(WORDS)), "data": 16})
    loader = Loader(
        header=weight_image.header(network, WORDS), layout=layout, flash=flash is not None
    )
    dut = Module()
    dut.submodules.link, dut.submodules.loader = link, loader
    wiring.connect(dut, link.loading, loader.host)
    sent, memory, pixels, results = [], {}, [], deque()

    async def host(ctx):
        for item in script:
            if isinstance(item, int):
                await ctx.tick().repeat(item)
                continue
            for byte in item:
                ctx.set(link.received.payload, byte)
                ctx.set(link.received.valid, 1)
                await ctx.tick().until(link.received.ready)
                ctx.set(link.received.valid, 0)
                await ctx.tick().repeat(every - 1)
        await ctx.tick().repeat(400)

    async def listen(ctx):
        while True:
            ctx.set(link.sent.ready, 1)
            _, _, valid, payload = await ctx.tick().sample(link.sent.valid, link.sent.payload)
            if valid:
                sent.append(payload)
                ctx.set(link.sent.ready, 0)
                await ctx.tick().repeat(3)

    async def core(ctx):
        now = 0
        ctx.set(link.pixels.ready, 1)
        ports = (link.pixels.valid, link.pixels.payload, link.result.ready, link.loading.begin)
        async for _, _, valid, payload, taken, begin in ctx.tick().sample(*ports):
            if results and taken and ctx.get(link.result.valid):
                results.popleft()
            if valid:
                pixels.append(payload)
            if begin:
                pixels.clear()
                results.clear()
            if len(pixels) == network.encoder.pixels:
                results.append((sum(pixels) % layer.outputs, now + 60))
                pixels.clear()
            now += 1
            ctx.set(link.result.valid, bool(results) and results[0][1] < now)
            if results:
                ctx.set(link.result.payload.label, results[0][0])

    async def chip(ctx):
        for byte in flash or b"":
            ctx.set(loader.flash.payload, byte)
            ctx.set(loader.flash.valid, 1)
            await ctx.tick()
            ctx.set(loader.flash.valid, 0)
            await ctx.tick().repeat(4)

    async def store(ctx):
        words = loader.words
        async for _, _, valid, word in ctx.tick().sample(words.valid, words.payload):
            if valid:
                memory[word.address] = word.data

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(host)
    for process in (listen, core, chip, store):
        simulator.add_testbench(process, background=True)
    simulator.run()
    return bytes(sent), [memory.get(address) for address in range(len(WORDS))]
