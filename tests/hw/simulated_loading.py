"""Link and loader with a core that a test plays: pixels in, 60 cycles later their sum as class."""

from collections import deque

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.sim import Simulator

from hw.link import protocol, weight_image
from hw.link.link import Link
from hw.link.loader import Loader
from hw.link.protocol import Kind
from hw.rtl.decide import ResultLayout

__all__ = ["SILENCE", "WORDS", "converse"]

WORDS = np.random.default_rng(3).integers(0, 1 << 16, 6).astype(np.uint16)


SILENCE = object()  # in a script: the line is idle for long enough


def converse(network, script, *, flash=None, every=19):
    """The replies that the link sends while ``script`` goes on, and the words that were written
    last.

    Parameters
    ----------
    network : Network
    script : list of Command, bytes, int or SILENCE
        What the host sends, a byte each ``every`` cycles, commands as frames with numbers from 0
        on; a number is a pause of so many cycles.
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
        sequence = 0
        for item in script:
            if isinstance(item, int):
                await ctx.tick().repeat(item)
                continue
            if item is SILENCE:
                ctx.set(link.silent, 1)
                await ctx.tick()
                ctx.set(link.silent, 0)
                continue
            content = item
            if isinstance(item, protocol.Command):
                content = protocol.frame(item, sequence)
                sequence += 1
            for byte in content:
                ctx.set(link.bits.valid, 1)
                for bit in range(8):
                    ctx.set(link.bits.payload, byte >> bit & 1)
                    await ctx.tick()
                ctx.set(link.bits.valid, 0)
                ctx.set(link.bytes.payload, byte)
                ctx.set(link.bytes.valid, 1)
                await ctx.tick()
                ctx.set(link.bytes.valid, 0)
                await ctx.tick().repeat(every - 9)
        await ctx.tick().repeat(400)

    async def listen(ctx):
        while True:
            ctx.set(link.reply.ready, 1)
            _, _, valid, reply = await ctx.tick().sample(link.reply.valid, link.reply.payload)
            if valid:
                content = int(reply.body) & 0xFFFFFFFF
                sent.append((Kind(reply.kind), reply.sequence, content))
                ctx.set(link.reply.ready, 0)
                await ctx.tick().repeat(30)

    async def core(ctx):
        now = 0
        ports = (
            link.pixels.valid,
            link.pixels.payload,
            link.result.ready,
            link.loading.begin,
            link.drop,
        )
        async for _, _, valid, payload, taken, begin, drop in ctx.tick().sample(*ports):
            if results and taken and ctx.get(link.result.valid):
                results.popleft()
            if valid:
                pixels.append(payload)
            if begin or drop:
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
    return sent, [memory.get(address) for address in range(len(WORDS))]
