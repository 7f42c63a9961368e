"""Toggles and time at 1, counted by hand in short dumps."""

import pytest

from hw.flow.asic.activity import count_activity, pins_of

DUMP = """$date now $end
$timescale 1ps $end
$scope module bench $end
$var reg 1 ! outer $end
$scope module dut $end
$var wire 1 " clk $end
$var wire 2 # data [1:0] $end
$var wire 1 $ never $end
$scope module inner $end
$var wire 1 % inside $end
$upscope $end
$upscope $end
$upscope $end
$enddefinitions $end
#100
$dumpvars
1!
0"
bx1 #
x$
0%
$end
#120
1"
1%
#130
b10 #
#140
0"
0!
#160
1"
#180
0"
#200
$dumpoff
x"
bx #
$end
#900
"""


def test_by_hand():
    # 100 ps, periods of 50 ps: clk toggles at 120, 140, 160, 180 and is 1 for 40 ps of them.
    counted = count_activity(DUMP.splitlines(), scope="dut", period=50)
    assert set(counted) == {"clk", "data[1]", "data[0]", "never"}
    assert counted["clk"] == (2.0, 0.4)
    assert counted["data[1]"] == (0.0, pytest.approx(0.7))  # from X at 130: no toggle
    assert counted["data[0]"] == (0.5, pytest.approx(0.3))
    assert counted["never"] == (0.0, 0.0)


def test_a_dump_without_time_is_refused():
    with pytest.raises(ValueError, match="no time"):
        count_activity(DUMP.splitlines()[:20], scope="dut", period=50)


def test_pins_of_a_netlist():
    netlist = """module chip(a, y);
  input [1:0] a;
  wire n;
  INVX1 first (
    .A(a[1]),
    .Y(n)
  );
  DFFPOSX1 second (
    .CLK(a[0]),
    .D(1'b0),
    .Q(y)
  );
endmodule
"""
    assert pins_of(netlist) == {
        ("first", "A"): "a[1]",
        ("first", "Y"): "n",
        ("second", "CLK"): "a[0]",
        ("second", "D"): "1'b0",
        ("second", "Q"): "y",
    }
