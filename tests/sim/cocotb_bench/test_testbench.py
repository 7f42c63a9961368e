"""cocotb on the exported Verilog: every hidden spike, every answer, whatever the streams do."""

import pytest
from cases import VERIFY, make, mixed_images

from sim.cocotb_bench.testbench import simulate
from sw.data import registry
from sw.network import find

FOLDER = VERIFY.parent / "cocotb with spaces"


def run(network, images, tests, name):
    simulate(network, images, tests=tests, folder=FOLDER / name, programs=VERIFY)


def test_mnist(mnist):
    run(find("mnist-512-192-10-t8"), mnist.test_images[:6], "cocotb_core", "mnist")


def test_digits():
    images = registry.load("digits").test_images[:25]
    run(find("digits-64-192-10-t16"), images, "cocotb_core", "digits")


def test_three_hidden_layers(rng):
    network = make(rng, "three hidden layers")
    images = mixed_images(rng, network, 25)
    run(network, images, "cocotb_core", "deep")
    # And the tests can fail.
    with pytest.raises(RuntimeError, match=r"1 of 1 cocotb tests failed; see .*test.log"):
        run(network, images, "cocotb_wrong", "deep")
