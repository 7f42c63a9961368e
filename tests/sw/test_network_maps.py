"""Files of format ``ttfs-1bit/2``: what is written is read, and what is wrong is refused."""

import json

import numpy as np
import pytest
from networks import map_network
from safetensors import safe_open
from safetensors.numpy import save

from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import Layer, Network, NetworkError
from sw.structure import First

TEXT = "3c3p1-f2-2c2x1s2x1p1.0.0.0-5-4"
ENCODERS = {
    "grey": LatencyEncoder(shape=(8, 6), silent_below=9),
    "colour": LatencyEncoder(shape=(3, 16, 12), pool=2),
    "events": EventsEncoder(shape=(2, 8, 6)),
}


@pytest.mark.smoke
@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_round_trip(rng, tmp_path, encoder):
    network = map_network(rng, TEXT, 4, encoder)
    path = tmp_path / "n.safetensors"
    network.save(path)
    again = Network.load(path)
    assert (again.encoder, again.steps, again.maps) == (encoder, 4, network.maps)
    for one, other in zip(network.layers, again.layers, strict=True):
        assert one.kind == other.kind
        np.testing.assert_array_equal(one.weight, other.weight)
        np.testing.assert_array_equal(one.threshold, other.threshold)
    assert again.to_bytes() == network.to_bytes() == path.read_bytes()


def test_content_is_the_contract(rng, tmp_path):
    network = map_network(rng, "3c3p1-f2-4", 4, ENCODERS["colour"])
    network.save(tmp_path / "n.safetensors")
    with safe_open(tmp_path / "n.safetensors", "np") as file:
        metadata, names = file.metadata(), sorted(file.keys())
        weight = file.get_tensor("layer.0.weight")
    assert metadata["format"] == "ttfs-1bit/2"
    assert json.loads(metadata["layers"]) == [
        {"kind": "conv", "channels": 3, "kernel": [3, 3], "stride": [1, 1], "padding": [1] * 4},
        {"kind": "first", "kernel": [2, 2]},
        {"kind": "dense", "units": 4},
    ]
    assert json.loads(metadata["encoder"])["shape"] == [3, 16, 12]
    # l counts all layers, those without weights too
    assert names == [f"layer.{i}.{part}" for i in (0, 2) for part in ("threshold", "weight")]
    assert weight.shape == (3, 4)
    # Bits in the order (c_in, ky, kx)
    for c in range(3):
        for i in range(3):
            for ky in range(3):
                for kx in range(3):
                    bit = (i * 3 + ky) * 3 + kx
                    expected = network.layers[0].weight.reshape(3, 3, 3, 3)[c, i, ky, kx]
                    assert weight[c, bit // 8] >> bit % 8 & 1 == expected


def test_dense_networks_stay_in_format_1(rng):
    for encoder, version in (
        (LatencyEncoder(shape=(8, 6)), 1),
        (EventsEncoder(channels=48), 1),
        (EventsEncoder(shape=(1, 8, 6)), 2),
        (LatencyEncoder(shape=(1, 8, 6)), 2),
    ):
        content = map_network(rng, "5-4", 4, encoder).to_bytes()
        assert f'"ttfs-1bit/{version}"'.encode() in content
        assert Network.from_bytes(content).encoder == encoder


def test_figures_of_a_network(rng):
    network = map_network(rng, TEXT, 4, ENCODERS["grey"])
    assert network.structure == f"1x8x6-{TEXT}"
    assert network.sizes == (48, 144, 36, 12, 5, 4)
    assert network.weight_bits == 3 * 9 + 2 * 3 * 2 + 5 * 12 + 4 * 5
    assert not network.dense


def parts(rng):
    content = map_network(rng, TEXT, 4, ENCODERS["grey"]).to_bytes()
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    tensors = {}
    for index, layer in enumerate(Network.from_bytes(content).layers):
        if layer.weight.size:
            packed = np.packbits(layer.weight, axis=1, bitorder="little")
            tensors |= {
                f"layer.{index}.weight": packed,
                f"layer.{index}.threshold": layer.threshold,
            }
    return tensors, metadata


def edited(layer, **attributes):
    """Metadata with attributes of one layer changed; None takes one out."""

    def edit(metadata):
        entries = json.loads(metadata["layers"])
        entries[layer] = {k: v for k, v in (entries[layer] | attributes).items() if v is not None}
        return {"layers": json.dumps(entries)}

    return edit


def shaped(**fields):
    return {"encoder": json.dumps({"kind": "events"} | fields)}


FLAT = {"units": 3, "channels": None, "kernel": None, "stride": None, "padding": None}
FAULTS = {
    "text of format 1": ({"layers": "48-5-4"}, "metadata 'layers' must be a JSON list"),
    "no layers": ({"layers": "[]"}, "Layers must be at least one, not none"),
    "unknown kind": (edited(1, kind="mean"), "layer 1: unknown kind of layer; known are dense"),
    "of another coding": (edited(1, kind="max"), "Layer 1, m2, is of bistable networks"),
    "unknown attribute": (edited(0, groups=2), "layer 0: a layer 'conv' must have channels"),
    "missing attribute": (edited(0, padding=None), "layer 0: a layer 'conv' must have"),
    "stride 0": (edited(0, stride=[0, 1]), r"layer 0: Stride must be 2 integers in 1 …"),
    "large kernel": (edited(0, kernel=[11, 3]), "Kernel of 3c11x3p1 must not be larger than"),
    "no window": (edited(1, kernel=[9, 2]), "Window of f9x2 must not be larger than the map"),
    "other channels": (edited(2, channels=3), r"'layer.2.weight' must be uint8 \[3, 1\], not"),
    "order": (edited(0, kind="dense", **FLAT), "Layer 1, f2, must stand before the dense"),
    "shape of 1": (shaped(shape=[48]), "Shape must be three positive"),
    "both": (shaped(shape=[1, 8, 6], channels=48), "must be a latency or an events encoder"),
    "other map": (shaped(shape=[2, 8, 6]), "'layer.0.weight' must be uint8"),
    "shape in format 1": (
        {"format": "ttfs-1bit/1", "layers": "48-5-4"} | shaped(shape=[1, 8, 6]),
        "tensor 'layer.1.threshold' is missing",
    ),
    "kernel 0": (edited(0, kernel=[3, 0]), r"layer 0: Kernel must be 2 integers in 1 …"),
    "window 0": (edited(1, kernel=[0, 2]), r"layer 1: Kernel must be 2 integers in 1 …"),
    "padding below 0": (edited(0, padding=[1, 1, 1, -1]), "Padding must be 4 integers in 0 …"),
    "padding of 2": (edited(0, padding=[1, 1]), "layer 0: Padding must be 4 integers in 0 …"),
    "no dense layer": (edited(4, kind="first", units=None, kernel=[1, 1]), "last layer must be"),
    "too many units": (
        edited(0, padding=[1 << 10] * 4),
        "Units of a layer must be at most 1,048,576, not 12,",
    ),
}


@pytest.mark.parametrize(("changes", "message"), FAULTS.values(), ids=FAULTS)
def test_refuses(rng, tmp_path, changes, message):
    tensors, metadata = parts(rng)
    metadata |= changes(metadata) if callable(changes) else changes
    path = tmp_path / "n"
    path.write_bytes(save(tensors, metadata=metadata))
    with pytest.raises(NetworkError, match=message) as error:
        Network.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


TENSORS = {
    "of a pooling": (
        {"layer.1.threshold": np.zeros(3, np.int32)},
        "tensor 'layer.1.threshold' is not expected in a network 1x8x6-3c3p1-f2-",
    ),
    "missing": ({"layer.2.threshold": None}, "tensor 'layer.2.threshold' is missing"),
    "threshold of each unit": (
        {"layer.0.threshold": np.zeros(3 * 8 * 6, np.int32)},
        r"tensor 'layer.0.threshold' must be int32 \[3\], not int32 \[144\]",
    ),
    "other type": (
        {"layer.0.threshold": np.zeros(3, np.uint8)},
        r"tensor 'layer.0.threshold' must be int32 \[3\], not uint8 \[3\]",
    ),
    # 9 bits of a row: the last byte has one
    "pad bits": (
        {"layer.0.weight": np.full((3, 2), 2, np.uint8)},
        "tensor 'layer.0.weight': pad bits must be 0",
    ),
    "select": (
        {"encoder.select": np.arange(48, dtype=np.int32)},
        "Select must not be given before a layer on maps, 3c3p1",
    ),
}


@pytest.mark.parametrize(("changes", "message"), TENSORS.values(), ids=TENSORS)
def test_refuses_tensors(rng, tmp_path, changes, message):
    tensors, metadata = parts(rng)
    tensors = {name: value for name, value in (tensors | changes).items() if value is not None}
    (tmp_path / "n").write_bytes(save(tensors, metadata=metadata))
    with pytest.raises(NetworkError, match=message) as error:
        Network.load(tmp_path / "n")
    assert "\n" not in str(error.value)


def test_refuses_to_be_built_wrong(rng):
    good = map_network(rng, "3c3-4", 4, ENCODERS["grey"])
    conv = good.layers[0]
    with pytest.raises(NetworkError, match="Layer weight must be empty, not bool"):
        Layer(weight=conv.weight, threshold=conv.threshold, kind=First(kernel=(2, 2)))
    with pytest.raises(NetworkError, match=r"layer 0 \(3c3\) must have weights \(3, 18\), not"):
        Network(**fields(good, encoder=EventsEncoder(shape=(2, 8, 6))))
    selected = LatencyEncoder(shape=(8, 6), select=(1, 2, 3))
    with pytest.raises(NetworkError, match="Select must not be given before a layer on maps"):
        Network(**fields(good, encoder=selected))


def fields(network, **changes):
    names = ("name", "steps", "encoder", "layers", "labels", "provenance")
    return {name: getattr(network, name) for name in names} | changes
