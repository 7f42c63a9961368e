"""Buffers on nets with many sinks: who drives whom stays the same."""

import pytest

from hw.flow.asic.fanout import buffer_nets

_DIRECTIONS = {
    "INVX1": {"A": "input", "Y": "output"},
    "DFFPOSX1": {"CLK": "input", "D": "input", "Q": "output"},
}


def cell(kind, **connections):
    return {
        "type": kind,
        "port_directions": _DIRECTIONS[kind],
        "connections": {pin: [bit] for pin, bit in connections.items()},
    }


def netlist(sinks):
    """A flip-flop in a block, of which ``sinks`` inverters and an output of the module hang."""
    cells = {"core.x.flop": cell("DFFPOSX1", CLK=2, D="1", Q=3)}
    cells |= {f"gate{index}": cell("INVX1", A=3, Y=10 + index) for index in range(sinks)}
    nets = {"clk": [2], "q": [3], **{f"y{index}": [10 + index] for index in range(sinks)}}
    return {
        "ports": {"q": {"direction": "output", "bits": [3]}},
        "netnames": {name: {"bits": bits} for name, bits in nets.items()},
        "cells": cells,
    }


def drivers(module):
    return {
        each["connections"][pin][0]: name
        for name, each in module["cells"].items()
        for pin, direction in each["port_directions"].items()
        if direction == "output"
    }


@pytest.mark.parametrize(("sinks", "buffers"), [(1, 0), (4, 0), (5, 2), (16, 4), (17, 5 + 2)])
def test_each_sink_has_the_same_source_and_no_net_has_too_many(sinks, buffers):
    module = netlist(sinks)
    added = buffer_nets(module, buffer="BUFX4", input_pin="A", output_pin="Y", most=4)
    assert added == buffers == sum(name.startswith("core.x.fanout") for name in module["cells"])
    driven_by = drivers(module)
    count = {}
    for name, each in module["cells"].items():
        for pin, direction in each["port_directions"].items():
            bit = each["connections"][pin][0]
            if direction == "input" and isinstance(bit, int):
                count[bit] = count.get(bit, 0) + 1
        if name.startswith("gate"):
            at = each["connections"]["A"][0]
            while driven_by[at] != "core.x.flop":  # through buffers
                at = module["cells"][driven_by[at]]["connections"]["A"][0]
            assert at == 3
    assert max(count.values()) <= 4
    named = {bit for net in module["netnames"].values() for bit in net["bits"]}
    assert set(driven_by) <= named
    assert len(driven_by) == 1 + sinks + buffers  # no bit has two drivers


def test_a_clock_is_left_alone():
    module = netlist(1)
    module["cells"] |= {
        f"f{index}": cell("DFFPOSX1", CLK=2, D=3, Q=50 + index) for index in range(9)
    }
    added = buffer_nets(module, buffer="BUFX4", input_pin="A", output_pin="Y", most=20)
    assert added == 0
