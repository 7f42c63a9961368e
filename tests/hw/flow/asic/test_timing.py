"""Timing and power of netlists small enough to reckon by hand."""

import json

import pytest
from library import library

from hw.flow.asic import timing
from hw.flow.asic.power import estimate_power
from hw.flow.asic.power import read_report as read_power
from hw.flow.asic.timing import analyse
from hw.flow.errors import ToolFailedError

NETLIST = """module chip(clk, a, y);
  input clk;
  input a;
  output y;
  wire n;
  wire m;
  DFFPOSX1 first (
    .CLK(clk),
    .D(a),
    .Q(n)
  );
  INVX1 middle (
    .A(n),
    .Y(m)
  );
  DFFPOSX1 second (
    .CLK(clk),
    .D(m),
    .Q(y)
  );
endmodule
"""
REPORT = """OpenSTA
SETUP
Startpoint: first (rising edge-triggered flip-flop clocked by clk)
Endpoint: second (rising edge-triggered flip-flop clocked by clk)
   0.0000    0.0000 ^ first/CLK (DFFPOSX1)
   0.5000    0.5000 v first/Q (DFFPOSX1)
   1.5000    2.0000 ^ middle/Y (INVX1)
   0.0000    2.0000 ^ second/D (DFFPOSX1)
             2.0000   data arrival time
             -4.5000   slack (MET)
HOLD
             0.2500   slack (MET)
"""


@pytest.fixture(scope="module")
def pdk():
    return library("sta")


@pytest.fixture(scope="module")
def netlist(tmp_path_factory):
    path = tmp_path_factory.mktemp("netlist") / "cells.v"
    path.write_text(NETLIST)
    return path


def test_a_report_is_read():
    read = timing.read_report(REPORT, 10, "no wires")
    assert (read.setup_slack_ns, read.hold_slack_ns) == (-4.5, 0.25)
    assert read.fmax_mhz == 68.97  # 1000 / 14.5
    assert (read.begin, read.end) == ("first", "second")


def test_a_report_without_paths_is_the_programs_own_line():
    with pytest.raises(ValueError, match=r"Error: x\.v is not there"):
        timing.read_report("OpenSTA\nError: x.v is not there\n", 10, "")
    with pytest.raises(ValueError, match="no power"):
        read_power("OpenSTA\n")


def test_slack_follows_the_clock(netlist, pdk, tmp_path):
    def at(period):
        return analyse(netlist, top="chip", pdk=pdk, period_ns=period, folder=tmp_path / "t")

    slow, fast = at(10), at(0.2)
    # In the library a flip-flop takes 0.1 … 0.3 ns to its output and sets up in less.
    assert 9.3 < slow.setup_slack_ns < 9.8
    assert slow.setup_slack_ns - fast.setup_slack_ns == pytest.approx(9.8, abs=2e-3)
    assert fast.setup_slack_ns < 0
    assert "NOT met" in str(fast.lines())
    assert slow.fmax_mhz == pytest.approx(fast.fmax_mhz, rel=0.01)


def test_wires_make_it_slower(netlist, pdk, tmp_path):
    wires = tmp_path / "wires.tcl"
    wires.write_text("set_load -wire_load 0.2 [get_nets n]\n")
    plain, loaded = (
        analyse(netlist, top="chip", pdk=pdk, period_ns=10, folder=tmp_path / "t", wires_pf=each)
        for each in (None, wires)
    )
    assert loaded.setup_slack_ns < plain.setup_slack_ns - 0.1


def test_a_netlist_of_unknown_cells_is_refused(pdk, tmp_path):
    path = tmp_path / "cells.v"
    path.write_text(NETLIST.replace("module chip", "module other"))
    with pytest.raises(ToolFailedError, match="sta failed: "):
        analyse(path, top="chip", pdk=pdk, period_ns=10, folder=tmp_path / "t")


@pytest.mark.parametrize("toggles", [0.0, 0.25, 1.0])
def test_switching_power_is_half_of_c_v_squared_for_each_toggle(netlist, pdk, tmp_path, toggles):
    activity = tmp_path / "activity.json"
    nets = {"clk": (2.0, 0.5), "a": (0.0, 0.0), "n": (0.0, 0.0), "m": (0.0, 1.0)}
    activity.write_text(json.dumps({**nets, "y": (toggles, 0.5)}))
    power = estimate_power(
        netlist,
        netlist,
        activity,
        top="chip",
        pdk=pdk,
        period_ns=10,
        cycles=50,
        images=3,
        folder=tmp_path / "power",
    )
    # Only y toggles, and has the load of an output, 0.05 pF; at 1.8 V and 100 MHz.
    assert power.switching == pytest.approx(0.5 * 0.05e-12 * 1.8**2 * toggles * 1e8 * 1e3, abs=1e-7)
    assert power.milliwatts == pytest.approx(
        power.internal + power.switching + power.leakage, rel=1e-4
    )
    assert power.nanojoules == pytest.approx(power.milliwatts * 1e-3 * 50 * 10e-9 * 1e9)
    assert power.sequential > 0.9 * power.milliwatts  # the clock of two flip-flops
