"""Counts of changes, against designs whose changes are known."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from cases import VERIFY, make, mixed_images
from networks import map_network

from hw.rtl.config import find_config
from sim.verilator.toggles import clocked_activity, core_activity
from sw.cli import UserError
from sw.encoder import LatencyEncoder


def activity(body, cycles):
    design = f"module top(input clk);\n{body}\nendmodule\n"
    return clocked_activity(design, top="top", cycles=cycles, folder=VERIFY)


def test_a_counter():
    """Bit i changes every 2^i cycles; the look-up tables of its adder only feed flip-flops."""
    body = "(* keep *) reg [7:0] count = 0; always @(posedge clk) count <= count + 1;"
    found = activity(body, 512)
    assert (found.cycles, found.images) == (512, 0)
    assert found.flip_flops == Counter({"": 8})
    assert found.wires == Counter({"": sum(512 >> bit for bit in range(8))})
    assert not found.rams
    assert not found.accesses


def test_a_look_up_table_with_a_wire():
    """What the register shifts in is part of its parity, too: it counts, as six flip-flops do."""
    body = """
        (* keep *) reg [3:0] shift = 0;
        (* keep *) reg first = 0, second = 0;
        wire parity = ^shift;
        always @(posedge clk) begin
            shift <= {shift[2:0], shift[3] ~^ shift[2]}; first <= parity; second <= parity ^ first;
        end
    """
    found = activity(body, 100)
    states, shift, first, second = [], 0, 0, 0
    for _ in range(102):
        parity, shifted_in = shift.bit_count() % 2, ~(shift >> 3 ^ shift >> 2) & 1
        states.append(shift | shifted_in << 4 | first << 5 | second << 6)
        shift = shift << 1 & 15 | shifted_in
        first, second = parity, parity ^ first
    changes = [(a ^ b).bit_count() for a, b in pairwise(states[1:])]
    assert found.flip_flops == Counter({"": 6})
    assert found.wires == Counter({"": sum(changes)})


@pytest.mark.parametrize(("enable", "reads"), [("1'b1", 320), ("turn[0]", 160), ("&turn", 80)])
def test_accesses_of_a_block_ram(enable, reads):
    body = f"""
        (* ram_style = "block" *) reg [15:0] memory [0:255];
        (* keep *) reg [15:0] data;
        reg [1:0] turn = 0; reg [7:0] address = 0;
        initial begin memory[0] = 1; memory[3] = 7; memory[200] = 16'h1234; end
        always @(posedge clk) begin
            turn <= turn + 1; address <= address + 3;
            if ({enable}) data <= memory[address];
        end
    """
    found = activity(body, 320)
    assert found.rams == Counter({"memory": 1})
    assert found.accesses == Counter({"memory": reads})


def test_a_core(rng):
    """Equal images take the same each, whatever their number; a blank one takes less."""
    network = make(rng, "pool of two")
    busy, blank = mixed_images(rng, network, 40).max(axis=0), np.zeros((8, 12), np.uint8)

    def on(image, count):
        return core_activity(network, np.repeat(image[None], count, axis=0), folder=VERIFY)

    four, eight, idle = on(busy, 6), on(busy, 10), on(blank, 6)
    assert (four.images, eight.images) == (4, 8)
    assert (eight.cycles, eight.accesses) == (2 * four.cycles, doubled(four.accesses))
    assert eight.wires == doubled(four.wires)
    assert four.cycles >= 4 * network.encoder.pixels
    assert {"encoder", "orderer", "integrate_0", "fire_0", "integrate_1", "decide"} <= set(
        four.luts
    )
    assert idle.wires["integrate_0"] < four.wires["integrate_0"]
    assert idle.flip_flops == four.flip_flops
    # Weights are read for an event only: each of 24 inputs and the end of step 0, all inputs firing
    # in it; on a blank image the end of the first and of the final step.
    assert four.rams["integrate_0"] == 1
    assert four.accesses["integrate_0"] == 4 * (24 + 1)
    assert idle.accesses["integrate_0"] == 4 * 2


def test_a_core_with_maps(rng):
    """Of the spikes of an image each is read from the list in SPRAM, and adds a row of weights of
    two columns there. A blank image has none.
    """
    encoder = LatencyEncoder(shape=(6, 6), silent_below=1)
    network = map_network(rng, "2c3p1-3", 2, encoder, low=100, high=100)  # nothing fires
    config = find_config("tiles-2-spram")
    spikes = 11
    image = np.zeros(36, np.uint8)
    image[rng.choice(36, spikes, replace=False)] = 255

    def on(image, count):
        images = np.repeat(image.reshape(1, 6, 6), count, axis=0)
        return core_activity(network, images, folder=VERIFY, config=config)

    three, six, blank = on(image, 5), on(image, 8), on(image * 0, 5)
    assert (three.images, six.images) == (3, 6)
    assert (six.cycles, six.single_accesses) == (2 * three.cycles, doubled(three.single_accesses))
    # Kept, read and sorted: three accesses of the list; one to be added, two columns of weights,
    # for step 0 alone and for the window. When the last one is sorted, one word more is read.
    assert three.single_accesses == Counter({"tiles": 3 * (spikes * (3 + 2 * (1 + 2)) + 1)})
    assert not blank.single_accesses.total()
    assert blank.wires["tiles"] < three.wires["tiles"]


def doubled(counter):
    return Counter({key: 2 * count for key, count in counter.items()})


def test_too_few_images(rng):
    network = make(rng, "one layer")
    with pytest.raises(UserError, match=r"^Images must be at least 3, not 2$"):
        core_activity(network, np.zeros((2, 4, 4), np.uint8), folder=VERIFY)
