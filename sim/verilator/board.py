"""A whole board as Verilog: the netlist of what ``hw.build`` makes, behind the pins of the part."""

import re
from pathlib import Path

from hw.boards.clock import clocks
from hw.boards.table import BOARDS
from hw.flow.plan import plan
from hw.rtl.config import Config
from sim.verilator.netlist import cell_models, synthesise
from sw.network import Network

__all__ = ["BOARD", "CLOCK", "OPTIONS", "TOP", "board_sources"]

TOP = "board"
# A netlist's inner signals are of no interest; its vectors are what yosys makes of them.
OPTIONS = ("-Wno-fatal", "--no-public-flat-rw")
BOARD = BOARDS["icebreaker"]
CLOCK = min(set(clocks(BOARD)) - {BOARD.crystal})  # Hz, the slowest that the PLL makes

_SCRIPT = "read_rtlil top.il; synth_ice40 -top top -flatten; write_verilog -noattr netlist.v"

# The PLL has no model: its clock comes in by the crystal's pin. Pins are as the design sets them,
# not by the model of yosys, which knows of edges that no buffer of ours has.
_PINS = """
module board(
    input clock /*verilator public_flat_rw*/,
    input locked /*verilator public_flat_rw*/,
    input rx /*verilator public_flat_rw*/,
    output tx /*verilator public_flat_rd*/,
    output select_n /*verilator public_flat_rd*/,
    output flash_clock /*verilator public_flat_rd*/,
    output copi /*verilator public_flat_rd*/,
    input cipo /*verilator public_flat_rw*/
);
    wire clock_pin = clock, rx_pin = rx, cipo_pin = cipo;
    top top(
`ifdef FLASH
        .spi_flash_1x_0__cs__io(select_n), .spi_flash_1x_0__clk__io(flash_clock),
        .spi_flash_1x_0__copi__io(copi), .spi_flash_1x_0__cipo__io(cipo_pin),
        .spi_flash_1x_0__wp__io(), .spi_flash_1x_0__hold__io(),
`endif
        .clk12_0__io(clock_pin), .uart_0__rx__io(rx_pin), .uart_0__tx__io(tx),
        .led_0__io(), .led_1__io()
    );
endmodule

module SB_PLL40_PAD #(
    parameter FEEDBACK_PATH = "", DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0
) (input PACKAGEPIN, input RESETB, input BYPASS, output PLLOUTGLOBAL, output LOCK);
    assign PLLOUTGLOBAL = PACKAGEPIN;
    assign LOCK = board.locked;
endmodule

module SB_GB_IO #(parameter PIN_TYPE = 0, IO_STANDARD = "") (
    inout PACKAGE_PIN, input CLOCK_ENABLE, output GLOBAL_BUFFER_OUTPUT
);
    assign GLOBAL_BUFFER_OUTPUT = PACKAGE_PIN;
endmodule

module SB_IO #(parameter PIN_TYPE = 0, PULLUP = 0, IO_STANDARD = "") (
    inout PACKAGE_PIN, input CLOCK_ENABLE, input OUTPUT_ENABLE, input D_OUT_0, output D_IN_0
);
    generate
        if (PIN_TYPE == 6'b101001) assign PACKAGE_PIN = OUTPUT_ENABLE ? D_OUT_0 : 1'bz;
        else if (PIN_TYPE == 6'b000001) assign D_IN_0 = PACKAGE_PIN;
        else no_such_pin fault();
    endgenerate
endmodule
"""


def board_sources(
    network: Network, config: Config, folder: Path, clock: int = CLOCK
) -> dict[str, str]:
    """Name and content of the Verilog files of ``network`` on the iCEBreaker, at ``clock`` Hz.

    What ``hw.build`` gives to place and route, with yosys' models of its cells; the top module is
    :data:`TOP`. The netlist is kept in ``folder``.
    """
    design = plan(network, BOARD, config=config, clock=clock).files["top.il"]
    text = design if isinstance(design, str) else design.decode()
    netlist = (synthesise("top.il", text, _SCRIPT, folder) / "netlist.v").read_text(
        encoding="utf-8"
    )
    ours = r"^module (SB_IO|SB_GB_IO|SB_PLL40_PAD) .*?^endmodule"
    cells = re.sub(ours, "", cell_models(), flags=re.MULTILINE | re.DOTALL)
    flash = "`define FLASH\n" if config.loads(network) else ""
    return {"board.v": flash + _PINS, "cells.v": cells, "netlist.v": netlist}
