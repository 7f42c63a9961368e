"""The cocotb test that ``python -m sim.board`` runs: asks a board for all classes."""

import json
from typing import Any

import cocotb

from hw.link import protocol
from sim.cocotb_bench.board import COMMANDS, FLASH, REPLIES, Board
from sim.cocotb_bench.testbench import what_is_simulated

__all__ = ["answers"]


@cocotb.test()
async def answers(dut: Any) -> None:
    """The replies to the commands, one after the other."""
    network, _ = what_is_simulated()
    asked = json.loads(COMMANDS.read_text(encoding="utf-8"))
    board = await Board.start(dut, FLASH.read_bytes(), asked["clock"])
    identity = protocol.identity(network.sha256)
    assert await board.ask(protocol.IDENTIFY, len(identity)) == identity
    replies = [
        protocol.parse(await board.ask(bytes.fromhex(command), protocol.ANSWER.size))
        for command in asked["commands"]
    ]
    REPLIES.write_text(json.dumps(replies), encoding="utf-8")
