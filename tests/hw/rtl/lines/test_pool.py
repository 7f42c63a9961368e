"""First-spike pooling of a map that comes place by place."""

import pytest
from exchange import PACES, Simulation, exchange

from hw.rtl.lines.plan import PoolPlan
from hw.rtl.lines.pool import PoolStage

# inputs, window
CASES = {
    "pairs": ((3, 4, 4), (2, 2)),
    "not square": ((2, 4, 9), (2, 3)),
    "down only": ((2, 6, 3), (3, 1)),
    "across only": ((3, 2, 4), (1, 2)),
    "one unit": ((1, 1, 1), (1, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_is_an_or_of_each_window(rng, name):
    inputs, (down, across) = CASES[name]
    channels, height, width = inputs
    outputs = channels, height // down, width // across
    dut = PoolStage(PoolPlan(index=1, inputs=inputs, outputs=outputs, window=(down, across)))
    maps = rng.random((3, *inputs)) < 0.3
    items = maps.transpose(0, 2, 3, 1).reshape(-1).astype(int).tolist()
    expected = [
        int(one[c, y * down : (y + 1) * down, x * across : (x + 1) * across].any())
        for one in maps
        for y in range(outputs[1])
        for x in range(outputs[2])
        for c in range(channels)
    ]
    simulation = Simulation(dut)
    for idle, pause in PACES:
        _, taken = exchange(
            simulation, dut.inputs, dut.spikes, items, len(expected), idle=idle, pause=pause
        )
        assert [item.value for item in taken] == expected
