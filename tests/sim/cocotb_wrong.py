"""A cocotb test that must fail: it expects another margin of one image."""

import cocotb

from sim import golden
from sim.cocotb_bench.testbench import Testbench
from sim.verilator.expected import Expected


@cocotb.test()
async def expects_another_margin(dut):
    bench = await Testbench.start(dut)
    answer = golden.run_images(bench.network, bench.images)
    answer.margin[2] += 1
    assert not Expected.of(answer).differs(await bench.run(bench.images)).any()
