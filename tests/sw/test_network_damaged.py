"""Network files with random damage: each is loaded or gets its line, whatever it holds."""

import json
import tracemalloc
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import safetensors
from networks import PROVENANCE, image_network, map_network, random_network

from sw import limits
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import Network, NetworkError

NASTY = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 0.5, 1e308, -0.0),
    *("", "0", "\0", "\n\x1b[2J", "\ud800", "x" * 5000, "9" * 4301, "0004", "-1", "1-" * 5000),
    *("[" * 2000, '{"a":' * 2000, "NaN", "null", "[]", "{}", '{"kind": []}', "é", "U8", "F32"),
    *([], {}, [[]], [0, 2**63], [1] * 65, [-1, -1], {"kind": []}, ["\n"]),
)


@cache
def samples():
    rng = np.random.default_rng(5)
    encoders = ({}, {"pool": 2, "select": (3, 1, 15), "silent_below": 9})
    networks = [image_network(rng, **encoder) for encoder in encoders]
    networks.append(random_network(rng, (9, 7, 3), 5))
    maps = "3c3p1-f2-2c2x1s2x1p1.0.0.0-5-4"  # format 2
    networks.append(map_network(rng, maps, 4, LatencyEncoder(shape=(2, 8, 6), silent_below=9)))
    networks.append(map_network(rng, maps, 5, EventsEncoder(shape=(1, 8, 6))))
    return [network.to_bytes() for network in networks]


def damaged(rng):
    content = samples()[rng.integers(len(samples()))]
    length = int.from_bytes(content[:8], "little")
    kind = rng.integers(4)
    if kind == 0:
        return with_another_value(rng, content, length)
    changed = bytearray(content)
    end = len(content) if rng.random() < 0.2 else 8 + length
    first, last = sorted(rng.integers(0, end, 2))
    if kind == 1:
        for place in rng.integers(0, end, rng.integers(1, 5)):
            changed[place] = rng.integers(256)
    elif kind == 2:
        del changed[first : min(last, first + 40)]
    else:
        changed[first:first] = changed[first : min(last, first + 40)]
    if rng.random() < 0.5:  # else the header most often ends at the wrong place
        new = length + len(changed) - len(content)
        changed[:8] = int(max(new, 0)).to_bytes(8, "little")
    return bytes(changed)


def with_another_value(rng, content, length):
    """In the header, or in the JSON inside of it, one value is another or has another name."""
    header = json.loads(content[8 : 8 + length])
    metadata = header["__metadata__"]
    parts = ["", "encoder", "labels", "provenance"]
    if metadata["layers"].startswith("["):
        parts.append("layers")
    inside = rng.choice(parts)
    root = json.loads(metadata[inside]) if inside else header
    places = [(root, key) for key in keys(root)]
    for node, key in places:
        if isinstance(node[key], dict | list):
            places += [(node[key], inner) for inner in keys(node[key])]
    node, key = places[rng.integers(len(places))]
    value = NASTY[rng.integers(len(NASTY))]
    if isinstance(node, dict) and rng.random() < 0.2:
        node[str(value)] = node.pop(key)
    elif isinstance(node, dict) and rng.random() < 0.1:
        del node[key]
    else:
        node[key] = value
    if inside:
        metadata[inside] = json.dumps(root)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def keys(node):
    return list(node) if isinstance(node, dict) else range(len(node))


@pytest.mark.parametrize(
    ("seed", "count"),
    [(0, 500), pytest.param(1, 30_000, marks=pytest.mark.deep)],
    ids=["some", "many"],
)
def test_nothing_but_a_refusal_gets_out(seed, count):
    rng, loaded, messages = np.random.default_rng(seed), 0, []
    for _ in range(count):
        content = damaged(rng)
        try:
            network = Network.from_bytes(content)
        except NetworkError as error:
            messages.append(str(error))
            continue
        loaded += 1
        safetensors.deserialize(content)  # what the library refuses, we do
        again = Network.from_bytes(network.to_bytes())
        assert again.to_bytes() == network.to_bytes()
        assert network.title.isprintable()
    assert all(message.isprintable() and len(message) < 300 for message in messages)
    assert count / 25 < loaded < count / 2  # damages are neither all harmless nor all deadly


def file_of(sizes, *, select=None, pixels=None, **metadata):
    """A network file of these sizes, with all bits and thresholds 0."""
    tensors, reached, data = {}, 0, []
    shapes = {}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        shapes[f"layer.{layer}.weight"] = "U8", (outputs, -(-inputs // 8))
        shapes[f"layer.{layer}.threshold"] = "I32", (outputs,)
    if select is not None:
        shapes["encoder.select"] = "I32", (select,)
    for name, (kind, shape) in shapes.items():
        size = int(np.prod(shape, dtype=object)) * (1 if kind == "U8" else 4)
        tensors[name] = {"dtype": kind, "shape": shape, "data_offsets": [reached, reached + size]}
        reached += size
        data.append(bytes(size))
    encoder = {"kind": "events", "channels": sizes[0]}
    if pixels is not None:
        encoder = {"kind": "latency", "shape": pixels, "pool": 1, "silent_below": 0}
    texts = json.loads(samples()[0][8 : 8 + int.from_bytes(samples()[0][:8], "little")])
    texts = texts["__metadata__"] | {
        "layers": "-".join(map(str, sizes)),
        "encoder": json.dumps(encoder),
        "labels": json.dumps([""] * min(sizes[-1], 2**17)),
        **metadata,
    }
    header = json.dumps({"__metadata__": texts, **tensors}).encode()
    return len(header).to_bytes(8, "little") + header + b"".join(data)


def maps_of(*layers, shape=(1, 4, 4), **metadata):
    """A network file of format 2 with these layers, (kind, attributes), and without tensors."""
    entries = [{"kind": kind, **attributes} for kind, attributes in layers]
    return file_of(
        (1,),
        format="ttfs-1bit/2",
        encoder=json.dumps({"kind": "events", "shape": shape}),
        **{"layers": json.dumps(entries)} | metadata,
    )


def conv(channels, kernel=3, stride=1, padding=0):
    return "conv", {
        "channels": channels,
        "kernel": [kernel] * 2,
        "stride": [stride] * 2,
        "padding": [padding] * 4,
    }


HUGE = 1 << 20
DENSE = "dense", {"units": 1}
NESTED = "[" * 1000 + "]" * 1000
MEMORY = {
    "layers of 8 MB": (lambda: file_of((9, 3), layers="1-" * 4_000_000 + "1"), "header must have"),
    "layers of 900 kB": (lambda: file_of((9, 3), layers="1-" * 450_000 + "1"), "'layers' must be"),
    "many tensors": (lambda: file_of((1,) * 130), "258 tensors"),
    "many layers": (lambda: file_of((9, 3), layers="-".join("1" * 66)), "of at most 64 layers"),
    "wide": (lambda: file_of((1, 2**20 + 1)), "Units of a layer must be at most 1,048,576, not"),
    "heavy": (lambda: file_of((8193, 4096, 3)), "Weights must be at most 33,554,432, not"),
    "size of 4,301 digits": (lambda: file_of((9, 3), layers="9" * 4301 + "-3"), "'layers' must"),
    "pixels": (lambda: file_of((2**20, 3), pixels=[2**20, 2]), "Pixels must be at most 1,048,576"),
    "nested labels": (lambda: file_of((9, 3), labels=NESTED), r"nested deeper than 16"),
    "nested provenance": (lambda: file_of((9, 3), provenance=NESTED), r"nested deeper than 16"),
    "long labels": (lambda: file_of((9, 3), labels=json.dumps(["x" * 900_000] * 3)), "header must"),
    "one long label": (lambda: file_of((9, 1), labels=json.dumps(["x" * 256])), "Label must have"),
    "long name": (lambda: file_of((9, 3), name="\n" * 300_000), "Name must have at most 255 ch"),
    "many maps": (lambda: maps_of(*[conv(1, 1)] * 64, DENSE), "Layers must be at most 64, not 65"),
    "wide map": (
        lambda: maps_of(conv(2, 6, padding=513), conv(1, 3), DENSE),
        "Units of a layer must be at most 1,048,576, not 2,101,250",
    ),
    "wide map within": (
        lambda: maps_of(conv(HUGE, HUGE, 1, HUGE), DENSE),
        "Units of a layer must be at most 1,048,576, not 1,",
    ),
    "heavy maps": (
        lambda: maps_of(conv(8192, 64, padding=30), ("first", {"kernel": [1, 1]}), DENSE),
        "Weights must be at most 33,554,432, not 33,",
    ),
    "channels of 4,301 digits": (
        lambda: maps_of(layers='[{"kind": "dense", "units": ' + "9" * 4301 + "}]"),
        "'layers' must be a JSON list",
    ),
    "long layers": (lambda: maps_of(layers="[" + "[]," * 340_000 + "[]]"), "layer 0: a layer must"),
    "nested layers": (lambda: maps_of(layers=NESTED), r"nested deeper than 16"),
    "large window": (lambda: maps_of(("first", {"kernel": [HUGE] * 2}), DENSE), "Window of f10485"),
    "wide input": (lambda: maps_of(DENSE, shape=(HUGE, HUGE, HUGE)), "Channels must be at most"),
    "lists for labels": (
        lambda: file_of((9, 3), labels="[" + "[]," * 340_000 + "[]]"),
        "must be a list of strings",
    ),
}


@pytest.mark.parametrize(("make", "message"), MEMORY.values(), ids=MEMORY)
def test_bounds(make, message):
    content = make()
    with measured(), pytest.raises(NetworkError, match=message) as error:
        Network.from_bytes(content)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "make",
    [
        lambda: file_of((8191, 4096, 1)),
        lambda: file_of((2**20, 31, 1), pixels=[1024, 1024], select=2**20),
        lambda: file_of((1, 2**17)),
    ],
    ids=["weights", "inputs", "outputs"],
)
def test_the_largest_networks(make, tmp_path):
    content = make().replace(b'"steps": "16"', b'"steps": "64"')
    (tmp_path / "large").write_bytes(content)
    with measured(len(content)):
        network = Network.load(tmp_path / "large")
    assert network.steps == 64


class measured:  # noqa: N801
    """At most 100 MB more than ``size`` is held at any time."""

    def __init__(self, size=0):
        self.most = size + 100e6

    def __enter__(self):
        tracemalloc.start()

    def __exit__(self, *_):
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < self.most


def test_a_file_without_an_end(tmp_path):
    with pytest.raises(NetworkError, match=r"^/dev/zero: file must have at most 33,554,432 bytes$"):
        Network.load("/dev/zero")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x" * limits.HEADER, "labels and provenance must have at most 1,048,576 bytes as JSON, n"),
        (float("nan"), r"provenance cannot be written as JSON \(NaN is no number\)"),
        (float("inf"), "provenance cannot be written as JSON"),
        (
            [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]],
            "provenance cannot be written as .*nested deeper than 16",
        ),
        ("\udcff", "provenance cannot be written as .*a lone surrogate"),
        (10**30, "provenance cannot be written as .*no integer in its shortest form"),
        (np.int32(1), "provenance cannot be written as JSON .*not JSON serializable"),
    ],
)
def test_what_cannot_be_read_is_not_written(rng, tmp_path, value, message):
    network = random_network(rng, (3, 2), 4)
    network = replace(network, provenance={**PROVENANCE, "command": value})
    with pytest.raises(NetworkError, match=f"^network 'random': {message}"):
        network.save(tmp_path / "network")
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_text(rng):
    """As Python has the names of files that are not UTF-8."""
    network = replace(random_network(rng, (3, 2), 4), name="r\udce9seau")
    with pytest.raises(NetworkError, match=r"^network 'r\\udce9seau': name .* written as UTF-8$"):
        network.to_bytes()
    assert network.title == r"r\udce9seau"
