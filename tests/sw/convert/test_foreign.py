"""Other NIR simulators run what is exported, where they are installed: see ``foreign_nir``."""

from importlib.util import find_spec

import pytest
from foreign_nir import compare, one_threshold

from sw.data import registry
from sw.network import find

# Deprecations of theirs
pytestmark = pytest.mark.filterwarnings("ignore")

pytest.importorskip("nir")
SAME = {"times_different": [0, 0], "classes_different": 0}


def figures(simulator, name, count=None, change=lambda network: network):
    if not find_spec(simulator):
        pytest.skip(f"{simulator} is not installed")
    network = find(name)
    inputs, _ = registry.load_for(network, count=count)
    spikes = network.encoder.encode(inputs, network.steps)
    return compare(simulator, change(network), spikes)


def test_norse(mnist):
    """1,000 images, as imported: hidden neurons are reset to 0 and may fire again, so that outputs
    differ in a few times and in no class. With first spikes only, or v_reset, nothing differs.
    """
    found = figures("norse", "mnist-512-192-10-t8", 1000)
    assert found["as_imported"]["times"] == [192_000, 10_000]
    assert found["as_imported"]["times_different"] == [0, 121]
    assert found["as_imported"]["classes_different"] == 0
    assert found["first_spikes_only"].items() > SAME.items()
    assert found["corrected"].items() > SAME.items()


def test_spikingjelly():
    """One threshold per layer only, and neurons that start from v_reset never fire."""
    name = "digits-64-38-10-t2"
    assert "uniform across all neurons" in figures("spikingjelly", name)["refused"]
    found = figures("spikingjelly", name, change=one_threshold)
    assert found["as_imported"]["times_different"][0] > 0
    assert found["corrected"].items() > SAME.items()


def test_snntorch():
    """One threshold per layer only, and a leak."""
    name = "digits-64-38-10-t2"
    assert "must be same for all neurons" in figures("snntorch", name)["refused"]
    found = figures("snntorch", name, change=one_threshold)
    assert found["first_spikes_only"]["times_different"][0] > 0
