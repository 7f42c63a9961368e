"""The netlist of a whole board, SPRAM and all, from the flash to the answers on its UART."""

from cases import VERIFY, mixed_images
from samples import image_network

from hw.config import find_config
from sim.board import OPTIONS, TOP, board_sources
from sim.testbench import simulate


def test_weights_that_are_loaded(rng):
    network = image_network(rng, hidden=(37,))
    simulate(
        network,
        mixed_images(rng, network, 4),
        tests="cocotb_board",
        folder=VERIFY.parent / "board",
        sources=board_sources(network, find_config("folded-16-spram,event")),
        top=TOP,
        options=OPTIONS,
    )
