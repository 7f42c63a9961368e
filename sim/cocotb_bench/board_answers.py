"""The cocotb test that ``python -m sim.board`` runs: asks a board for all classes."""

import json
from typing import Any

import cocotb

from hw.link import protocol
from hw.link.protocol import Command, Kind
from sim.cocotb_bench.board import COMMANDS, FLASH, REPLIES, Board
from sim.cocotb_bench.testbench import what_is_simulated

__all__ = ["answers"]


@cocotb.test()
async def answers(dut: Any) -> None:
    """The replies to the commands, one after the other."""
    network, _ = what_is_simulated()
    asked = json.loads(COMMANDS.read_text(encoding="utf-8"))
    board = await Board.start(dut, FLASH.read_bytes(), asked["clock"])
    identity = await board.ask(Command(Kind.QUERY))
    assert identity.payload[:5] == protocol.identity(network.sha256)[:5]
    replies = [
        protocol.CLASS.unpack((await board.ask(Command(kind, bytes.fromhex(payload)))).payload)
        for kind, payload in asked["commands"]
    ]
    REPLIES.write_text(json.dumps(replies), encoding="utf-8")
