"""The environment of a whole board in a cocotb test: its host on the UART, and its flash.

A test module has ``@cocotb.test`` functions that begin with ``await Board.start(dut, …)``;
:func:`sim.cocotb_bench.testbench.simulate` runs them on :func:`sim.verilator.board.board_sources`.
"""

from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.triggers import FallingEdge, First, RisingEdge, Timer, with_timeout

from hw.link import protocol
from hw.link.flash import READ, WAKE
from hw.link.protocol import Command, Frame
from sim.verilator.board import BOARD, CLOCK

__all__ = ["COMMANDS", "FLASH", "REPLIES", "Board"]

# In the simulation's folder: the weight image, empty without one; what is asked and answered.
FLASH, COMMANDS, REPLIES = Path("flash"), Path("commands.json"), Path("replies.json")


class Board:
    """Speaks to the board's UART, and answers as its flash.

    Parameters
    ----------
    dut : handle of the top module
    """

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        self._received: Queue[int] = Queue()
        self._sequence = 0

    @classmethod
    async def start(cls, dut: Any, flash: bytes | int, clock: int = CLOCK) -> "Board":
        """Powers the board up: its PLL locks after some cycles, or it waits without one.

        ``flash`` is what the flash holds from ``BOARD.weights_at`` on; a single bit if it does not
        respond.
        """
        board = cls(dut)
        dut.locked.value = 0
        dut.rx.value = 1
        dut.cipo.value = flash if isinstance(flash, int) else 1
        Clock(dut.clock, 2 * round(5e11 / clock), unit="ps").start()
        await Timer(1, "us")
        cocotb.start_soon(board._listen())
        if isinstance(flash, bytes):
            cocotb.start_soon(board._serve(flash))
        dut.locked.value = 1
        await Timer(20, "us")
        return board

    async def ask(self, command: Command) -> Frame:
        """Sends ``command``; the reply, which comes within a second and names its frame."""
        content = protocol.frame(command, self._sequence)
        self._sequence = (self._sequence + 1) % protocol.SEQUENCES
        for byte in content:
            for level in protocol.character(byte):
                self._dut.rx.value = level
                await Timer(1_000_000 // protocol.BAUD, "us")
        received = [
            await with_timeout(self._received.get(), 1, "sec") for _ in range(protocol.REPLY_SIZE)
        ]
        reply = protocol.parse(bytes(received))
        assert reply is not None, "a damaged reply"
        assert reply.sequence == content[0] % protocol.SEQUENCES
        return reply

    @property
    def silent(self) -> bool:
        """Nothing more has come."""
        return self._received.empty()

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
            self._received.put_nowait(byte)

    async def _serve(self, content: bytes) -> None:
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
                    dut.cipo.value = _bit(content, (command & 0xFFFFFF) * 8 + count - 32)
            if command == WAKE and count == 8:
                await Timer(3, "us")
                awake = True


def _bit(content: bytes, position: int) -> int:
    """Of a flash that is erased but for ``content``."""
    assert BOARD.weights_at is not None
    byte, bit = divmod(position - 8 * BOARD.weights_at, 8)
    return content[byte] >> 7 - bit & 1 if 0 <= byte < len(content) else 1
