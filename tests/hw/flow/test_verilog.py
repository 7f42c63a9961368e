"""The Verilog that an integrator gets."""

import errno
import json
import re
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from amaranth.utils import bits_for
from networks import map_network
from samples import command, events_network, image_network, unfinished  # noqa: F401

from hw.export import main as export_command
from hw.flow import verilog
from hw.rtl.config import Config, find_config
from hw.rtl.core import Core, loaded_words
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.engines.folded import Folded
from hw.rtl.engines.popcount import Popcount
from sim.verilator import tool
from sw import cli
from sw.cli import UserError, atomic_path, exclusive
from sw.encoder import LatencyEncoder
from sw.network import find

NETWORKS = {
    "digits": lambda rng: find("digits-64-192-10-t16"),
    "MNIST": lambda rng: find("mnist-512-192-10-t8"),
    "one unit, one step": lambda rng: image_network(
        rng, shape=(1, 1), hidden=(), classes=1, steps=1
    ),
    "two steps": lambda rng: image_network(rng, shape=(1, 2), hidden=(1,), classes=2, steps=2),
    "deep": lambda rng: image_network(rng, hidden=(7, 17, 3), steps=64),
    "pooled, selected": lambda rng: image_network(
        rng, shape=(8, 12), pool=2, select=(0, 3, 5, 22), hidden=(40,), classes=12, steps=256
    ),
    "wide thresholds": lambda rng: image_network(rng, low=-(2**31), high=2**31 - 2),
}


@pytest.fixture(params=NETWORKS)
def network(request, rng):
    return NETWORKS[request.param](rng)


def test_verilator_has_nothing_to_say(network, tmp_path):
    lint(verilog.export(network, tmp_path))


@pytest.mark.parametrize(
    "config",
    [
        find_config("event-2"),
        Config(engines=(EventDriven(banks=4), EventDriven()), pixels=4),
        find_config("popcount"),
        Config(engines=(Popcount(flags=10), Popcount(flags=7))),
        Config(engines=(Folded(lanes=7), EventDriven())),
    ],
    ids=["two banks", "four pixels", "popcount", "popcount of words", "folded"],
)
def test_nor_of_another_config(rng, config, tmp_path):
    network = image_network(rng, shape=(8, 12), hidden=(20,), classes=12, steps=16)
    lint(verilog.export(network, tmp_path, config))
    manifest = json.loads((tmp_path / "firstspike.json").read_text())
    assert manifest["config"]["engines"] == [asdict(engine) for engine in config.engines]
    assert manifest["ports"][2]["width"] == 8 * config.pixels


@pytest.mark.parametrize(("lanes", "units"), [(16, 40), (32, 70)])
def test_nor_of_a_loaded_layer(rng, tmp_path, lanes, units):
    """Its memory has no contents, and words come in through ports."""
    network = image_network(rng, shape=(4, 4), hidden=(units,))
    config = find_config(f"folded-{lanes}-spram,event")
    words = 16 * 3 * lanes // 16  # of each input and chunk a word per column
    lint(verilog.export(network, tmp_path, config))
    manifest = json.loads((tmp_path / "firstspike.json").read_text())
    ports = {port["name"]: port["width"] for port in manifest["ports"]}
    assert ports["load_valid"] == 1
    assert (ports["load_address"], ports["load_data"]) == (bits_for(words - 1), 16)
    text = (tmp_path / "firstspike.v").read_text()
    block = re.search(r"^module firstspike_folded_0\(.*?^endmodule", text, re.M | re.S)[0]
    assert block.count("initial") == 1  # the thresholds
    assert manifest["load"] == {"file": "firstspike.hex", "words": words}
    lines = (tmp_path / "firstspike.hex").read_text().split()
    assert [int(line, 16) for line in lines] == loaded_words(network, config).tolist()
    assert {len(line) for line in lines} == {4}


@pytest.mark.parametrize("channels", [12, 16])
def test_nor_of_a_network_for_events(rng, tmp_path, channels):
    lint(verilog.export(events_network(rng, channels=channels), tmp_path))
    manifest = json.loads((tmp_path / "firstspike.json").read_text())
    assert manifest["channels"] == channels
    assert manifest["ports"][2]["width"] == bits_for(channels)
    assert [port["name"] for port in manifest["ports"]][2:] == [
        *("event_unit", "event_step", "event_end", "event_valid", "event_ready"),
        *("result_label", "result_step", "result_margin", "result_fault"),
        *("result_valid", "result_ready"),
    ]


@pytest.mark.parametrize("engine", ["tiles-4", "tiles-2-spram"])
def test_nor_of_a_network_with_maps(rng, tmp_path, engine):
    """One block for all its layers; what it shows to those who watch leads nowhere."""
    network = map_network(rng, "5c3p1,f2,7", 4, LatencyEncoder(shape=(3, 6, 8)))
    config = find_config(engine)
    path = verilog.export(network, tmp_path, config)
    lint(path)
    assert re.findall(r"^module (\w+)\(", path.read_text(), re.M) == [
        f"firstspike{block}" for block in ("", "_core", "_decide", "_encoder", "_tiles")
    ]
    manifest = json.loads((tmp_path / "firstspike.json").read_text())
    assert manifest["layers"] == "3x6x8-5c3p1-f2-7"
    assert manifest["image_shape"] == [6, 8, 3]
    assert manifest["pixels"] == 144
    loads = engine.endswith("spram")
    assert any(port["name"] == "load_data" for port in manifest["ports"]) == loads
    assert (tmp_path / "firstspike.hex").exists() == loads


def lint(path):
    result = tool.find().run(
        ["--lint-only", "-Wall", "--quiet", "--top-module", verilog.TOP, path.name], cwd=path.parent
    )
    assert (result.returncode, result.stdout) == (0, "")


def test_the_manifest_tells_the_ports(network, tmp_path):
    text = verilog.export(network, tmp_path).read_text()
    manifest = json.loads((tmp_path / "firstspike.json").read_text())
    module = re.search(rf"^module {verilog.TOP}\(.*?^endmodule", text, re.M | re.S)[0]
    found = {}
    for direction, signed, high, name in re.findall(
        r"^  (input|output)( signed)?(?: \[(\d+):0\])? (\w+);", module, re.M
    ):
        found[name] = (direction, int(high or 0) + 1, bool(signed))
    assert found == {
        port["name"]: (port["direction"], port["width"], port.get("signed", False))
        for port in manifest["ports"]
    }
    assert manifest["top"] == verilog.TOP
    assert manifest["network_sha256"] == network.sha256
    assert manifest["layers"] == network.structure
    assert manifest["pixels"] == network.encoder.pixels
    assert manifest["weight_bits"] == network.weight_bits
    assert set(manifest["tools"]) == {"amaranth", "yosys"}


def test_one_module_per_block(rng):
    text = verilog.to_verilog(image_network(rng, hidden=(5, 4)))
    assert re.findall(r"^module (\w+)\(", text, re.M) == [
        f"firstspike{block}"
        for block in (
            "",
            "_core",
            "_decide",
            "_encoder",
            "_fire_0",
            "_fire_1",
            "_integrate_0",
            "_integrate_1",
            "_integrate_2",
            "_orderer",
        )
    ]
    assert "\\" not in text, "an escaped name"


def test_the_same_network_gives_the_same_text(rng):
    network = image_network(rng)
    text = verilog.to_verilog(network)
    assert text == verilog.to_verilog(network)
    assert network.sha256 in text.split("module", 1)[0]


def test_only_weights_have_initial_values(rng):
    """On a chip initial values vanish, but for ROMs, which become logic."""
    network = image_network(rng, hidden=(5, 4))
    text = verilog.to_verilog(network)
    modules = re.findall(r"^module (\w+)\(.*?^endmodule", text, re.M | re.S)
    assert len(modules) == 9 + 1
    for name, body in re.findall(r"^module (\w+)(\(.*?)^endmodule", text, re.M | re.S):
        if "integrate" not in name:
            assert "initial" not in body, name
            continue
        layer = network.layers[int(name[-1])]
        assert body.count("initial") == 1, name
        words = re.findall(r"\[(\d+)\] = (\d+)'h([0-9a-f]+);", body)
        stored = {int(index): int(value, 16) for index, _, value in words}
        minus = ~layer.weight.T
        rows = [sum(1 << int(j) for j in np.flatnonzero(row)) for row in minus]
        assert stored == dict(enumerate(rows)), name


def test_the_command(tmp_path):
    out, figures = tmp_path / "out", tmp_path / "figures.json"
    result = command(
        "hw.export", "digits-64-192-10-t16", "--out", out, "--json", figures, "--quiet"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert sorted(path.name for path in out.iterdir()) == ["firstspike.json", "firstspike.v"]
    assert json.loads(figures.read_text()) == json.loads((out / "firstspike.json").read_text())


def test_the_command_refuses_in_one_line(tmp_path, rng):
    unsorted = tmp_path / "unsorted.safetensors"
    image_network(rng, select=(3, 1)).save(unsorted)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(unsorted.read_bytes()[:-1])
    for name, message in {
        "nowhere": "error: nowhere: cannot be read",
        unsorted: "error: network 'random': Select must be strictly increasing",
        damaged: f"error: {damaged}: not a safetensors file",
    }.items():
        result = command("hw.export", name, "--out", tmp_path / "out")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(message)
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_two_exports_into_one_folder(tmp_path):
    arguments = ["digits-64-192-10-t16", "--out", str(tmp_path / "out"), "-q"]
    with (
        exclusive(tmp_path / "out"),
        pytest.raises(UserError, match="out: another run works there"),
    ):
        export_command(arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("unfinished")
def test_without_yosys_nothing_is_written(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(verilog, "run_tool", _missing)
    with pytest.raises(UserError, match="yosys is not installed"):
        verilog.export(image_network(rng), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_engine_goes_elsewhere(rng, tmp_path):
    """A folder for each engine; the header names it, and words to load do not outlive it."""
    network = image_network(rng, hidden=(34,), name="réseau")
    loaded, event = find_config("folded-16-spram,event"), find_config("event")
    folders = [verilog.export_folder(network, each, tmp_path) for each in (event, loaded)]
    assert [folder.relative_to(tmp_path / "export") for folder in folders] == [
        Path("reseau"),
        Path("reseau-folded-16-spram,event"),
    ]
    for config, names in ((loaded, ["hex", "json", "v"]), (event, ["json", "v"])):
        text = verilog.export(network, tmp_path / "out", config).read_bytes()
        assert f"// Engine {config.name}\n".encode() in text.split(b"module")[0]
        assert text.isascii()
        there = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert there == [f"firstspike.{name}" for name in names]


def test_all_or_nothing(rng, tmp_path, monkeypatch):
    """What was there stays whole where one of the new files cannot be written."""
    before = image_network(rng, hidden=(4,), name="before")
    verilog.export(before, tmp_path)
    there = {path: path.read_bytes() for path in tmp_path.iterdir()}

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
    network = image_network(rng, hidden=(34,), name="after")
    with pytest.raises(UserError, match=r"hex: cannot be written \(No space left on device\)"):
        verilog.export(network, tmp_path, find_config("folded-16-spram,event"))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == there


def test_the_log_of_a_failing_yosys_is_kept(rng, tmp_path, monkeypatch, fresh_tools):
    """In the build folder, and the error names it."""
    monkeypatch.chdir(tmp_path)
    tool = tmp_path / "yosys"
    tool.write_text("#!/bin/sh\necho 'ERROR: no such pass'; exit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("YOSYS", str(tool))
    message = (
        r"^yosys failed: ERROR: no such pass \(its log: build/failed/verilog-tiny/yosys.log\)$"
    )
    with pytest.raises(UserError, match=message):
        verilog.export(image_network(rng, name="tiny"), tmp_path / "out")
    log = tmp_path / "build" / "failed" / "verilog-tiny" / "yosys.log"
    assert log.read_text() == "ERROR: no such pass\n"
    assert not (tmp_path / "out").exists()


def _missing(name, *_, **__):
    raise UserError(f"{name} is not installed; pip install it")


@pytest.mark.smoke
@pytest.mark.usefixtures("unfinished")
def test_ports_of_the_flat_core(rng):
    network = image_network(rng, shape=(1, 1), hidden=(), classes=1, steps=1)
    flat = verilog.FlatCore(Core(network))
    # A value that needs no bit has one all the same: Verilog has no port of none.
    assert len(flat.result_label) == len(flat.result_step) == 1
