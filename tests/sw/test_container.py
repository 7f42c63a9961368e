"""The container of a network file: what is refused, and how much memory an answer takes."""

import json
import re
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

from sw import container, limits
from sw.container import parse_json, quoted, whole_number


def content_of(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(kind="U8", shape=(2,), begin=0, end=2):
    return {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.smoke
def test_reads_what_the_library_writes(rng):
    tensors = {
        "a": rng.integers(0, 256, (3, 5)).astype(np.uint8),
        "b": rng.integers(-9, 9, 7).astype(np.int32),
        "empty": np.zeros((0, 4), np.uint8),
        "scalar": np.array(7, np.int32),
    }
    metadata = {"name": 'é"\n\\', "other": ""}
    found, texts = container.read(safetensors.numpy.save(tensors, metadata=metadata))
    assert texts == metadata
    assert set(found) == set(tensors)
    for name, array in tensors.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)
    assert container.read(safetensors.numpy.save({"a": tensors["a"]}))[1] == {}


DAMAGED = {
    "nothing": (b"", "cut short: 0 bytes"),
    "length alone": (bytes(7), "cut short: 7 bytes"),
    "header beyond the file": (content_of({})[:-1], "cut short"),
    "length of 2⁶⁴ − 1": (b"\xff" * 40, "cut short"),
    "long header": (
        (limits.HEADER + 1).to_bytes(8, "little") + bytes(limits.HEADER + 1),
        "header must have at most 1,048,576 bytes, not 1,048,577",
    ),
    "other encoding": (content_of("{}".encode("utf-16")), "header is not UTF-8"),
    "no object": (content_of([]), "header is no JSON object"),
    "space before it": (content_of(b" {}"), "header is no JSON object"),
    "metadata null": (content_of({"__metadata__": None}), "metadata is no JSON object"),
    "metadata list": (content_of({"__metadata__": []}), "metadata is no JSON object"),
    "metadata number": (content_of({"__metadata__": {"steps": 8}}), "metadata must be strings"),
    "tensor null": (content_of({"a": None}), "a tensor cannot be None"),
    "tensor without type": (content_of({"a": {"shape": [], "data_offsets": [0, 1]}}), "cannot be"),
    "tensor with more": (content_of({"a": {**tensor(), "x": 1}}, b"ab"), "a tensor cannot be"),
    "type of a list": (content_of({"a": tensor(kind=["U8"])}, b"ab"), "a tensor cannot be"),
    "shape of 2⁶³": (content_of({"a": tensor(shape=(0, 2**63), end=0)}), "a tensor cannot be"),
    "shape of 65 ones": (content_of({"a": tensor(shape=(1,) * 65, end=1)}, b"a"), "cannot be"),
    "shape below 0": (content_of({"a": tensor(shape=(-1, -2))}, b"ab"), "a tensor cannot be"),
    "shape of a bool": (content_of({"a": tensor(shape=(True, 2))}, b"ab"), "a tensor cannot be"),
    "shape of a float": (content_of({"a": tensor(shape=(2.0,))}, b"ab"), "a tensor cannot be"),
    "one offset": (content_of({"a": {**tensor(), "data_offsets": [0]}}, b"ab"), "cannot be"),
    "backwards": (content_of({"a": tensor(begin=2, end=0)}, b"ab"), "a tensor cannot be"),
    "shape and bytes": (content_of({"a": tensor(shape=(3,))}, b"ab"), "'a': 2 bytes for the shape"),
    "gap": (content_of({"a": tensor(begin=1, end=3)}, b"abc"), "do not follow one another: 0, th"),
    "overlap": (
        content_of({"a": tensor(), "b": tensor(begin=1, end=3)}, b"abc"),
        "do not follow one another: 2, then 1",
    ),
    "bytes left": (content_of({"a": tensor()}, b"abc"), "tensors have 2 bytes, the file 3"),
    "bytes missing": (content_of({"a": tensor()}, b"a"), "tensors have 2 bytes, the file 1"),
    "tensor twice": (
        content_of(b'{"a":%s,"a":%s}' % ((json.dumps(tensor()).encode(),) * 2), b"ab"),
        "'a' appears twice",
    ),
    "many tensors": (content_of({str(k): tensor(end=0) for k in range(258)}), "258 tensors"),
    "nested": (content_of(b'{"a":' * 100_000), "nested deeper than 16"),
    "long number": (content_of(b'{"a":' + b"1" * 4301 + b"}"), "no integer in its shortest form"),
}


@pytest.mark.parametrize(("content", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damaged(content, message):
    with pytest.raises(ValueError, match=r"^not a safetensors file, or a damaged one") as error:
        container.read(content)
    assert re.search(message, str(error.value))
    assert len(str(error.value)) < 300


def test_other_types():
    with pytest.raises(ValueError, match=r"^tensor 'a' must be uint8 or int32, not F16$"):
        container.read(content_of({"a": tensor(kind="F16")}, b"ab"))


def test_large_files():
    with pytest.raises(ValueError, match=r"^file must have at most 33,554,432 bytes$"):
        container.read(bytes(limits.FILE + 1))


BOMBS = {
    "empty lists": b'{"a":[' + b"[]," * 349_000 + b"[]]}",
    "empty objects": b'{"a":[' + b"{}," * 349_000 + b"{}]}",
    "numbers": b'{"a":[' + b"0," * 523_000 + b"0]}",
    "long numbers": b'{"a":[' + b"99999999999999999999," * 49_000 + b"0]}",
    "one key twice": b"{" + b"".join(b'"%06d":0,' % k for k in range(95_000)) + b'"000000":0}',
    "one text": b'{"__metadata__":{"' + b"\\u0000" * 170_000 + b'":0}}',
    "tensors": json.dumps({str(k): tensor(end=0) for k in range(16_000)}).encode(),
}


QUICK = ("empty objects", "one key twice", "one text")  # the first takes most memory


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(header, id=name, marks=() if name in QUICK else pytest.mark.deep)
        for name, header in BOMBS.items()
    ],
)
def test_memory(header):
    """100 MB beyond the file's size at most, and a short message, whatever the header holds."""
    content = content_of(header)
    assert 900_000 < len(content) < limits.HEADER + 8
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="not a safetensors file") as error:
            container.read(content)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "text",
    ["", "[1", "NaN", "-Infinity", "[1e999]", "01", "-0", "1" * 21, "[[1.5]]x", '"\n"', "'a'"],
)
def test_json_that_is_none(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "'c' appears twice"),
        ("[" * 17 + "]" * 17, "nested deeper than 16"),
        ("[" * 100_000, "nested deeper than 16"),
        (r'["\ud800"]', "a lone surrogate"),
        (r'{"\udfff": 1}', "a lone surrogate"),
    ],
)
def test_json_that_python_takes(text, message):
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_json():
    text = r'{"a": [1, -2.5e3, "\ud83d\ude00\n", null, true], "é": {}}'
    assert parse_json(text) == {"a": [1, -2500.0, "\U0001f600\n", None, True], "é": {}}
    assert parse_json("[" * 16 + "]" * 16)


@pytest.mark.parametrize("text", ["0", "7", "-1", "256", "18446744073709551615"])
def test_whole_numbers(text):
    assert str(whole_number(text)) == text


@pytest.mark.parametrize(
    "text", ["", "0004", "+4", "-0", " 4", "4 ", "4\n", "1_0", "٣", "4.0", "four", "9" * 4301]
)
def test_other_spellings_of_numbers(text):
    with pytest.raises(ValueError, match="is no integer in its shortest form"):
        whole_number(text)


def test_quoted():
    assert quoted("plain") == "'plain'"
    assert quoted(None) == "None"
    assert quoted("a\nb\x1b[2J\u2028") == r"'a\nb\x1b[2J\u2028'"
    long = quoted("x" * 6_000_000)
    assert long.startswith("'xxxx")
    assert (len(long), long[-1]) == (60, "…")
    assert len(quoted(["\x1b" * 50_000])) == 60
