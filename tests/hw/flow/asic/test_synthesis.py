"""Synthesis to a cell library, of designs small enough to count by hand."""

import re

import pytest
from library import library

from hw.flow.asic.synthesis import CELLS, NETLIST, block_of, synthesise
from hw.flow.errors import ToolFailedError

# A full adder in one block, two registers in another, and a gate in the top.
SOURCE = """
module chip(input clk, input a, input b, input c, output [1:0] sum, output other);
  wire [1:0] next;
  adder add(.a(a), .b(b), .c(c), .sum(next));
  registers keep(.clk(clk), .d(next), .q(sum));
  assign other = ~(a & c);
endmodule
module adder(input a, input b, input c, output [1:0] sum);
  assign sum = a + b + c;
endmodule
module registers(input clk, input [1:0] d, output reg [1:0] q);
  always @(posedge clk) q <= d;
endmodule
"""


@pytest.fixture(scope="module")
def pdk():
    return library()


@pytest.fixture(scope="module")
def made(pdk, tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthesis") / "work"
    return synthesise(SOURCE, top="chip", pdk=pdk, folder=folder, period_ns=10), folder


def test_area_by_block_is_the_sum_of_the_cells(made):
    synthesis, _ = made
    by_block = {area.block: area for area in synthesis.blocks}
    # FAX1 has 120 µm², DFFPOSX1 96, NAND2X1 24, in the library's own text.
    assert (by_block["add"].cells, by_block["add"].um2) == (1, 120)
    assert (by_block["keep"].flip_flops, by_block["keep"].um2) == (2, 192)
    assert (by_block["top"].um2, by_block["top"].gates) == (24, 1)
    assert synthesis.total.um2 == 336
    assert synthesis.total.gates == 14
    assert synthesis.kinds == {"DFFPOSX1": 2, "FAX1": 1, "NAND2X1": 1}


def test_netlists_keep_the_ports_and_have_plain_names(made):
    _, folder = made
    netlist, cells = ((folder / name).read_text() for name in (NETLIST, CELLS))
    assert "output [1:0] sum;" in netlist
    assert re.findall(r"output (sum\w*);", cells) == ["sum_0_", "sum_1_"]
    for text in (netlist, cells):
        assert "\\" not in text
        assert len(re.findall(r"^  DFFPOSX1 keep_\w+ \(", text, re.M)) == 2


def test_each_reset_has_a_gate_of_its_own(pdk, tmp_path):
    """Or a bit that toggles is reset by x AND NOT x, say: what a simulator does not know stays so.
    The gate is a NOR of the reset and what comes next, or a NAND where the reset sets.
    """
    source = """
module chip(input clk, input rst, input en, input d, output reg [2:0] count, output reg one);
  always @(posedge clk) if (rst) count <= 0; else if (en) count <= count + 1;
  always @(posedge clk) if (rst) one <= 1; else if (d) one <= one ^ en;
endmodule
"""
    synthesise(source, top="chip", pdk=pdk, folder=tmp_path / "x", period_ns=10)
    cells = (tmp_path / "x" / CELLS).read_text()
    found = {
        kind: [dict(re.findall(r"\.(\w+)\((\w+)\)", pins)) for pins in bodies]
        for kind in ("DFFPOSX1", "NOR2X1", "NAND2X1", "INVX1")
        for bodies in [re.findall(rf"^  {kind} \w+ \((.*?)\);", cells, re.M | re.S)]
    }
    driver = {pins["Y"]: pins for kind in ("NOR2X1", "NAND2X1") for pins in found[kind]}
    inverse = {pins["A"]: pins["Y"] for pins in found["INVX1"]}
    assert len(found["DFFPOSX1"]) == 4
    for register in found["DFFPOSX1"]:
        reset = inverse["rst"] if register["Q"] == "one" else "rst"
        assert driver[register["D"]]["A"] == reset
        assert (driver[register["D"]] in found["NAND2X1"]) == (register["Q"] == "one")


def test_synthesis_is_not_repeated(made, pdk, monkeypatch):
    synthesis, folder = made

    def refuse(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr("hw.flow.asic.synthesis.run_tool", refuse)
    again = synthesise(SOURCE, top="chip", pdk=pdk, folder=folder, period_ns=10)
    assert again == synthesis


def test_verilog_that_is_wrong_is_yosys_own_line(pdk, tmp_path):
    with pytest.raises(ToolFailedError, match=r"yosys failed: .*syntax error"):
        synthesise("module chip(", top="chip", pdk=pdk, folder=tmp_path / "x", period_ns=10)


@pytest.mark.parametrize(
    ("instance", "block"),
    [
        ("gate1", "top"),
        ("core.gate1", "core"),
        ("core.fire_0.gate12", "fire_0"),
        ("core.orderer.links.gate3", "orderer.links"),
        ("chip.core.gate3", "chip.core"),
    ],
)
def test_a_cell_belongs_to_the_instances_around_it(instance, block):
    assert block_of(instance) == block
