"""The flash reader, against a flash that sleeps."""

import random
from itertools import pairwise

import pytest
from amaranth.sim import Simulator
from samples import deep, unfinished  # noqa: F401
from simulated_flash import SimulatedFlash

from hw.link.flash import FlashReader, half_period

CONTENT = bytes(random.Random(0).randbytes(300))
WAKE, READ = b"\xab", b"\x03"


def read(count, *, address=0, clock=1_000_000, pause=0.0, resets=(), **flash):
    """The first bytes that the reader gives, the cycles in which they are offered, the flash."""
    dut = FlashReader(address=address, clock=clock)
    chip = SimulatedFlash(dut.wires, CONTENT, **flash)
    chance = random.Random(1)
    content, cycles = [], []

    async def take(ctx):
        cycle, offered = 0, False
        while len(content) < count:
            assert cycle < 100_000, "no byte"
            ready = chance.random() >= pause
            ctx.set(dut.bytes.ready, ready)
            if ctx.get(dut.bytes.valid):
                if not offered:
                    cycles.append(cycle)
                offered = True
                if ready:
                    content.append(ctx.get(dut.bytes.payload))
                    offered = False
            await ctx.tick()
            cycle += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(take)
    simulator.add_testbench(chip.serve, background=True)
    simulator.run()
    return dut, bytes(content), cycles, chip


@pytest.mark.parametrize("clock", [200_000, 40_000_001, *deep(12_000_000, 40_000_000, 90_000_000)])
@pytest.mark.parametrize("pause", [0, 0.9])
def test_reads_what_the_flash_holds(clock, pause):
    _, content, _, chip = read(20, clock=clock, pause=pause)
    assert content == CONTENT[:20]
    assert chip.commands == [WAKE, READ + bytes(3)]


@pytest.mark.parametrize("address", [1, 0x123456, *deep(0x80, 255, 290, 0xFFFFFF)])
def test_reads_from_an_address(address):
    _, content, _, chip = read(12, address=address)
    assert content == (CONTENT + b"\xff" * 12)[address:][:12].rjust(12, b"\xff")
    assert chip.commands[-1] == READ + address.to_bytes(3, "big")


@pytest.mark.parametrize("clock", [1_000_000, 100_000_000, *deep(29_250_000, 41_000_000)])
def test_latency_and_throughput(clock):
    dut, _, cycles, _ = read(5, clock=clock)
    assert cycles[0] == dut.latency
    steps = {after - before for before, after in pairwise(cycles)}
    assert steps == {16 * dut.half + 1}


def test_the_flash_has_50_µs_to_wake():
    clock = 12_000_000
    assert read(4, clock=clock, wakes_after=50 * 12)[1] == CONTENT[:4]
    assert read(4, clock=clock, wakes_after=50 * 12 + 100)[1] == b"\xff" * 4  # still asleep


@pytest.mark.smoke
@pytest.mark.parametrize("stuck", [0, 1])
def test_a_flash_that_does_not_answer(stuck):
    assert read(6, stuck=stuck)[1] == bytes([255 * stuck] * 6)


@pytest.mark.parametrize(
    ("clock", "half"),
    [(1, 1), (29_250_000, 1), (40_000_000, 1), (40_000_001, 2), (80_000_000, 2), (90_000_000, 3)],
)
def test_the_flash_is_read_at_20_mhz_at_most(clock, half):
    assert half_period(clock) == half
    assert clock / (2 * half) <= 20e6


@pytest.mark.parametrize("address", [-1, 1 << 24])
@pytest.mark.usefixtures("unfinished")
def test_refuses_an_address_that_no_flash_has(address):
    with pytest.raises(ValueError, match=rf"^Address must be below 2\^24, not {address}$"):
        FlashReader(address=address, clock=12_000_000)
