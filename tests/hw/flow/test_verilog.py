"""The Verilog that an integrator gets."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest
from amaranth.utils import bits_for
from networks import map_network
from samples import command, events_network, image_network, unfinished  # noqa: F401

from hw.flow import verilog
from hw.rtl.config import DEFAULT, Config, find_config
from hw.rtl.core import Core
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.engines.folded import Folded
from hw.rtl.engines.popcount import Popcount
from sim.verilator import tool
from sw.cli import UserError
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
    lint(export(network, tmp_path))


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
    lint(export(network, tmp_path, config))
    manifest = json.loads((tmp_path / "firstspike.json").read_text())
    assert manifest["config"]["engines"] == [asdict(engine) for engine in config.engines]
    assert manifest["ports"][2]["width"] == 8 * config.pixels


def test_nor_of_two_layers_that_leave_the_same_port_open(rng, tmp_path):
    """Each wire that leads nowhere has a name of its own; Verilator refused two of one name."""
    network = image_network(rng, shape=(3, 4), hidden=(9, 8, 7))
    engines = (EventDriven(), Folded(lanes=3), Folded(lanes=2), EventDriven())
    lint(export(network, tmp_path, Config(engines=engines)))


@pytest.mark.parametrize(("lanes", "units"), [(16, 40), (32, 70)])
def test_nor_of_a_loaded_layer(rng, tmp_path, lanes, units):
    """Its memory has no contents, and words come in through ports."""
    network = image_network(rng, shape=(4, 4), hidden=(units,))
    config = find_config(f"folded-{lanes}-spram,event")
    words = 16 * 3 * lanes // 16  # of each input and chunk a word per column
    lint(export(network, tmp_path, config))
    manifest = json.loads((tmp_path / "firstspike.json").read_text())
    ports = {port["name"]: port["width"] for port in manifest["ports"]}
    assert ports["load_valid"] == 1
    assert (ports["load_address"], ports["load_data"]) == (bits_for(words - 1), 16)
    text = (tmp_path / "firstspike.v").read_text()
    block = re.search(r"^module firstspike_folded_0\(.*?^endmodule", text, re.M | re.S)[0]
    assert block.count("initial") == 1  # the thresholds
    assert manifest["load"] == {"words": words}


@pytest.mark.parametrize("channels", [12, 16])
def test_nor_of_a_network_for_events(rng, tmp_path, channels):
    lint(export(events_network(rng, channels=channels), tmp_path))
    manifest = json.loads((tmp_path / "firstspike.json").read_text())
    assert manifest["channels"] == channels
    assert manifest["ports"][2]["width"] == bits_for(channels)
    assert [port["name"] for port in manifest["ports"]][2:] == [
        *("event_unit", "event_step", "event_end", "event_valid", "event_ready"),
        *("result_label", "result_step", "result_margin", "result_fault"),
        *("result_valid", "result_ready"),
    ]


@pytest.mark.parametrize("engine", ["tiles-4", "tiles-2-spram", "gather-8"])
def test_nor_of_a_network_with_maps(rng, tmp_path, engine):
    """One block for all its layers; what it shows to those who watch leads nowhere."""
    network = map_network(rng, "5c3p1,f2,7", 4, LatencyEncoder(shape=(3, 6, 8)))
    config = find_config(engine)
    path = export(network, tmp_path, config)
    lint(path)
    assert re.findall(r"^module (\w+)\(", path.read_text(), re.M) == [
        f"firstspike{block}"
        for block in ("", "_core", "_decide", "_encoder", f"_{config.whole.block}")
    ]
    manifest = json.loads((tmp_path / "firstspike.json").read_text())
    assert manifest["layers"] == "3x6x8-5c3p1-f2-7"
    assert manifest["image_shape"] == [6, 8, 3]
    assert manifest["pixels"] == 144
    loads = engine.endswith("spram")
    assert any(port["name"] == "load_data" for port in manifest["ports"]) == loads


def export(network, folder, config=DEFAULT):
    """The Verilog and its manifest as files; the Verilog's path."""
    path = folder / f"{verilog.TOP}.v"
    path.write_text(verilog.to_verilog(network, config))
    (folder / "firstspike.json").write_text(json.dumps(verilog.manifest(network, config)))
    return path


def lint(path):
    result = tool.find().run(
        ["--lint-only", "-Wall", "--quiet", "--top-module", verilog.TOP, path.name], cwd=path.parent
    )
    assert (result.returncode, result.stdout) == (0, "")


def test_the_manifest_tells_the_ports(network, tmp_path):
    text = export(network, tmp_path).read_text()
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
        verilog.to_verilog(image_network(rng, name="tiny"))
    log = tmp_path / "build" / "failed" / "verilog-tiny" / "yosys.log"
    assert log.read_text() == "ERROR: no such pass\n"


@pytest.mark.smoke
@pytest.mark.usefixtures("unfinished")
def test_ports_of_the_flat_core(rng):
    network = image_network(rng, shape=(1, 1), hidden=(), classes=1, steps=1)
    flat = verilog.FlatCore(Core(network))
    # A value that needs no bit has one all the same: Verilog has no port of none.
    assert len(flat.result_label) == len(flat.result_step) == 1
