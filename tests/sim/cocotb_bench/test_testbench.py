"""cocotb on the exported Verilog: every hidden spike, every answer, whatever the streams do."""

import pytest
from cases import VERIFY, make, mixed_images
from networks import map_network

from sim.cocotb_bench.testbench import simulate
from sw.data import registry
from sw.encoder import LatencyEncoder
from sw.network import find

FOLDER = VERIFY.parent / "cocotb with spaces"


def run(network, images, tests, name):
    simulate(network, images, tests=tests, folder=FOLDER / name, programs=VERIFY)


@pytest.mark.deep
def test_mnist(mnist):
    run(find("mnist-512-192-10-t8"), mnist.test_images[:3], "cocotb_core", "mnist")


@pytest.mark.deep
def test_digits():
    images = registry.load("digits").test_images[:8]
    run(find("digits-64-192-10-t16"), images, "cocotb_core", "digits")


@pytest.mark.parametrize("count", [4, pytest.param(25, marks=pytest.mark.deep)])
def test_three_hidden_layers(rng, count):
    network = make(rng, "three hidden layers")
    images = mixed_images(rng, network, count)
    run(network, images, "cocotb_core", f"three hidden layers {count}")


def test_maps(rng):
    network = map_network(rng, "3c2,f2,4,3", 4, LatencyEncoder(shape=(2, 4, 4)))
    run(network, mixed_images(rng, network, 4), "cocotb_core", "maps")


def test_a_test_that_fails(rng):
    network = make(rng, "one layer")
    with pytest.raises(RuntimeError, match=r"1 of 1 cocotb tests failed; see .*test.log"):
        run(network, mixed_images(rng, network, 3), "cocotb_wrong", "failing")
