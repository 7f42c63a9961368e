"""The folder that is handed on: it simulates by itself, and says what it is."""

import errno
import json
import os
import re
import zlib
from contextlib import contextmanager

import numpy as np
import pytest
from exported import export, make, make_verilator, needs
from networks import map_network
from samples import command, deep, events_network, image_network

from hw.export import main
from hw.flow.bundle.cells import layers_that_fit, sizes_that_fit
from hw.flow.bundle.flows.registry import FLOWS
from hw.rtl.config import find_config
from sim import golden
from sw import cli
from sw.cli import UserError, atomic_path, exclusive
from sw.encoder import LatencyEncoder

# Of each kind of design: the network, and flags.
CASES = {
    "one bit per pixel": (
        lambda rng: image_network(rng, shape=(5, 5), hidden=(9,), classes=4, steps=1),
        ["--port", "binary", "--engine", "popcount"],
    ),
    "events": (lambda rng: events_network(rng, channels=12, hidden=(6,)), []),
    # Its windows leave the last row and column: a result may be taken before the last pixel comes.
    "lines, loaded": (
        lambda rng: map_network(rng, "4c3s2-10", 1, LatencyEncoder(shape=(8, 8), silent_below=99)),
        ["--port", "binary", "--engine", "lines-loaded"],
    ),
    # A border is put in before the first pixel: what a ring is before it is loaded must not matter.
    "lines, loaded, borders": (
        lambda rng: map_network(rng, "2c3p1-f2-3c3p1-f2-4", 1, LatencyEncoder(shape=(8, 8))),
        ["--engine", "lines-loaded"],
    ),
    "nibbles": (
        lambda rng: image_network(rng, shape=(4, 6), hidden=(9,), classes=4, steps=16),
        ["--port", "nibble", "--engine", "event-2"],
    ),
    "levels": (
        lambda rng: image_network(rng, shape=(4, 6), hidden=(9,), classes=4, steps=4),
        ["--port", "binary"],
    ),
    "bits, pooled, selected": (
        lambda rng: image_network(
            rng, shape=(8, 12), pool=2, select=(0, 3, 5, 22), hidden=(12,), classes=12, steps=64
        ),
        ["--port", "bit"],
    ),
    "one unit, one step": (
        lambda rng: image_network(rng, shape=(1, 1), hidden=(), classes=1, steps=1),
        [],
    ),
    "loaded macros": (
        lambda rng: image_network(rng, shape=(8, 8), hidden=(70,), steps=16),
        ["--engine", "folded-32-spram,event", "--macros", "all"],
    ),
    "loaded by a loader": (
        lambda rng: image_network(rng, shape=(8, 8), hidden=(34,), steps=4),
        ["--engine", "folded-16-spram,event", "--macros", "ram", "--loader"],
    ),
    "constants as macros": (
        lambda rng: image_network(rng, shape=(8, 16), hidden=(20,), steps=4),
        ["--engine", "popcount-8", "--macros", "rom"],
    ),
    "maps, loaded macros": (
        lambda rng: map_network(rng, "5c3p1,f2,7", 4, LatencyEncoder(shape=(3, 6, 8))),
        ["--engine", "tiles-2-spram", "--macros", "ram"],
    ),
    "lines": (
        lambda rng: map_network(rng, "2c3p1-f2-3c3p1-f2-4", 1, LatencyEncoder(shape=(8, 8))),
        ["--engine", "lines"],
    ),
    "maps": (
        lambda rng: map_network(rng, "3c3p1,f2,4", 2, LatencyEncoder(shape=(1, 6, 6))),
        ["--engine", "tiles-2"],
    ),
}
FEW = list(CASES)[:5]


@needs("make", "iverilog")
@pytest.mark.parametrize("name", [*FEW, *deep(*list(CASES)[5:])])
def test_make_sim_elsewhere(name, rng, tmp_path):
    """4-state: state that is not reset and data that are not valid are unknown."""
    network, flags = CASES[name]
    folder = export(network(rng), tmp_path, "--prefix", "net", *flags)
    result = make(folder, "sim")
    # All, those before the reset in mid-image, and all again.
    assert re.search(r"^PASS: (8|9|10) results of net are right$", result.stdout, re.M), result
    assert result.returncode == 0


@pytest.mark.deep
@needs("make", "iverilog", "yosys")
@pytest.mark.parametrize("name", CASES)
def test_make_sim_of_gates_elsewhere(name, rng, tmp_path):
    network, flags = CASES[name]
    folder = export(network(rng), tmp_path, *flags)
    result = make(folder, "sim", "GATES=yes")
    assert "PASS" in result.stdout, result
    netlist = (folder / "build" / "firstspike_gates.v").read_text()
    assert "initial" not in netlist


@needs("make", "iverilog")
def test_make_sim_of_another_netlist(rng, tmp_path):
    """An older one than the last result: it is simulated, and not the last result shown again."""
    folder = export(image_network(rng, shape=(2, 2), hidden=(), classes=2, steps=1), tmp_path)
    right = folder / "rtl" / "firstspike.v"
    wrong = folder / "wrong.v"
    text, count = re.subn(r"\.result__valid\(result_valid\)", ".result__valid()", right.read_text())
    assert count == 1
    wrong.write_text(text)
    os.utime(wrong, (1, 1))
    for netlist, result in (("rtl/firstspike.v", "PASS"), ("wrong.v", "FAIL")):
        made = make(folder, "sim", "GATES=yes", f"NETLIST={netlist}")
        assert result in made.stdout, made
        assert (made.returncode == 0) == (result == "PASS")


@needs("make", "iverilog")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["sim", "SIM=vcs"], "SIM is vcs; it must be icarus or verilator"),
        (["sim", "GATES=1"], "GATES is 1; it must be yes or no"),
        (["sim", "IVERILOG=nosuch"], "nosuch is not installed; apt-get install iverilog"),
        (["sim", "GATES=yes", "YOSYS=nosuch"], "nosuch is not installed; apt-get install yosys"),
        (["lint", "VERILATOR=nosuch"], "nosuch is not installed; apt-get install verilator"),
        (["lint", "VERILATOR=true", "IVERILOG=nosuch"], "nosuch is not installed; apt-get install"),
    ],
)
def test_make_without_what_it_needs(tmp_path, arguments, line):
    network = image_network(np.random.default_rng(0), shape=(2, 2), hidden=(), classes=2, steps=1)
    result = make(export(network, tmp_path), *arguments)
    assert line in result.stderr
    assert result.returncode == 2


@needs("make", "iverilog")
@pytest.mark.parametrize("name", ["loaded macros", *deep("lines", "loaded by a loader")])
def test_make_lint(name, rng, tmp_path):
    network, flags = CASES[name]
    result = make_verilator(export(network(rng), tmp_path, *flags), "lint")
    assert "%" not in result.stdout + result.stderr  # begins what Verilator says
    assert result.returncode == 0


@pytest.mark.deep
@needs("make", "g++")
@pytest.mark.parametrize(
    ("name", "gates"),
    [("events", "no"), ("loaded macros", "no"), ("lines", "yes")],
)
def test_make_sim_with_verilator(name, gates, rng, tmp_path):
    network, flags = CASES[name]
    result = make_verilator(export(network(rng), tmp_path, *flags), "sim", f"GATES={gates}")
    assert "PASS" in result.stdout, result


@needs("make", "iverilog")
@pytest.mark.parametrize("fault", ["a wrong weight", "no reset", *deep("stuck")])
def test_a_wrong_design_fails(rng, tmp_path, fault):
    network = image_network(rng, shape=(4, 4), hidden=(5,), classes=4, steps=4)
    folder = export(network, tmp_path)
    path = folder / "rtl" / "firstspike.v"
    text = path.read_text()
    if fault == "a wrong weight":
        words = re.findall(r"data = 5'h(\w+);", text)
        wrong = re.sub(
            r"data = 5'h(\w+);", lambda word: f"data = 5'h{31 - int(word[1], 16):02x};", text
        )
        assert len(words) == 16
    elif fault == "no reset":
        wrong = text.replace("started_next = rst ? 1'h0 : 1'h1", "started_next = 1'h1 | started")
    else:
        wrong = text.replace("assign result_valid =", "assign result_valid = 1'b0 &")
        wrong = re.sub(r"\.result__valid\(result_valid\)", ".result__valid()", text)
    assert wrong != text
    path.write_text(wrong)
    result = make(folder, "sim")
    assert result.returncode != 0
    assert "FAIL" in result.stdout, result


def test_the_vectors_are_the_golden_models(rng, tmp_path):
    """Read by hand: the label lowest, then the step, then the margin in two's complement."""
    network = image_network(rng, shape=(8, 8), hidden=(9,), classes=5, steps=8)
    folder = export(network, tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["vectors"] == {"images": 4, "source": "inputs at random, seed 0"}
    words = [int(line, 16) for line in (folder / "tb/stimulus.hex").read_text().split()]
    images = np.array([word & 255 for word in words], np.uint8).reshape(4, 8, 8)
    assert [index for index, word in enumerate(words) if word >> 8] == [63, 127, 191, 255]
    answer = golden.run_images(network, images)
    width = next(p["width"] for p in manifest["ports"] if p["name"] == "result_margin")
    for line, label, step, margin in zip(
        (folder / "tb/expected.hex").read_text().split(),
        answer.label,
        answer.step,
        answer.margin,
        strict=True,
    ):
        fields = f"{int(margin) % (1 << width):0{width}b}{step:03b}{label:03b}"
        assert int(line, 16) == int(fields, 2)


def test_a_loader_takes_the_weight_image(rng, tmp_path):
    """The one that flash and link have; its status says whether weights are right."""
    network = image_network(rng, shape=(8, 8), hidden=(34,), steps=4)
    flags = ["--engine", "folded-16-spram,event", "--macros", "ram", "--loader"]
    folder = export(network, tmp_path, *flags)
    lines = (folder / "tb/weights.hex").read_text().split()
    image = bytes(int(line, 16) for line in lines)
    assert image[:4] == b"1SPW"
    assert zlib.crc32(image[:-4]).to_bytes(4, "little") == image[-4:]
    ports = {port["name"] for port in json.loads((folder / "manifest.json").read_text())["ports"]}
    assert {"load_begin", "load_data", "load_valid", "load_status"} <= ports
    assert "load_address" not in ports
    text = (folder / "datasheet.md").read_text()
    assert "| 4 | have a wrong checksum |" in text
    assert not re.search(r"@[A-Z0-9_]+@", text)


def test_constraints_name_each_port_once(rng, tmp_path):
    folder = export(image_network(rng), tmp_path, "--clock", "40")
    text = (folder / "constraints" / "firstspike.sdc").read_text()
    assert "create_clock -name clk -period 25.000 [get_ports clk]" in text
    ports = json.loads((folder / "manifest.json").read_text())["ports"]
    for direction in ("input", "output"):
        line = re.search(rf"^set_{direction}_delay 5.000 -clock clk .*\[list (.*)\]\]$", text, re.M)
        named = [re.sub(r"[{}]|\[\*\]", "", each) for each in line[1].split()]
        assert named == [
            port["name"]
            for port in ports
            if port["direction"] == direction and port["name"] != "clk"
        ]


@pytest.mark.parametrize(("engine", "loaded"), [("lines", False), ("lines-loaded", True)])
def test_the_data_sheet_tells_rows_of_bits_that_are_in_no_memory(rng, tmp_path, engine, loaded):
    """Weights of 2 x 9, 3 x 2 x 9 and, of 4 units at 4 places, 3 bits; thresholds beside."""
    network = map_network(rng, "2c3p1-f2-3c3p1-f2-4", 1, LatencyEncoder(shape=(8, 8)))
    folder = export(network, tmp_path, "--engine", engine)
    memories = json.loads((folder / "manifest.json").read_text())["memories"]
    rows = {each["what"]: (each["rows"], each["width"]) for each in memories["tables"]}
    assert rows.keys() == {
        f"{w} of layer {k}" for w in ("weights", "thresholds") for k in (0, 2, 4)
    }
    assert [rows[f"weights of layer {k}"] for k in (0, 2, 4)] == [(2, 9), (3, 18), (16, 3)]
    assert [rows[f"thresholds of layer {k}"][0] for k in (0, 2, 4)] == [2, 3, 4]
    bits = sum(count * width for count, width in rows.values())
    assert (memories["ram_bits"], memories["constant_bits"]) == ((bits, 0) if loaded else (0, bits))
    row = "RAM in flip-flops" if loaded else "tables of constants as logic"
    text = (folder / "datasheet.md").read_text()
    assert f"| {row} | {bits} bits: weights of layer 0 2 × 9, thresholds of layer 0 2 × " in text


def test_the_data_sheet_says_how(rng, tmp_path):
    network = image_network(rng, shape=(8, 8), hidden=(70,), steps=16)
    folder = export(network, tmp_path, "--engine", "folded-32-spram,event", "--macros", "all")
    text = (folder / "datasheet.md").read_text()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert all(f"| `{port['name']}` |" in text for port in manifest["ports"])
    assert network.sha256 in text
    assert "384 words of 16 bits are loaded" in text  # 64 inputs by 3 chunks of 32 units
    assert "An image is 8 × 8 values in 64 beats" in text
    assert "| `firstspike_ram_1rw_192x32_w16` | RAM, one port | 192 | 32 |" in text
    assert not re.search(r"@[A-Z0-9_]+@", text)
    for path in manifest["files"]:
        assert (folder / path).is_file(), path
    assert set(manifest["sources"]) <= set(manifest["files"])


def test_the_same_network_gives_the_same_bytes(rng, tmp_path):
    network = image_network(rng)
    folders = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        folders.append(export(network, tmp_path / name))
    first, second = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders
    )
    assert first == second


def test_an_export_replaces_an_earlier_one(rng, tmp_path):
    """Its files, and nothing that is not of it."""
    network = image_network(rng, hidden=(34,))
    folder = export(network, tmp_path, "--engine", "folded-16-spram,event", "--macros", "all")
    assert (folder / "tb" / "weights.hex").exists()
    (folder / "notes.txt").write_text("mine")
    export(network, tmp_path)
    assert not (folder / "tb" / "weights.hex").exists()
    assert not list((folder / "rtl").glob("*macros*"))
    assert (folder / "notes.txt").read_text() == "mine"


def test_an_export_of_another_flow_leaves_no_empty_folders(rng, tmp_path):
    """But those of mine."""
    network = image_network(rng, hidden=(4,))
    folder = export(network, tmp_path, "--flow", "fusesoc")

    def folders():
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_dir()}

    before = folders()
    (folder / "empty" / "mine").mkdir(parents=True)
    export(network, tmp_path, "--flow", "tinytapeout", "--tiles", "8x2")
    assert {"src", "test"} <= folders() - before
    assert "rtl" in before - folders()
    export(network, tmp_path)
    assert not {"src", "test"} & folders()
    assert "empty/mine" in folders()


def no_work(*arguments, **how):
    raise AssertionError("Verilog is being made")


@pytest.mark.parametrize(
    ("name", "text"),
    [("Makefile", "mine"), ("manifest.json", '{"name": "app", "files": ["app.js"]}')],
)
def test_a_folder_of_something_else(rng, tmp_path, monkeypatch, name, text):
    """It is refused before any work, and nothing in it is touched."""
    monkeypatch.setattr("hw.export.silicon_verilog", no_work)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text(text)
    (tmp_path / "out" / "app.js").write_text("mine")
    with pytest.raises(UserError, match=r"out: has files that are no export; name an empty folder"):
        export(image_network(rng), tmp_path)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([name, "app.js"])


def test_an_export_removes_nothing_elsewhere(rng, tmp_path):
    """Whatever the manifest of the earlier one has become."""
    folder = export(image_network(rng), tmp_path)
    mine = tmp_path / "mine.v"
    mine.write_text("mine")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] += [str(mine), "../mine.v"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    export(image_network(rng), tmp_path)
    assert mine.read_text() == "mine"


def test_all_or_nothing(rng, tmp_path, monkeypatch):
    """What was there stays whole where one of the new files cannot be written."""
    before = export(image_network(rng, hidden=(4,)), tmp_path)
    there = {path: path.read_bytes() for path in before.rglob("*") if path.is_file()}

    class Full(type(tmp_path)):
        def write_text(self, text, **how):
            if ".hex." in self.name:
                raise OSError(errno.ENOSPC, "No space left on device", str(self))
            return super().write_text(text, **how)

    @contextmanager
    def full(path):
        with atomic_path(path) as temporary:
            yield Full(temporary)

    monkeypatch.setattr(cli, "atomic_path", full)
    with pytest.raises(UserError, match=r"hex: cannot be written \(No space left on device\)"):
        export(image_network(rng, hidden=(9,)), tmp_path)
    assert {path: path.read_bytes() for path in before.rglob("*") if path.is_file()} == there


def test_two_exports_into_one_folder(tmp_path):
    arguments = ["digits-64-38-10-t2", "--out", str(tmp_path / "out"), "-q"]
    with (
        exclusive(tmp_path / "out"),
        pytest.raises(UserError, match="out: another run works there"),
    ):
        main(arguments)
    assert not (tmp_path / "out").exists()


REFUSED = {
    "--flow nowhere": f"flow 'nowhere' is not known; choose of {', '.join(FLOWS)}",
    "--port word": "port 'word' is not known; choose of byte, nibble, bit, binary",
    "--port binary": "tells 16 levels of a pixel apart",
    "--prefix 2nd": "prefix '2nd' is no Verilog identifier; take",
    "--prefix core": "prefix 'core' is what",
    "--tiles 1x2": "--tiles is a flag of --flow tinytapeout, not of generic",
    "--flow tinytapeout --tiles 9x9": "--tiles '9x9' is not known; choose of 1x1, 1x2",
    "--flow tinytapeout --engine folded-16-spram,event --macros ram": "has no macros, and",
    "--flow siliconcompiler --target abc": "--target 'abc' is not known; choose of skywater130, ",
    "--flow librelane --pdk sky131": "--pdk 'sky131' is not known; choose of sky130A, sky130B, ",
    "--flow orfs --platform sky130A": "--platform 'sky130A' is not known; choose of sky130hd, ",
    "--author=": "--author must be a name, not ''",
    "--engine nosuch": "engine 'nosuch' is not known",
    "--loader": "has no weights to load; leave out --loader",
    "--flow tinytapeout --engine folded-16-spram,event --loader": "no pins for --loader",
    "--macros tape": "invalid choice: 'tape'",
}


@pytest.mark.parametrize("flags", REFUSED)
def test_what_is_refused(rng, tmp_path, flags, monkeypatch):
    if "no pins" not in REFUSED[flags] and "no macros" not in REFUSED[flags]:
        monkeypatch.setattr("hw.export.silicon_verilog", no_work)
    network = image_network(rng, shape=(8, 8), hidden=(40,), steps=16)
    with pytest.raises(UserError, match=re.escape(REFUSED[flags])):
        export(network, tmp_path, *flags.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (
            lambda rng: events_network(rng, channels=6),
            "network 'events': tinytapeout has 8 pins for its inputs; take a network for pixels, "
            "one per beat",
        ),
        (
            lambda rng: image_network(rng, shape=(1, 2), hidden=(), classes=257, steps=1),
            "network 'random': tinytapeout has 8 pins for the class; take at most 256 classes",
        ),
    ],
)
def test_what_tinytapeout_has_no_pins_for(rng, tmp_path, monkeypatch, network, reason):
    monkeypatch.setattr("hw.export.silicon_verilog", no_work)
    with pytest.raises(UserError, match=f"^{re.escape(reason)}$"):
        export(network(rng), tmp_path, "--flow", "tinytapeout")
    assert not (tmp_path / "out").exists()


def test_too_large_for_the_tiles(rng, tmp_path):
    """The smallest that hold it, or how many units would fit."""
    network = image_network(rng, shape=(3, 3), hidden=(40,), steps=2)
    with pytest.raises(
        UserError,
        match=r"^network 'random': tinytapeout would need about [\d,]+ cells, [\d,]+ of them for "
        r"firstspike_\w+, and 1x1 tiles are taken to hold 1,000; take --tiles \dx\d or a network "
        r"with about \d+ hidden units$",
    ):
        export(network, tmp_path, "--flow", "tinytapeout", "--engine", "popcount")


def test_inputs_too_many_for_the_tiles(rng, tmp_path):
    """The part that is too large without any hidden unit, and inputs and units that do fit."""
    flags = ["--flow", "tinytapeout", "--tiles", "1x1"]
    with pytest.raises(UserError) as error:
        export(image_network(rng, shape=(8, 8), hidden=(40,), steps=4), tmp_path, *flags)
    found = re.match(
        r"network 'random': tinytapeout would need about ([\d,]+) cells, ([\d,]+) of them for "
        r"firstspike_orderer, which grows with inputs and steps, and 1x1 tiles are taken to hold "
        r"1,000; take --tiles \dx\d or a network with about --inputs (\d+) --hidden (\d+)$",
        str(error.value),
    )
    assert found, error.value
    needed, part, inputs, hidden = (int(each.replace(",", "")) for each in found.groups())
    assert needed > part > 1000
    fitting = image_network(
        rng, shape=(8, 8), select=tuple(range(0, 2 * inputs, 2)), hidden=(hidden,), steps=4
    )
    export(fitting, tmp_path, *flags)


@pytest.mark.parametrize("hold", ["some", "none"])
def test_no_tiles_are_large_enough(rng, tmp_path, monkeypatch, hold):
    """The network that 95 % of the largest would hold: of 7,200 cells of 20,000 besides the inputs
    14 of 40 units. If they do not hold the inputs alone, what they do hold.
    """
    fixed = 8000 if hold == "some" else 17_000
    blocks = {"firstspike_orderer": fixed, "firstspike_integrate_0": 20_000}
    monkeypatch.setattr("hw.flow.bundle.flows.tinytapeout.count_cells", lambda *given: blocks)
    monkeypatch.setattr("hw.flow.bundle.flows.tinytapeout.sizes_that_fit", lambda *given: None)
    network = image_network(rng, hidden=(40,))
    remedy = {
        "some": "take --tiles 8x2 and a network with about 14 hidden units",
        "none": "take another engine or fewer inputs; 8x2, the largest, are taken to hold 16,000",
    }
    with pytest.raises(UserError, match=rf"hold 2,000; {re.escape(remedy[hold])}$"):
        export(network, tmp_path, "--flow", "tinytapeout", "--tiles", "1x2")


@pytest.mark.parametrize(
    ("engine", "cells", "sizes"),
    [
        ("event", 1, (62, 38, 4)),
        ("event", 500, None),
        ("event-2", 500, None),  # two banks need two units
        ("popcount-8", 1, (62, 38, 4)),
        ("folded-16-spram,event", 1, (62, 38, 4)),
        ("folded-16-spram,event", 500, None),  # and 16 lanes more than 32
    ],
)
def test_sizes_that_an_engine_takes(rng, monkeypatch, engine, cells, sizes):
    """The first share, 31 of 32 of 64 inputs and 40 units, where all are counted small."""
    network = image_network(rng, shape=(8, 8), hidden=(40,), classes=4, steps=4)
    monkeypatch.setattr("hw.flow.bundle.cells.count_cells", lambda text, top: {top: cells})
    assert sizes_that_fit(network, find_config(engine), 500, 400) == sizes


@pytest.mark.parametrize(
    ("layers", "shape", "engine", "tiles"),
    [
        ("16c3p1,f2,10", (6, 6), "lines", "1x1"),
        *deep(("12c3p1,f2,24c3p1,f2,10", (16, 16), "lines", "1x2")),
    ],
)
def test_maps_too_large_for_the_tiles(rng, tmp_path, layers, shape, engine, tiles):
    """The layers that are named fit, and no much larger ones."""
    encoder = LatencyEncoder(shape=shape, silent_below=96)
    flags = ["--flow", "tinytapeout", "--engine", engine, "--tiles", tiles]

    def refused(text):
        with pytest.raises(UserError) as error:
            export(map_network(rng, text, 1, encoder), tmp_path, *flags)
        found = re.search(r"; take .*\ba network with --layers ([0-9a-z,]+)$", str(error.value))
        assert found, error.value
        return f"{found[1]},10"

    fitting = refused(layers)
    export(map_network(rng, fitting, 1, encoder), tmp_path, *flags)
    refused(re.sub(r"\d+(?=c)", lambda channels: str(round(1.5 * int(channels[0]))), fitting))


@pytest.mark.parametrize(("cells", "name"), [(1, "4c3p1,f2,10"), (500, None)])
def test_maps_that_cannot_fit(rng, monkeypatch, cells, name):
    """The search ends with the largest where all are counted small, and with none where not one is
    counted small enough.
    """
    network = map_network(rng, "5c3p1,f2,10", 1, LatencyEncoder(shape=(6, 6)))
    monkeypatch.setattr("hw.flow.bundle.cells.count_cells", lambda text, top: {top: cells})
    found = layers_that_fit(network, find_config("lines"), 600, 500)
    assert found is None if name is None else ",".join(map(str, found)) == name


def test_the_command(tmp_path):
    out, figures = tmp_path / "out", tmp_path / "figures.json"
    result = command("hw.export", "digits-64-38-10-t2", "--out", out, "--json", figures)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{out / 'rtl' / 'firstspike.v'}  (top firstspike, 64-38-10, ")
    assert sorted(path.name for path in out.iterdir()) == [
        *("Makefile", "constraints", "datasheet.md", "manifest.json", "rtl", "tb")
    ]
    assert json.loads(figures.read_text())["top"] == "firstspike"
