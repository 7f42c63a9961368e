"""The Verilog for silicon."""

import re

import numpy as np
import pytest
from linters import lint
from networks import bistable_network, map_network
from samples import deep, events_network, image_network

from hw.flow.asic.rtl import check_prefix, silicon_verilog
from hw.rtl.config import Config, default_config, find_config
from hw.rtl.engines.event_driven import EventDriven
from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.network import find

CASES = {
    "event": (lambda rng: image_network(rng, hidden=(7, 17, 3), steps=64), "event", None),
    "four pixels": (lambda rng: image_network(rng, shape=(8, 8), hidden=(20,)), None, None),
    "popcount": (lambda rng: image_network(rng, shape=(4, 8), hidden=(20,)), "popcount", None),
    "words": (lambda rng: image_network(rng, shape=(8, 16), hidden=(20,)), "popcount-8", "rom"),
    "folded": (lambda rng: image_network(rng, hidden=(20,)), "folded-8,event", None),
    "loaded": (lambda rng: image_network(rng, hidden=(70,)), "folded-32-spram,event", "all"),
    "pooled, selected": (
        lambda rng: image_network(
            rng, shape=(8, 12), pool=2, select=(0, 3, 5, 22), hidden=(40,), classes=12, steps=256
        ),
        "event-2",
        None,
    ),
    "one unit": (
        lambda rng: image_network(rng, shape=(1, 1), hidden=(), classes=1, steps=1),
        "event",
        None,
    ),
    "events": (lambda rng: events_network(rng, channels=16), "event", None),
    "maps": (
        lambda rng: map_network(rng, "5c3p1,f2,7", 4, LatencyEncoder(shape=(3, 6, 8))),
        "tiles-2-spram",
        "ram",
    ),
    "rows of maps": (
        lambda rng: map_network(rng, "6c3,f2,5c3p1,10", 1, LatencyEncoder(shape=(8, 8))),
        "lines",
        None,
    ),
    "rows of maps, no pooling": (
        lambda rng: map_network(rng, "9c4s4,10", 1, LatencyEncoder(shape=(8, 8))),
        "lines",
        None,
    ),
    "rows of maps, loaded": (
        lambda rng: map_network(rng, "6c3,f2,10", 1, LatencyEncoder(shape=(8, 8))),
        "lines-loaded",
        None,
    ),
    "bistable": (
        lambda rng: bistable_network(rng, "9c3p1,m2,10c3p1,7", 3, (8, 8)),
        "bistable-16x4",
        None,
    ),
    "bistable, wide": (
        lambda rng: bistable_network(rng, "9c3p1,m2,70", 2, (3, 8, 8)),
        "bistable-8x1-spram",
        "all",
    ),
    "bistable, one layer": (
        lambda rng: bistable_network(rng, "3", 3, (8, 8)),
        "bistable-16x4",
        None,
    ),
    "gathered": (
        lambda rng: map_network(rng, "8c3p1,f2,16c3p1,7", 4, LatencyEncoder(shape=(8, 8))),
        "gather-8",
        None,
    ),
}
FEW = [*list(CASES)[:6], "rows of maps", "bistable", "bistable, one layer"]


@pytest.mark.parametrize("name", [*FEW, *deep(*(name for name in CASES if name not in FEW))])
def test_three_linters_have_nothing_to_say(name, rng, tmp_path):
    network, engine, macros = CASES[name]
    four = Config(engines=(EventDriven(banks=4), EventDriven()), pixels=4)
    config = find_config(engine) if engine else four
    verilog = silicon_verilog(network(rng), config, prefix="net", macros=macros)
    text = verilog.text + "".join(macro.verilog for macro in verilog.macros)
    assert bool(verilog.macros) == (macros is not None)
    (tmp_path / "net.v").write_text(text)
    lint(tmp_path, ["net.v"], "net")
    assert "`default_nettype none" in text.split("module", 1)[0]
    for word in ("initial", "$readmem", "\\", '"'):
        assert word not in verilog.text, word
    assert not re.findall(r"\b_\d+_\b", text), "nets without a name"
    assert all(each.startswith("net") for each in re.findall(r"^module (\w+)", text, re.M))


def test_two_networks_in_one_design(rng):
    network, config = image_network(rng, hidden=(5,)), find_config("event")
    texts = [silicon_verilog(network, config, prefix=prefix).text for prefix in ("one", "other")]
    modules = re.findall(r"^module (\w+)", "".join(texts), re.M)
    assert len(modules) == len(set(modules))
    assert {"one", "other"} < set(modules)
    assert texts[0] == silicon_verilog(network, config, prefix="one").text, "other bytes"


def test_the_constants_are_the_weights(rng):
    """The event engine's rows: a bit of row i is set where the weight from input i is −1."""
    network = image_network(rng, hidden=(5,))
    text = silicon_verilog(network, find_config("event"), prefix="net").text
    for index, layer in enumerate(network.layers):
        module = re.search(
            rf"^module net_integrate_{index}_rom_0\(.*?^endmodule", text, re.M | re.S
        )[0]
        words = re.findall(r"\d+'d(\d+): data = \d+'h([0-9a-f]+);", module)
        rows = [sum(1 << int(j) for j in np.flatnonzero(row)) for row in ~layer.weight.T]
        assert {int(k): int(word, 16) for k, word in words} == dict(enumerate(rows))


def test_a_macro_is_instantiated_and_not_contained(rng):
    network = image_network(rng, shape=(8, 8), hidden=(70,), steps=16)
    config = find_config("folded-32-spram,event")
    verilog = silicon_verilog(network, config, prefix="net", macros="ram")
    # 64 inputs by 3 chunks of 32 weights, read twice at once: two copies of one kind.
    assert verilog.text.count("  net_ram_1rw_192x32_w16 ") == 2
    assert "module net_ram_1rw_192x32_w16" not in verilog.text
    (macro,) = (each for each in verilog.macros if each.kind == "ram_1rw")
    assert (macro.depth, macro.width) == (192, 32)
    assert macro.stub.startswith("(* blackbox *)\nmodule net_ram_1rw_192x32_w16(clk, ")
    assert "rows" in macro.verilog
    assert "rows" not in macro.stub


@pytest.mark.parametrize("prefix", ["", "1st", "a-b", "über", "module", "core", "a b", "x\n"])
def test_a_prefix_that_is_refused(prefix):
    with pytest.raises(UserError, match=r"^prefix .*(identifier|floorplanners)"):
        check_prefix(prefix)


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("clk", "is the name of a port"),  # Verilator: a signal hides its module
        ("load_status", "is the name of a port"),
        ("std", "is a package that SystemVerilog has"),
        ("tb", "is what Tiny Tapeout calls its test bench"),
        ("a" * 65, "has 65 characters; take at most 64"),
    ],
)
def test_a_prefix_that_is_taken(prefix, reason):
    with pytest.raises(UserError, match=rf"^prefix '[a-z_…]+' {reason}"):
        check_prefix(prefix)
    assert check_prefix("a" * 64) == "a" * 64


def test_memories_that_are_too_large_are_refused():
    """784 inputs by 19 chunks of 32 weights twice, the orderer and the potentials."""
    network = find("mnist-784-600-10-t8")
    with pytest.raises(
        UserError,
        match=r"^network 'mnist-784-600-10-t8' with folded-32-spram,event: its memories as logic "
        r"would be about 9,7\d\d,\d{3} gates \(976,848 bits of RAM, 12,688 of constants\), and "
        r"1,000,000 are sensible; take --macros all, or a smaller network$",
    ):
        silicon_verilog(network, find_config("folded-32-spram,event"))


def test_the_names_of_nets_say_what_they_lead_to(rng):
    network = image_network(rng, shape=(1, 2), hidden=(), classes=2, steps=2)
    text = silicon_verilog(network, default_config(network), prefix="net").text
    assert "started <= started_next;" in text
