"""Files of format ``phase-1bit/1``: what is written is read, and what is wrong is refused."""

import dataclasses
import json

import numpy as np
import pytest
from networks import bistable_network, image_network
from safetensors import safe_open
from safetensors.numpy import load, save

from sw import bistable
from sw.encoder import LatencyEncoder, PhaseEncoder
from sw.network import Layer, Network, NetworkError, find
from sw.structure import Dense, Shortcut

TEXT = "3c3p1-3c3p1+1x4-m2-a1x2-6-4"
SHAPE = (8, 6)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("shape", "text", "more"),
    [
        (SHAPE, TEXT, {}),
        ((3, 16, 12), TEXT, {"pool": 2}),
        (SHAPE, "5-4", {"select": (3, 1, 7)}),
        ((12, 1, 1), "12+1-4", {}),
    ],
)
def test_round_trip(rng, tmp_path, shape, text, more):
    network = bistable_network(rng, text, 3, shape, **more)
    path = tmp_path / "n.safetensors"
    network.save(path)
    again = find(path, codings=("bistable",))
    assert (again.encoder, again.steps, again.maps) == (network.encoder, 3, network.maps)
    assert (again.coding, again.structure) == ("bistable", network.structure)
    for one, other in zip(network.layers, again.layers, strict=True):
        assert one.kind == other.kind
        for name in ("weight", "threshold", "bias", "gain"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert again.to_bytes() == network.to_bytes() == path.read_bytes()


def test_content_is_the_contract(rng, tmp_path):
    network = bistable_network(rng, "3c3p1-3c3p1+2x4-m2-a1x2-4", 3, (3, 8, 6))
    ones = dataclasses.replace(network.layers[0], gain=np.ones(3, np.int32))
    network = dataclasses.replace(network, layers=(ones, *network.layers[1:]))
    network.save(tmp_path / "n.safetensors")
    with safe_open(tmp_path / "n.safetensors", "np") as file:
        metadata, names = file.metadata(), set(file.keys())
    assert (metadata["format"], metadata["steps"]) == ("phase-1bit/1", "3")
    conv = {"kind": "conv", "channels": 3, "kernel": [3, 3], "stride": [1, 1], "padding": [1] * 4}
    assert json.loads(metadata["layers"]) == [
        conv,
        {**conv, "shortcut": {"from": -1, "gain": 4}},
        {"kind": "max", "kernel": [2, 2]},
        {"kind": "sum", "kernel": [1, 2]},
        {"kind": "dense", "units": 4},
    ]
    assert json.loads(metadata["encoder"]) == {"kind": "phase", "shape": [3, 8, 6], "pool": 1}
    # A gain of 1 throughout is not written
    parts = {f"layer.{i}.{part}" for i in (0, 1, 4) for part in ("threshold", "weight", "bias")}
    assert names == parts | {"layer.1.gain", "layer.4.gain"}
    assert load((tmp_path / "n.safetensors").read_bytes())["layer.1.gain"].dtype == np.int32


def edited(layer, **attributes):
    """Metadata with attributes of one layer changed."""

    def edit(metadata):
        entries = json.loads(metadata["layers"])
        entries[layer] |= attributes
        return {"layers": json.dumps(entries)}

    return edit


def encoder(**fields):
    return {"encoder": json.dumps({"shape": [8, 6], "pool": 1} | fields)}


MIXED = "metadata 'encoder' must be a phase encoder, not"
METADATA = {
    "steps": ({"steps": "9"}, "steps must be in 1 … 8, not '9'"),
    "no steps": ({"steps": "0"}, "steps must be in 1 … 8, not '0'"),
    "latency": (encoder(kind="latency", silent_below=0), MIXED),
    "silence": (encoder(kind="phase", silent_below=0), MIXED),
    "events": ({"encoder": json.dumps({"kind": "events", "shape": [1, 8, 6]})}, MIXED),
    "first-spike format": (
        {"format": "ttfs-1bit/2"},
        "metadata 'encoder' must be a latency or an events encoder, not",
    ),
    "first pooling": (edited(2, kind="first"), "Layer 2, f2, is of first-spike networks"),
    "sizes": ({"layers": "48-4"}, "metadata 'layers' must be a JSON list"),
    "from later": (
        edited(1, shortcut={"from": 1, "gain": 4}),
        "layer 1: a shortcut must come from -1 … 0, not",
    ),
    "from another shape": (
        edited(1, shortcut={"from": -1, "gain": 4}),
        "Layer 1: a shortcut must have the layer's shape, 3 × 8 × 6, not 1 × 8 × 6",
    ),
    "gain 3": (edited(1, shortcut={"from": 0, "gain": 3}), "must be a power of two, not 3"),
    "shortcut of a pooling": (
        edited(2, shortcut={"from": 0, "gain": 1}),
        "layer 2: a layer 'max' must have kernel",
    ),
    "unknown format": (
        {"format": "phase-1bit/2"},
        "format must be 'ttfs-1bit/1', 'ttfs-1bit/2' or 'phase-1bit/1', not 'phase-1bit/2'",
    ),
}


def parts(rng):
    content = bistable_network(rng, TEXT, 3, SHAPE).to_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return load(content), header["__metadata__"]


def refused(tmp_path, tensors, metadata, message):
    path = tmp_path / "n"
    path.write_bytes(save(tensors, metadata=metadata))
    with pytest.raises(NetworkError, match=message) as error:
        Network.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("changes", "message"), METADATA.values(), ids=METADATA)
def test_refuses(rng, tmp_path, changes, message):
    tensors, metadata = parts(rng)
    metadata |= changes(metadata) if callable(changes) else changes
    refused(tmp_path, tensors, metadata, message)


def integers(*values):
    return np.array(values, np.int32)


TENSORS = {
    "no bias": ({"layer.0.bias": None}, "tensor 'layer.0.bias' is missing"),
    "bias of a pooling": ({"layer.2.bias": integers(1)}, "'layer.2.bias' is not expected in a"),
    "bias of a type": (
        {"layer.0.bias": np.zeros(3, np.uint8)},
        r"tensor 'layer.0.bias' must be int32 \[3\], not uint8 \[3\]",
    ),
    "gain of a shape": (
        {"layer.0.gain": integers(1)},
        r"tensor 'layer.0.gain' must be int32 \[3\], not int32 \[1\]",
    ),
    "gain of 3": (
        {"layer.0.gain": integers(1, 3, 2)},
        "Layer 0: gains must be powers of two, not 3",
    ),
    "gain of 0": ({"layer.0.gain": integers(1, 0, 2)}, "Layer 0: gains must be powers of two"),
    "threshold of 0": (
        {"layer.1.threshold": integers(1, 0, 2)},
        "Layer 1: thresholds must be at least 1, not 0",
    ),
    "threshold of the last layer": (
        {"layer.5.threshold": integers(1, 2, 1, 1)},
        "Layer 5: thresholds of the last layer must be 1, not 2",
    ),
    "a large bias": (
        {"layer.0.bias": integers(0, -(2**31) + 1, 0)},
        r"Layer 0: potentials may reach 2,147,48\d,\d\d\d with 3 steps, beyond 31 bits; take fewer",
    ),
    "a large gain": ({"layer.0.gain": integers(1, 2**30, 1)}, "Layer 0: potentials may reach"),
    # 2^29 · 2^(K − 1) is one more than 31 bits hold
    "a large threshold": (
        {"layer.0.threshold": integers(1, 2**29, 1)},
        "Layer 0: potentials may reach 2,147,483,648 with 3 steps, beyond 31 bits",
    ),
}


@pytest.mark.parametrize(("changes", "message"), TENSORS.values(), ids=TENSORS)
def test_refuses_tensors(rng, tmp_path, changes, message):
    tensors, metadata = parts(rng)
    tensors = {name: value for name, value in (tensors | changes).items() if value is not None}
    refused(tmp_path, tensors, metadata, message)


def test_first_spike_networks_have_no_bias_and_no_gain(rng):
    network = image_network(rng)
    for name, value in (("bias", 1), ("gain", 2)):
        layer = network.layers[0]
        layer = dataclasses.replace(layer, **{name: np.full(layer.outputs, value, np.int32)})
        with pytest.raises(NetworkError, match="Layer 0: only bistable networks have biases and"):
            dataclasses.replace(network, layers=(layer, *network.layers[1:]))


def test_steps_of_each_coding(rng):
    network = image_network(rng, steps=4)
    for steps in (9, 0, True, 2.0):
        with pytest.raises(NetworkError, match="Steps of a bistable network must be in 1 … 8"):
            dataclasses.replace(network, encoder=PhaseEncoder(shape=(8, 8)), steps=steps)
    odd = dataclasses.replace(bistable_network(rng, "4", 3, (8, 8)), steps=5)
    with pytest.raises(NetworkError, match="Steps must be a power of two"):
        dataclasses.replace(odd, encoder=LatencyEncoder(shape=(8, 8)))


def test_found_only_where_it_can_be_used(rng, tmp_path):
    path = tmp_path / "n.safetensors"
    bistable_network(rng, "4", 3, (8, 8)).save(path)
    with pytest.raises(NetworkError, match=r"n\.safetensors: is a bistable network; give a first-"):
        find(path)
    assert find(path, codings=("first-spike", "bistable")).coding == "bistable"


def test_reach_by_hand():
    """|c| + (g · fan-in + gain of the shortcut) · (2^K − 1)."""
    kind = Dense(units=2, shortcut=Shortcut(back=1, gain=4))
    most = bistable.reach(kind, (5, 2, 1), 3, bias=integers(-7, 3), gain=integers(1, 2))
    assert most.tolist() == [7 + (10 + 4) * 7, 3 + (20 + 4) * 7]


def test_the_largest_potentials_are_taken(rng):
    """2^31 − 1 is the last that fits."""
    network = bistable_network(rng, "1", 1, (1, 3))
    layer = Layer(weight=np.ones((1, 3), bool), threshold=integers(1), bias=integers(2**31 - 1 - 3))
    assert dataclasses.replace(network, layers=(layer,))
    more = dataclasses.replace(layer, bias=integers(2**31 - 3))
    with pytest.raises(NetworkError, match="potentials may reach 2,147,483,648 with 1 steps"):
        dataclasses.replace(network, layers=(more,))
