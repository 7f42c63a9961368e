"""cocotb on the exported Verilog: every hidden spike, every answer, whatever the streams do."""

import pytest
from cases import VERIFY, make, mixed_images

from sim.cocotb_bench.testbench import simulate
from sw.data import registry
from sw.network import find

FOLDER = VERIFY.parent / "cocotb"


def test_mnist(mnist):
    simulate(
        find("mnist-512-192-10-t8"),
        mnist.test_images[:6],
        tests="cocotb_core",
        folder=FOLDER / "mnist",
    )


def test_digits():
    images = registry.load("digits").test_images[:25]
    simulate(find("digits-64-192-10-t16"), images, tests="cocotb_core", folder=FOLDER / "digits")


def test_three_hidden_layers(rng):
    network = make(rng, "three hidden layers")
    images = mixed_images(rng, network, 25)
    simulate(network, images, tests="cocotb_core", folder=FOLDER / "deep")
    # And the tests can fail.
    with pytest.raises(RuntimeError, match=r"1 of 1 cocotb tests failed; see .*test.log"):
        simulate(network, images, tests="cocotb_wrong", folder=FOLDER / "deep")
