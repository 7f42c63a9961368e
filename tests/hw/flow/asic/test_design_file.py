"""What is read of a DEF file and of qrouter's capacitances, by hand."""

import pytest

from hw.flow.asic.design_file import Wire, net_capacitances, read_def

DEF = """VERSION 5.6 ;
UNITS DISTANCE MICRONS 100 ;

DIEAREA ( -320 0 ) ( 20400 14300 ) ;

COMPONENTS 2 ;
- INVX1_1 INVX1 + PLACED ( 40 50 ) FS ;
- FILL_1_1 FILL + PLACED ( 1000 1050 ) N ;
END COMPONENTS

PINS 1 ;
- a + NET a
  + PLACED ( 4880 40 ) N ;
END PINS

NETS 2 ;
- a
  ( PIN a )
  ( INVX1_1 A )
+ ROUTED metal1 ( 19040 11600 ) ( 18960 * ) M2_M1
  NEW metal2 ( 18960 11600 ) ( * 11300 )
  NEW metal1 ( 19840 11400 ) M2_M1 ;
- unrouted
  ( INVX1_1 Y ) ;
END NETS

SPECIALNETS 1 ;
- vdd
+ ROUTED metal6 40 ( 0 0 ) ( 0 10000 ) ;
END SPECIALNETS
END DESIGN
"""
RC = """a 1 PIN/a 2 ( 2.56 0.25 ( 0.5 0.125 INVX1_1/A , ( 0.2 1e-3 INVX1_2/A ) ) )
b 1 INVX1_1/Y 0

"""


def test_a_design_by_hand():
    design = read_def(DEF)
    assert (design.width, design.height) == (pytest.approx(207.2), 143)
    assert design.cells == {"INVX1_1": ("INVX1", 0.4, 0.5), "FILL_1_1": ("FILL", 10, 10.5)}
    assert design.wires == (
        Wire(layer="metal1", x0=190.4, y0=116.0, x1=189.6, y1=116.0),
        Wire(layer="metal2", x0=189.6, y0=116.0, x1=189.6, y1=113.0),
    )
    assert sum(wire.length for wire in design.wires) == pytest.approx(3.8)
    assert (design.nets, design.vias) == (1, 2)


def test_what_is_no_design_is_refused():
    with pytest.raises(ValueError, match="no UNITS or no DIEAREA"):
        read_def("module x; endmodule")


def test_capacitances_are_summed_over_each_net():
    assert net_capacitances(RC) == {"a": pytest.approx(0.376), "b": 0}
