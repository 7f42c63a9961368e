"""The network file: what is written is read, and everything else is refused by name."""

import json
from dataclasses import replace

import numpy as np
import pytest
from networks import PROVENANCE, image_network, random_network
from safetensors import safe_open
from safetensors.numpy import save

from sw.encoder import EventsEncoder
from sw.network import CODINGS, ZOO, Layer, Network, NetworkError, file_name, find, zoo_names


@pytest.mark.smoke
@pytest.mark.parametrize("encoder", [{}, {"pool": 2}, {"select": (5, 0, 63), "silent_below": 9}])
def test_round_trip(rng, tmp_path, encoder):
    network = image_network(rng, hidden=9, **encoder)
    path = tmp_path / "n.safetensors"
    network.save(path)
    again = Network.load(path)
    assert (again.name, again.steps, again.encoder, again.labels, again.provenance) == (
        (network.name, network.steps, network.encoder, network.labels, network.provenance)
    )
    for one, other in zip(network.layers, again.layers, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
        np.testing.assert_array_equal(one.threshold, other.threshold)
    assert again.to_bytes() == network.to_bytes() == path.read_bytes()
    assert again.sha256 == network.sha256


def test_events_round_trip(rng):
    network = random_network(rng, (700, 3), 100)
    assert Network.from_bytes(network.to_bytes()).encoder == EventsEncoder(channels=700)


def test_content_is_the_contract(rng, tmp_path):
    network = image_network(rng, hidden=3, select=tuple(range(11)))
    network.save(tmp_path / "n.safetensors")
    with safe_open(tmp_path / "n.safetensors", "np") as file:
        metadata, weight = file.metadata(), file.get_tensor("layer.0.weight")
        assert file.get_tensor("layer.0.threshold").dtype == np.int32
    assert (metadata["format"], metadata["layers"], metadata["steps"]) == (
        ("ttfs-1bit/1", "11-3-10", "16")
    )
    assert weight.shape == (3, 2)
    assert weight.dtype == np.uint8
    for j in range(3):
        for i in range(11):
            assert (weight[j, i // 8] >> i % 8 & 1) == network.layers[0].weight[j, i]


def test_sizes(rng):
    network = random_network(rng, (20, 9, 4), 8)
    assert (network.sizes, network.structure) == ((20, 9, 4), "20-9-4")
    assert network.weight_bits == 20 * 9 + 9 * 4
    assert (network.layers[0].inputs, network.layers[0].outputs) == (20, 9)


def parts(rng):
    """Tensors and metadata of a good 11-5-10 file with eleven selected pixels."""
    content = image_network(rng, select=tuple(range(11))).to_bytes()
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    network = Network.from_bytes(content)
    tensors = {"encoder.select": np.arange(11, dtype=np.int32)}
    for index, layer in enumerate(network.layers):
        packed = np.packbits(layer.weight, axis=1, bitorder="little")
        tensors |= {f"layer.{index}.weight": packed, f"layer.{index}.threshold": layer.threshold}
    return tensors, metadata


def encoder(**fields):
    return {"encoder": json.dumps({"kind": "latency", "shape": [8, 8]} | fields)}


GOOD = {"pool": 1, "silent_below": 0}
PADDED = np.full((5, 2), 255, np.uint8)
TENSORS = {
    "missing": ("layer.1.threshold", None, "tensor 'layer.1.threshold' is missing"),
    "extra": ("bias", np.zeros(1, np.int32), "tensor 'bias' is not expected in a network 11-5-10"),
    "extra layer": ("layer.2.weight", PADDED, "tensor 'layer.2.weight' is not expected"),
    "float": ("layer.0.weight", np.zeros(5, np.float32), "must be uint8 or int32, not F32"),
    "dtype": (
        "layer.0.threshold",
        np.zeros(5, np.uint8),
        r"tensor 'layer.0.threshold' must be int32 \[5\], not uint8 \[5\]",
    ),
    "shape": (
        "layer.0.weight",
        np.zeros((5, 3), np.uint8),
        r"tensor 'layer.0.weight' must be uint8 \[5, 2\], not uint8 \[5, 3\]",
    ),
    "pad bits": ("layer.0.weight", PADDED, "tensor 'layer.0.weight': pad bits must be 0"),
    "select beyond": (
        "encoder.select",
        np.arange(54, 65, dtype=np.int32),
        "Select index must be in 0 … 63, not 64",
    ),
    "select below": (
        "encoder.select",
        np.arange(-1, 10, dtype=np.int32),
        "Select index must be in 0 … 63, not -1",
    ),
    "select short": (
        "encoder.select",
        np.arange(7, dtype=np.int32),
        "sizes must chain: the encoder gives 7 inputs, layer 0 takes 11",
    ),
    "select shape": ("encoder.select", np.zeros((11, 1), np.int32), "'encoder.select' must be"),
    "select dtype": ("encoder.select", np.zeros(11, np.uint8), "'encoder.select' must be int32"),
}
METADATA = {
    "format": ({"format": "ttfs-1bit/3"}, "'ttfs-1bit/2' or 'phase-1bit/1', not 'ttfs-1bit/3'"),
    "no format": ({"format": None}, "'ttfs-1bit/2' or 'phase-1bit/1', not None"),
    "no labels": ({"labels": None}, "metadata 'labels' is missing"),
    "no provenance": ({"provenance": None}, "metadata 'provenance' is missing"),
    "steps 0": ({"steps": "0"}, "steps must be in 1 … 256, not '0'"),
    "steps 257": ({"steps": "257"}, "steps must be in 1 … 256, not '257'"),
    "steps text": ({"steps": "many"}, "steps must be in 1 … 256, not 'many'"),
    "steps of pixels": ({"steps": "12"}, "Steps must be a power of two where pixels are encoded"),
    "pool divides": (encoder(pool=4, silent_below=0, shape=[8, 6]), "divisible by the pool 4"),
    "pool": (encoder(pool=3, silent_below=0), "Pool must be 1, 2 or 4, not 3"),
    "silent_below": (encoder(pool=1, silent_below=300), "Silent_below must be in 0 … 256"),
    "encoder shape": (encoder(**GOOD, shape=8), "encoder: "),
    "encoder fields": (encoder(pool=1), "must be a latency or an events encoder"),
    "encoder kind": (encoder(**GOOD, kind="rate"), "must be a latency or an events encoder"),
    "encoder text": ({"encoder": "{"}, "metadata 'encoder' must be a JSON dict"),
    "events with select": (
        {"encoder": '{"kind": "events", "channels": 11}'},
        "Select must not be given with an events encoder",
    ),
    "sizes": ({"layers": "11-0-10"}, "metadata 'layers' must be sizes such as '784-600-10'"),
    "one size": ({"layers": "11"}, "metadata 'layers' must be sizes"),
    "other sizes": ({"layers": "11-5-9"}, r"'layer.1.weight' must be uint8 \[9, 1\], not"),
    "more layers": ({"layers": "11-5-10-10"}, "tensor 'layer.2.threshold' is missing"),
    "labels": ({"labels": "[1, 2]"}, "metadata 'labels' must be a list of strings"),
    "label count": ({"labels": '["a"]'}, r"Labels must be one per output unit \(10\), not 1"),
    "provenance": ({"provenance": "[]"}, "metadata 'provenance' must be a JSON dict"),
    "seed unknown": (
        {"provenance": json.dumps({k: v for k, v in PROVENANCE.items() if k != "seed"})},
        "Provenance must name 'seed'",
    ),
}


def refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=message) as error:
        Network.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_parts_are_good(rng):
    tensors, metadata = parts(rng)
    assert Network.from_bytes(save(tensors, metadata=metadata)).structure == "11-5-10"


@pytest.mark.parametrize(("name", "tensor", "message"), TENSORS.values(), ids=TENSORS)
def test_refuses_tensors(rng, tmp_path, name, tensor, message):
    tensors, metadata = parts(rng)
    tensors[name] = tensor
    tensors = {key: value for key, value in tensors.items() if value is not None}
    refused(tmp_path / "n", save(tensors, metadata=metadata), message)


@pytest.mark.parametrize(("changes", "message"), METADATA.values(), ids=METADATA)
def test_refuses_metadata(rng, tmp_path, changes, message):
    tensors, metadata = parts(rng)
    metadata = {key: value for key, value in (metadata | changes).items() if value is not None}
    refused(tmp_path / "n", save(tensors, metadata=metadata), message)


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_refuses_a_truncated_file(rng, tmp_path, length):
    refused(tmp_path / "n", image_network(rng).to_bytes()[:length], "not a safetensors file, or")


def test_refuses_what_is_no_file_of_this_kind(tmp_path):
    refused(tmp_path / "n", b"GIF89a" * 40, "not a safetensors file, or a damaged one")
    with pytest.raises(NetworkError, match=r"absent: cannot be read .*; name a .safetensors file"):
        Network.load(tmp_path / "absent")
    with pytest.raises(NetworkError, match="cannot be read"):
        Network.load(tmp_path)


def test_refuses_to_be_built_wrong(rng):
    network = random_network(rng, (20, 9, 4), 8)
    for changes, message in (
        ({"steps": 300}, "Steps must be in 1 … 256, not 300"),
        ({"steps": True}, "Steps must be in 1 … 256, not True"),
        ({"layers": ()}, "Layers must be at least one"),
        ({"layers": network.layers[1:]}, "the encoder gives 20 inputs, layer 0 takes 9"),
        ({"layers": network.layers[:1] * 2}, "layer 0 has 9 outputs, layer 1 takes 20"),
        ({"labels": ("a",)}, "Labels must be one per output unit"),
    ):
        with pytest.raises(NetworkError, match=message):
            replace(network, **changes)
    good = network.layers[0]
    for changes, message in (
        ({"weight": good.weight.astype(int)}, "Layer weight must be bool"),
        ({"threshold": good.threshold.astype(float)}, r"Layer threshold must be int32 \[9\]"),
        ({"threshold": good.threshold[1:]}, r"Layer threshold must be int32 \[9\]"),
    ):
        with pytest.raises(NetworkError, match=message):
            Layer(**{"weight": good.weight, "threshold": good.threshold} | changes)


def test_find(rng, tmp_path):
    image_network(rng).save(tmp_path / "mine.safetensors")
    assert find(tmp_path / "mine.safetensors").name == "random"
    for name in zoo_names():
        assert find(name, codings=CODINGS).name == name
    of_one = [name for coding in CODINGS for name in zoo_names(codings=(coding,))]
    assert sorted(of_one) == zoo_names()
    with pytest.raises(NetworkError, match=r"one of the zoo: .*"):
        find("no-such-network")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnist-784-600-10-t8_v1.2+x", "mnist-784-600-10-t8_v1.2+x"),
        ("my net (1)", "my-net-1"),
        ("réseau", "reseau"),
        ("../../x", "x"),
        ("a/b\\c\nd", "a-b-c-d"),
        (" a", "a"),
        (".hidden", "hidden"),
        ("x" * 200, "x" * 64),
    ],
)
def test_the_name_where_it_names_a_file(rng, name, expected):
    assert replace(random_network(rng, (4, 3), 2), name=name).file_name == expected
    assert file_name(expected) == expected


def test_names_without_a_letter_are_told_apart(rng):
    network = random_network(rng, (4, 3), 2)
    names = [replace(network, name=name).file_name for name in ("", "..", "网络", "日本")]
    assert len(set(names)) == 4
    for name in names:
        assert name.startswith("network-")
        assert file_name(name) == name
    assert file_name("日本") == "network"


@pytest.mark.parametrize("name", zoo_names())
def test_what_ships_keeps_its_bytes(name):
    content = (ZOO / f"{name}.safetensors").read_bytes()
    assert Network.from_bytes(content).to_bytes() == content
