"""cocotb tests of the exported Verilog; test_testbench.py runs them on several networks."""

import random

import cocotb
import numpy as np

from sim import golden
from sim.cocotb_bench.testbench import Testbench
from sim.cycles.model import cycles
from sim.verilator.expected import Expected


async def check(bench, images, **how):
    """Everything the core shows for ``images`` is what the golden model says."""
    records = await bench.run(images, **how)
    assert len(records) == len(images)
    answer = golden.run_images(bench.network, images)
    wrong = Expected.of(answer, bench.layers).differs(records)
    assert not wrong.any(), f"images {np.flatnonzero(wrong)} differ"
    return records


@cocotb.test()
async def one_at_a_time(dut):
    bench = await Testbench.start(dut)
    answer = golden.run_images(bench.network, bench.images)
    expected = cycles(bench.network, bench.images, answer, bench.config)
    for k in range(len(bench.images)):
        record = (await check(bench, bench.images[k : k + 1]))[0]
        assert int(record["valid"] - record["accepted"]) == expected[k]


@cocotb.test()
@cocotb.parametrize(idle=[0, 0.3, 0.9], pause=[0, 0.5, 0.99])
async def back_to_back(dut, idle, pause):
    bench = await Testbench.start(dut)
    await check(bench, bench.images, idle=idle, pause=pause, seed=1)


@cocotb.test()
async def reset_at_any_time(dut):
    bench = await Testbench.start(dut)
    chance = random.Random(2)
    for seed in range(8):
        length = chance.randrange(3 * bench.network.encoder.pixels)
        await bench.run(bench.images, pause=0.5, seed=seed, cycles=length)
        await bench.reset()
        await check(bench, bench.images[seed % 3 :][:3], idle=0.1)
