"""What the data sheet says of one's own data is enough to drive the chip: its numbers, read by
hand, give the bytes that the golden vectors have.
"""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from samples import image_network

import sw.train
from hw.export import main
from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.network import Network

NAMES = ["flow | l/s", "pressure `a`", "x  y"]


def exported(folder, *flags):
    main(["n.safetensors", "--out", "out", "--vectors", "3", "-q", *flags])
    text = (folder / "out/datasheet.md").read_text(encoding="utf-8")
    return text, json.loads((folder / "out/manifest.json").read_text(encoding="utf-8"))


def sent(folder):
    """The bytes of each example in the golden vectors."""
    words = [int(line, 16) for line in (folder / "out/tb/stimulus.hex").read_text().split()]
    ends = [index + 1 for index, word in enumerate(words) if word >> 8]
    return [
        [word & 255 for word in words[start:end]]
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def rows(text):
    """Cells of the ranges' table, those of its first line first."""
    table = re.search(r"^\| values? \|.*(?:\n\|.*)*", text, re.M)[0].split("\n")
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in table
        if not line.startswith("|---")
    ]


def byte(x, low, high, levels=1, level=0):
    share = (x - float(low)) / (float(high) - float(low))
    return math.floor(min(max(levels * share - level, 0), 1) * 255 + 0.5)


def train(*flags):
    sw.train.main([*flags, "--epochs", "1", "--hidden", "5", "-q", "--out", "n.safetensors"])
    return Network.load("n.safetensors")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def table(place, rng, tmp_path_factory):
    """Elsewhere, in a folder whose name nobody needs to know: 60 rows of three features."""
    pytest.importorskip("pandas")
    path = tmp_path_factory.mktemp("of Jane Doe") / "sensor.csv"
    values = np.round(rng.normal(3, 8, (60, 3)), 3)
    lines = [",".join(["state", *NAMES])]
    lines += [f"s{k % 2},{','.join(map(str, row))}" for k, row in enumerate(values.tolist())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path, values


def found(values, bytes_sent, encode):
    """The row of ``values`` that was sent, by what ``encode`` makes of each."""
    matches = [k for k, row in enumerate(values.tolist()) if encode(row) == bytes_sent]
    assert len(matches) == 1
    return matches[0]


@pytest.mark.parametrize("layers", ["dense", "maps"])
def test_a_table(place, table, layers):
    path, values = table
    flags = [] if layers == "dense" else ["--layers", "2c1,5"]
    network = train("--dataset", str(path), "--label-column", "state", *flags)
    text, manifest = exported(place)
    head, *ranges = rows(text)
    assert head == ["value", "column", "low", "high"]
    names = [row[1].replace("\\|", "|").strip("`").strip() for row in ranges]
    assert names == NAMES
    assert "n = 3, ranges = 3, levels = 4, complement = 1." in " ".join(text.split())

    def encode(row):
        """As the data sheet has it: for k = 0 … 3 b_k of every value, then 255 − b_k of each."""
        result = []
        for level in range(4):
            bytes_of_level = [
                byte(x, low, high, 4, level)
                for x, (_, _, low, high) in zip(row, ranges, strict=True)
            ]
            result += bytes_of_level + [255 - each for each in bytes_of_level]
        if layers == "maps":  # 8 channels of 1 × 3, of each place channel by channel
            result = [result[3 * channel + place] for place in range(3) for channel in range(8)]
        return result

    shape, order = {
        "dense": ("8 × 3", "row by row"),
        "maps": ("1 × 3 × 8", "row by row, and of each place in it channel by channel"),
    }[layers]
    assert f"An example is {shape} bytes in 24 beats: {order}; a byte per beat, 8 bits." in text
    examples = [found(values, each, encode) for each in sent(place)[:3]]
    assert len(set(examples)) == 3
    kept = network.provenance["data"]["quantiser"]
    assert manifest["values"] == {
        "kind": "table",
        "count": 3,
        "columns": NAMES,
        **{key: kept[key] for key in ("low", "high", "levels", "complement")},
    }
    section = text[text.index("## An input") : text.index("## A result")]
    assert not re.search(r"pixel|image|silent", section)
    assert "A byte x in 0 … 255 fires in step ((255 − x) · 16) >> 8.\n" in section


def test_where_the_data_lay_stays_private(place, table):
    """In no file, nor in those that Tiny Tapeout publishes, which say how to send a row."""
    train("--dataset", str(table[0]), "--label-column", "state", "--steps", "2")
    text, manifest = exported(place, "--flow", "tinytapeout", "--tiles", "8x2", "--port", "binary")
    info = (place / "out/docs/info.md").read_text(encoding="utf-8")
    assert "Send an example of 8 × 3 bytes on `ui`, row by row: a byte in 2 beats of 1 bit" in info
    assert (
        "A byte x in 0 … 255 is sent as 2 − ((255 − x) · 2 >> 8).\n`datasheet.md` says how" in info
    )
    assert manifest["vectors"]["source"] == "first test examples of …/sensor.csv"
    assert "first test examples of …/sensor.csv" in text
    for file in (place / "out").rglob("*"):
        assert not file.is_file() or "Jane" not in file.read_text(encoding="utf-8"), file


def test_a_series(place, rng):
    """Two channels of four values, each with its range, and then the complements of both."""
    values = np.round(rng.normal(size=(40, 2, 4)) * [[[1], [50]]], 3)
    np.savez("mine.npz", inputs=values, labels=np.arange(40) % 2)
    train("--dataset", "mine.npz", "--series")
    text, manifest = exported(place)
    head, *ranges = rows(text)
    assert head == ["values", "low", "high"]
    assert [row[0] for row in ranges] == ["0 … 3", "4 … 7"]
    assert "An example is 8 values: one channel after the other, each in the order of time." in text

    def encode(row):
        first = [byte(x, *ranges[k // 4][1:]) for k, x in enumerate(row)]
        return first + [255 - each for each in first]

    found(values.reshape(40, 8), sent(place)[0], encode)
    assert (manifest["values"]["levels"], manifest["values"]["columns"]) == (1, [])


def test_images_that_become_bytes(place, rng):
    """Bright on the whole, so they are inverted: low is above high."""
    values = np.round(1 - rng.random((40, 3, 4)) ** 3, 3)
    np.savez("mine.npz", inputs=values, labels=np.arange(40) % 2)
    train("--dataset", "mine.npz")
    text, _ = exported(place)
    assert "An image is 3 × 4 values in 12 beats: row by row; a pixel per beat, 8 bits." in text
    assert "An image is 12 values: one channel after the other, each row by row. " in text
    ((places, low, high),) = rows(text)[1:]
    assert places == "0 … 11"
    assert float(low) > float(high)
    found(values.reshape(40, 12), sent(place)[0], lambda row: [byte(x, low, high) for x in row])


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"quantiser": {"low": "0"}}, "Quantiser must have low, high, levels and complement"),
        (
            {"quantiser": {"low": [0] * 5, "high": [1] * 5, "levels": 1, "complement": False}},
            "5 ranges and 0 columns do not give 16 bytes",
        ),
        (
            {
                "columns": ["a"],
                "quantiser": {"low": [0], "high": [1], "levels": 1, "complement": False},
            },
            "1 ranges and 1 columns do not give 16 bytes",
        ),
    ],
)
def test_a_damaged_provenance(place, rng, data, fault):
    network = image_network(rng, shape=(4, 4))
    provenance = {**network.provenance, "data": data}
    replace(network, provenance=provenance).save(place / "n.safetensors")
    message = f"^network 'random': its provenance is damaged: {re.escape(fault)}; train it anew$"
    with pytest.raises(UserError, match=message):
        exported(place)
    assert not (place / "out").exists()


def test_images_of_bytes(place, rng):
    """What is sent is what the data are, and dark pixels are silent where the encoder says it."""
    network = image_network(rng, shape=(4, 4))
    for silent, rule in ((0, "fires in step"), (9, "is silent if x < 9, else it fires in step")):
        encoder = LatencyEncoder(shape=(4, 4), silent_below=silent)
        replace(network, encoder=encoder).save(place / "n.safetensors")
        text, manifest = exported(place)
        assert f"A pixel x in 0 … 255 {rule} ((255 − x)" in text
        assert "From values to bytes" not in text
        assert "values" not in manifest
