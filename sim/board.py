"""``python -m sim.board NETWORK``: the whole iCEBreaker as synthesis makes it, its flash and its
host, all that its pins see; its answers against the golden model.

A test module has ``@cocotb.test`` functions that begin with ``await Board.start(dut, …)``;
:func:`sim.cocotb_bench.testbench.simulate` runs them on :func:`board_sources`.
"""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.triggers import FallingEdge, First, RisingEdge, Timer, with_timeout

from hw.boards.clock import check_clock, clocks
from hw.boards.table import BOARDS
from hw.flow.plan import plan
from hw.flow.tools import run_tool, scratch_folder
from hw.host import commands
from hw.link import protocol
from hw.link.flash import READ, WAKE
from hw.link.weight_image import pack
from hw.rtl.config import Config, engine_names, find_config
from hw.rtl.core import loaded_words
from sim import golden
from sim.cocotb_bench.testbench import simulate
from sim.verilator.netlist import cell_models
from sw.cli import UserError, exclusive, run, table, write_json
from sw.data.registry import load_for
from sw.encoder import Spikes
from sw.flags import megahertz, parser, positive_int
from sw.network import Network, find

if TYPE_CHECKING:
    from cocotb.handle import SimHandleBase

__all__ = [
    "BOARD",
    "CLOCK",
    "COMMANDS",
    "FLASH",
    "OPTIONS",
    "REPLIES",
    "TOP",
    "Board",
    "board_sources",
    "replies",
]

TOP = "board"
# A netlist's inner signals are of no interest; its vectors are what yosys makes of them.
OPTIONS = ("-Wno-fatal", "--no-public-flat-rw")
BOARD = BOARDS["icebreaker"]
CLOCK = min(set(clocks(BOARD)) - {BOARD.crystal})  # Hz, the slowest that the PLL makes
# In the simulation's folder: the weight image, empty without one; what is asked and answered.
FLASH, COMMANDS, REPLIES = Path("flash"), Path("commands.json"), Path("replies.json")

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


def board_sources(network: Network, config: Config, clock: int = CLOCK) -> dict[str, str]:
    """Name and content of the Verilog files of ``network`` on the iCEBreaker, at ``clock`` Hz.

    What ``hw.build`` gives to place and route, with yosys' models of its cells; the top module is
    :data:`TOP`.
    """
    design = plan(network, BOARD, config=config, clock=clock).files["top.il"]
    with scratch_folder(f"board-{network.file_name}") as folder:
        (folder / "top.il").write_text(
            design if isinstance(design, str) else design.decode(), encoding="utf-8"
        )
        run_tool("yosys", ["-q", "-p", _SCRIPT], cwd=folder, log=folder / "yosys.log")
        netlist = (folder / "netlist.v").read_text(encoding="utf-8")
    ours = r"^module (SB_IO|SB_GB_IO|SB_PLL40_PAD) .*?^endmodule"
    cells = re.sub(ours, "", cell_models(), flags=re.MULTILINE | re.DOTALL)
    flash = "" if config.loaded_layer(network) is None else "`define FLASH\n"
    return {"board.v": flash + _PINS, "cells.v": cells, "netlist.v": netlist.split("\n", 1)[1]}


class Board:
    """Speaks to the board's UART, and answers as its flash.

    Parameters
    ----------
    dut : handle of the top module
    flash : bytes or 0 or 1
        What the flash holds from ``BOARD.weights_at`` on; a bit if it is silent.
    """

    def __init__(self, dut: "SimHandleBase", flash: bytes | int) -> None:
        self._dut = dut
        self._flash = flash
        self._heard: Queue[int] = Queue()

    @classmethod
    async def start(cls, dut: "SimHandleBase", flash: bytes | int, clock: int = CLOCK) -> "Board":
        """Powers the board up: its PLL locks after some cycles, or it waits without one."""
        board = cls(dut, flash)
        dut.locked.value = 0
        dut.rx.value = 1
        dut.cipo.value = flash if isinstance(flash, int) else 1
        Clock(dut.clock, 2 * round(5e11 / clock), unit="ps").start()
        await Timer(1, "us")
        cocotb.start_soon(board._listen())
        if isinstance(flash, bytes):
            cocotb.start_soon(board._serve())
        dut.locked.value = 1
        await Timer(20, "us")
        return board

    async def ask(self, content: bytes, size: int) -> bytes:
        """Sends ``content``; the ``size`` bytes that are answered, within a second."""
        for byte in content:
            for level in (0, *(byte >> k & 1 for k in range(8)), 1):
                self._dut.rx.value = level
                await Timer(1_000_000 // protocol.BAUD, "us")
        return bytes([await with_timeout(self._heard.get(), 1, "sec") for _ in range(size)])

    @property
    def silent(self) -> bool:
        """Nothing more has come."""
        return self._heard.empty()

    async def _listen(self) -> None:
        while True:
            await FallingEdge(self._dut.tx)
            await Timer(500_000_000 // protocol.BAUD, "ns")
            byte = 0
            for bit in range(8):
                await Timer(1_000_000_000 // protocol.BAUD, "ns")
                byte |= int(self._dut.tx.value) << bit
            await Timer(1_000_000_000 // protocol.BAUD, "ns")
            assert self._dut.tx.value == 1, "no stop bit"
            self._heard.put_nowait(byte)

    async def _serve(self) -> None:
        """Sleeps until 3 µs after command AB, then reads by command 03 (W25Q128JV)."""
        dut, awake = self._dut, False
        ends, rises, falls = (
            RisingEdge(dut.select_n),
            RisingEdge(dut.flash_clock),
            FallingEdge(dut.flash_clock),
        )
        while True:
            await FallingEdge(dut.select_n)
            command = count = 0
            while (edge := await First(ends, rises, falls)) is not ends:
                if edge is rises:
                    count += 1
                    if count <= 32:
                        command = command << 1 | int(dut.copi.value)
                elif awake and count >= 32 and command >> 24 == READ:
                    dut.cipo.value = self._bit((command & 0xFFFFFF) * 8 + count - 32)
            if command == WAKE and count == 8:
                await Timer(3, "us")
                awake = True

    def _bit(self, position: int) -> int:
        byte, bit = divmod(position - 8 * BOARD.weights_at, 8)
        inside = 0 <= byte < len(self._flash)
        return self._flash[byte] >> 7 - bit & 1 if inside else 1


def replies(
    network: Network,
    inputs: np.ndarray | Spikes,
    config: Config,
    folder: Path,
    programs: Path,
    clock: int = CLOCK,
) -> list[protocol.Reply]:
    """What the board answers to ``inputs`` (images uint8 [B, height, width], or spikes) over its
    UART, after it has loaded its weights from its flash if the config asks for that; simulated in
    ``folder``, at ``clock`` Hz, by a model that is kept in ``programs``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = loaded_words(network, config)
    (folder / FLASH).write_bytes(b"" if words is None else pack(network, words))
    asked = [each.hex() for each in commands(network, inputs)]
    (folder / COMMANDS).write_text(
        json.dumps({"clock": clock, "commands": asked}), encoding="utf-8"
    )
    simulate(
        network,
        np.empty(0, np.uint8),
        tests="sim.cocotb_bench.board_answers",
        folder=folder,
        programs=programs,
        sources=board_sources(network, config, clock),
        top=TOP,
        options=OPTIONS,
    )
    return [
        protocol.Reply(*each) for each in json.loads((folder / REPLIES).read_text(encoding="utf-8"))
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = parser(
        "Simulate the netlist of a whole iCEBreaker, from its flash to its UART.",
        data=True,
        build=True,
    )
    options.add_argument("network", help="path of a network file, or a name in the zoo")
    options.add_argument("--dataset", help="default: the one the network was trained on")
    options.add_argument(
        "--images",
        metavar="N",
        type=positive_int,
        default=10,
        help="test images or recordings (default: %(default)s)",
    )
    options.add_argument("--engine", default="event", help=engine_names())
    options.add_argument(
        "--clock",
        metavar="MHZ",
        type=megahertz,
        default=CLOCK,
        help=f"the crystal's own, 12, is without the PLL (default: {CLOCK / 1e6:g})",
    )
    args = options.parse_args(arguments)
    clock = check_clock(BOARD, args.clock)
    network, config = find(args.network), find_config(args.engine)
    inputs, labels = load_for(network, args.dataset, args.data_dir, args.images)
    begun = time.monotonic()
    folder = args.build_dir / "board" / f"{network.file_name}-{config.name}"
    try:
        with exclusive(folder):
            got = replies(network, inputs, config, folder, args.build_dir / "verify", clock)
    except RuntimeError as error:
        raise UserError(f"the board does not answer: {error}") from None
    answer = golden.run_inputs(network, inputs)
    expected = zip(answer.label, answer.step, answer.margin, strict=True)
    same = [
        reply.cycles > 0 and (reply.label, reply.step, reply.margin) == right
        for reply, right in zip(got, expected, strict=True)
    ]
    figures = {
        "board": BOARD.name,
        "network": network.name,
        "engine": config.name,
        "clock_mhz": clock / 1e6,
        "images": len(labels),
        "mismatches": same.count(False),
        "accuracy": float(np.mean([reply.label for reply in got] == labels)),
        "cycles_mean": float(np.mean([reply.cycles for reply in got])),
        "seconds": round(time.monotonic() - begun, 1),
    }
    if args.json:
        write_json(args.json, figures)
    if not args.quiet:
        print(table(figures.items()))
    return 1 if figures["mismatches"] else 0


if __name__ == "__main__":
    run(main)
