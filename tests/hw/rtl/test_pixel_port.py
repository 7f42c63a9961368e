"""Pixels through few pins."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from exchange import PACES, exchange
from networks import bistable_network
from samples import events_network, image_network

from hw.rtl.config import Config, default_config
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.pixel_port import PORTS, ReadPixels, find_port
from sw.cli import UserError

NARROW = [(name, steps) for name in ("nibble", "bit", "binary") for steps in (1, 2, 4)]


def sent(name, steps, pixel, silent_below):
    """The beats of a pixel, by hand: its digits, the highest first."""
    if name == "nibble":
        return [pixel // 16, pixel % 16]
    if name == "bit":
        return [int(digit) for digit in f"{pixel:08b}"]
    left = 0 if pixel < silent_below else steps - (255 - pixel) * steps // 256
    return [int(digit) for digit in f"{left:0{len(f'{steps:b}')}b}"]


@pytest.mark.parametrize(("name", "steps"), NARROW)
def test_what_is_sent(rng, name, steps):
    network = image_network(rng, shape=(16, 16), steps=steps)
    pixels = np.arange(256).reshape(16, 16)
    beats = [beat for pixel in range(256) for beat in sent(name, steps, pixel, 32)]
    assert PORTS[name].encode(network, pixels).tolist() == beats
    assert len(beats) == 256 * PORTS[name].beats(steps)


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize(("name", "steps"), [("nibble", 4), ("bit", 4), ("binary", 4)])
def test_pixels_are_put_together(rng, name, steps, idle, pause):
    """To bytes with which the encoder does the same."""
    pixels = rng.integers(0, 256, 9).tolist()
    beats = [beat for pixel in pixels for beat in sent(name, steps, pixel, 32)]
    dut = ReadPixels(PORTS[name], steps)
    _, taken = exchange(dut, dut.beats, dut.pixels, beats, len(pixels), idle=idle, pause=pause)
    got = [each.value for each in taken]
    if name != "binary":
        assert got == pixels
        return
    for pixel, byte in zip(pixels, got, strict=True):
        assert (byte < 32) == (pixel < 32)
        assert pixel < 32 or (255 - byte) * steps // 256 == (255 - pixel) * steps // 256


def test_one_bit_is_white_or_black():
    """Of one step: it is wires."""
    dut = ReadPixels(PORTS["binary"], 1)
    simulator = Simulator(dut)

    async def process(ctx):
        for bit in (0, 1):
            for valid, ready in ((0, 1), (1, 0), (1, 1)):
                ctx.set(dut.beats.payload, bit)
                ctx.set(dut.beats.valid, valid)
                ctx.set(dut.pixels.ready, ready)
                await ctx.delay(1e-6)
                assert ctx.get(dut.pixels.payload) == 255 * bit
                assert ctx.get(dut.pixels.valid) == valid
                assert ctx.get(dut.beats.ready) == ready

    simulator.add_testbench(process)
    simulator.run()
    assert dut.combinational


def test_what_is_refused(rng):
    four = Config(engines=(EventDriven(banks=4), EventDriven()), pixels=4)
    grey = image_network(rng, shape=(4, 4), steps=8)
    pooled = image_network(rng, shape=(4, 4), pool=2, steps=1)
    events = events_network(rng)
    values = bistable_network(rng, "4c3p1-4", 3, (1, 4, 4))
    for name, network, config, message in (
        ("binary", grey, None, "tells 8 levels of a pixel apart"),
        ("binary", pooled, None, "averages 2 × 2 pixels"),
        ("binary", values, None, "takes values of pixels, and --port binary brings the steps"),
        ("bit", events, None, "takes events, for which there is no --port bit"),
        ("nibble", grey, four, "takes several pixels per beat"),
    ):
        config = config or default_config(network)
        with pytest.raises(UserError, match=message):
            PORTS[name].check(network, config.input(network))
    for network in (grey, pooled, events):
        PORTS["byte"].check(network, default_config(network).input(network))
    with pytest.raises(UserError, match=r"^port 'word' is not known; choose of byte, nibble, bit"):
        find_port("word")
