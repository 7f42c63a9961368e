"""Structures: how they are written and read, their maps, and what is refused."""

import pytest

from sw.structure import (
    Conv,
    Dense,
    First,
    Max,
    Shortcut,
    Sum,
    attributes_of,
    coding_fault,
    kind_of,
    maps,
    parse,
    write,
)

WRITTEN = {
    "600": Dense(units=600),
    "f2": First(kernel=(2, 2)),
    "f1x3": First(kernel=(1, 3)),
    "16c3": Conv(channels=16, kernel=(3, 3)),
    "16c3p1": Conv(channels=16, kernel=(3, 3), padding=(1, 1, 1, 1)),
    "8c5s2": Conv(channels=8, kernel=(5, 5), stride=(2, 2)),
    "32c3x1": Conv(channels=32, kernel=(3, 1)),
    "8c1x5s1x2p0x2": Conv(channels=8, kernel=(1, 5), stride=(1, 2), padding=(0, 0, 2, 2)),
    "3c2p2.1.2.1": Conv(channels=3, kernel=(2, 2), padding=(2, 1, 2, 1)),
    "3c2p0.0.0.1": Conv(channels=3, kernel=(2, 2), padding=(0, 0, 0, 1)),
    "8c4p1.2.1.2": Conv(channels=8, kernel=(4, 4), padding=(1, 2, 1, 2)),
    "m2": Max(kernel=(2, 2)),
    "a4x1": Sum(kernel=(4, 1)),
    "64+1": Dense(units=64, shortcut=Shortcut(back=1)),
    "8c3p1+1x4": Conv(
        channels=8, kernel=(3, 3), padding=(1, 1, 1, 1), shortcut=Shortcut(back=1, gain=4)
    ),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_written_and_read(text):
    kind = WRITTEN[text]
    assert parse(text) == (kind,)
    assert str(kind) == text
    assert kind_of(attributes_of(kind, 0), 0) == kind


def test_attributes_are_the_contract():
    assert attributes_of(WRITTEN["16c3p1"], 0) == {
        "kind": "conv",
        "channels": 16,
        "kernel": [3, 3],
        "stride": [1, 1],
        "padding": [1, 1, 1, 1],
    }
    assert attributes_of(WRITTEN["f2"], 0) == {"kind": "first", "kernel": [2, 2]}
    assert attributes_of(WRITTEN["600"], 0) == {"kind": "dense", "units": 600}


@pytest.mark.smoke
def test_maps_and_weights_by_hand():
    kinds = parse("16c3p1,f2,32c3p1,f2,10")
    shapes = maps((1, 28, 28), kinds)
    assert shapes == [
        (1, 28, 28), (16, 28, 28), (16, 14, 14), (32, 14, 14), (32, 7, 7), (10, 1, 1),
    ]  # fmt: skip
    # 16 · 9 + 32 · 16 · 9 + 10 · 32 · 49
    matrices = [kind.weights(shape) for kind, shape in zip(kinds, shapes, strict=False)]
    assert matrices == [(16, 9), None, (32, 144), None, (10, 1568)]
    assert write((1, 28, 28), kinds) == "1x28x28-16c3p1-f2-32c3p1-f2-10"
    assert write((1, 28, 28), parse("600-10")) == "784-600-10"


@pytest.mark.parametrize(
    ("shape", "text", "expected"),
    [
        ((1, 7, 7), "2c3s2-1", (2, 3, 3)),  # (7 − 3) // 2 + 1
        ((1, 8, 7), "2c3s2-1", (2, 3, 3)),  # a rest of one row is not read
        ((1, 4, 4), "2c3p2.0.0.1-1", (2, 4, 3)),  # above, below, left, right
        ((1, 4, 4), "2c5s3p1-1", (2, 1, 1)),  # (4 + 2 − 5) // 3 + 1
        ((3, 5, 7), "f2-1", (3, 2, 3)),  # a rest at the border is dropped
        ((2, 1, 128), "4c1x5s1x2p0x2-1", (4, 1, 64)),
    ],
)
def test_sizes(shape, text, expected):
    assert maps(shape, parse(text))[1] == expected


@pytest.mark.parametrize(
    ("shape", "text", "message"),
    [
        (
            (1, 4, 4),
            "2c5-1",
            r"Layer 0: Kernel of 2c5 must not be larger than the padded map, 4 × 4",
        ),
        ((1, 4, 4), "2c3-f3-1", r"Layer 1: Window of f3 must not be larger than the map, 2 × 2"),
        ((1, 4, 4), "2c3", "The last layer must be dense, not 2c3"),
        ((1, 4, 4), "9-2c1-1", "Layer 1, 2c1, must stand before the dense layers"),
        ((1, 4, 4), "9-f1-1", "Layer 1, f1, must stand before the dense layers"),
        ((1, 1000, 1100), "1c1-1", "Units of a layer must be at most 1,048,576, not 1,100,000"),
        ((1, 1024, 1024), "64-1", "Weights must be at most 33,554,432, not 67,108,928"),
    ],
)
def test_refuses_what_does_not_chain(shape, text, message):
    with pytest.raises(ValueError, match=message):
        maps(shape, parse(text))


@pytest.mark.parametrize("text", ["", "c3", "16c", "16c3q1", "f", "-5", "16c3p1.2", "1e3", "２c3"])
def test_refuses_text(text):
    with pytest.raises(ValueError, match="must be a number of units, a convolution such as"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "Units must be an integer in 1 …"),
        ("0c3", "Channels must be an integer in 1"),
        ("2c0", "Kernel must be 2 integers in 1"),
        ("2c3s0", "Stride must be 2 integers in 1"),
        ("f0", "Kernel must be 2 integers in 1"),
    ],
)
def test_refuses_zeros(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (5, "must be a JSON object with its kind"),
        ({"kind": 5}, "must be a JSON object with its kind"),
        ({"kind": "mean", "kernel": [2, 2]}, "unknown kind of layer; known are dense, conv, first"),
        ({"kind": "first"}, "a layer 'first' must have kernel"),
        ({"kind": "first", "kernel": [2, 2], "stride": [2, 2]}, "a layer 'first' must have kernel"),
        ({"kind": "first", "kernel": 2}, "Kernel must be 2 integers"),
        ({"kind": "first", "kernel": [2, True]}, "Kernel must be 2 integers"),
        ({"kind": "dense", "units": 3.0}, "Units must be an integer"),
        ({"kind": "dense", "units": [3]}, "Units must be an integer"),
        ({"kind": "max", "kernel": [2, 2], "shortcut": None}, "a layer 'max' must have kernel"),
        ({"kind": "dense", "units": 3, "shortcut": 1}, "a shortcut must have from and gain"),
        ({"kind": "dense", "units": 3, "shortcut": {"from": 0}}, "a shortcut must have from and"),
        (
            {"kind": "dense", "units": 3, "shortcut": {"from": 2, "gain": 1}},
            r"a shortcut must come from -1 … 1",
        ),
        (
            {"kind": "dense", "units": 3, "shortcut": {"from": True, "gain": 1}},
            "a shortcut must come from",
        ),
        (
            {"kind": "dense", "units": 3, "shortcut": {"from": 0, "gain": 3}},
            "Gain of a shortcut must be a power of two, not 3",
        ),
    ],
)
def test_refuses_attributes(attributes, message):
    with pytest.raises(ValueError, match=message):
        kind_of(attributes, 2)


def test_a_shortcut_comes_from_so_many_layers_back():
    """Text counts back from the layer; a file names the layer, −1 for the inputs."""
    kinds = parse("4c3p1-4c3p1+1x2-m2-4c3p1-4c3p1+2-9+5x8")
    sources = [attributes_of(kind, index).get("shortcut") for index, kind in enumerate(kinds)]
    assert sources == [
        None, {"from": 0, "gain": 2}, None, None, {"from": 2, "gain": 1}, {"from": 0, "gain": 8},
    ]  # fmt: skip
    assert parse("1c3p1+1")[0].shortcut.source(0) == -1
    assert maps((4, 6, 6), parse("4c3p1+1-2"))  # from the inputs
    for index, kind in enumerate(kinds):
        assert kind_of(attributes_of(kind, index), index) == kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4c3p1-4c3p1+3-2", "Layer 1: a shortcut must come from at most 2 layers back, not 3"),
        ("4c3p1-m2-4c3p1+2-2", "Layer 2: a shortcut must have the layer's shape, 4 × 3 × 3, not "
         "4 × 6 × 6"),
        ("4c3p1-2c3p1+1-2", "Layer 1: a shortcut must have the layer's shape, 2 × 6 × 6, not 4 ×"),
        ("4c3p1-9-8+1", "Layer 2: a shortcut must have the layer's shape, 8 × 1 × 1, not 9 × 1"),
    ],
)  # fmt: skip
def test_refuses_shortcuts(text, message):
    with pytest.raises(ValueError, match=message):
        maps((1, 6, 6), parse(text))


@pytest.mark.parametrize("text", ["m2+1", "8+", "8+0", "8+1x3", "8+1x", "8+1+2", "+1", "x2"])
def test_refuses_text_of_shortcuts(text):
    with pytest.raises(ValueError, match="must be"):
        parse(text)


@pytest.mark.parametrize(
    ("coding", "text", "fault"),
    [
        ("first-spike", "4c3-m2-3", "Layer 1, m2, is of bistable networks; a first-spike one has"),
        ("first-spike", "4c3-a2-3", "Layer 1, a2, is of bistable networks"),
        ("first-spike", "8-8+1-3", "Layer 1, 8+1: only bistable networks have shortcuts"),
        ("bistable", "4c3-f2-3", "Layer 1, f2, is of first-spike networks; a bistable one has m"),
        ("bistable", "4c3-m2-4c1+1-a2-3", None),
        ("first-spike", "4c3-f2-3", None),
    ],
)
def test_codings(coding, text, fault):
    found = coding_fault(coding, parse(text))
    assert found == fault or found.startswith(fault)
