"""cocotb tests of a whole board whose weights are loaded; test_board.py runs them."""

import cocotb

from hw.link import protocol
from hw.link.protocol import Command, Kind, Status
from hw.link.weight_image import pack
from hw.rtl.config import find_config
from hw.rtl.core import loaded_words
from sim import golden
from sim.cocotb_bench.board import Board
from sim.cocotb_bench.testbench import what_is_simulated
from sw.network import Layer, Network

CONFIG = find_config("folded-16-spram,event")
NETWORK, IMAGES = what_is_simulated()
WEIGHTS = pack(NETWORK, loaded_words(NETWORK, CONFIG))


def flipped(content, bit):
    content = bytearray(content)
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)


def of_another_network():
    """The same but for one weight."""
    first, *rest = NETWORK.layers
    weight = first.weight.copy()
    weight[0, 0] ^= True
    other = Network(
        **{
            **{name: getattr(NETWORK, name) for name in ("name", "steps", "encoder", "labels")},
            "layers": (Layer(weight=weight, threshold=first.threshold), *rest),
            "provenance": NETWORK.provenance,
        }
    )
    return pack(other, loaded_words(other, CONFIG))


async def identified(dut, flash):
    board = await Board.start(dut, flash)
    identity = await board.ask(Command(Kind.QUERY))
    assert identity.payload == protocol.identity(NETWORK.sha256, loads=True)
    return board


def meaning(frame):
    """A status in place of the class if there is none."""
    reply = protocol.Reply(*protocol.CLASS.unpack(frame.payload))
    assert frame.kind == (Kind.CLASS if reply.cycles else Kind.STATUS)
    return reply


async def replies(board):
    """To all images, one after the other."""
    return [meaning(await board.ask(Command(Kind.IMAGE, image.tobytes()))) for image in IMAGES]


async def check(board):
    """All answers are what the golden model says."""
    answer = golden.run_images(NETWORK, IMAGES)
    expected = zip(answer.label, answer.step, answer.margin, strict=True)
    got = await replies(board)
    assert [(r.label, r.step, r.margin) for r in got] == list(expected)
    assert all(r.cycles for r in got)
    assert board.silent


@cocotb.test()
async def from_the_flash(dut):
    await check(await identified(dut, WEIGHTS))


FAULTS = {
    "no ones": (0, Status.NO_IMAGE),
    "no zeros": (1, Status.NO_IMAGE),
    "erased": (b"", Status.NO_IMAGE),
    "a flipped bit": (flipped(WEIGHTS, 300), Status.DAMAGED),
    "another network": (of_another_network(), Status.OTHER_NETWORK),
}


@cocotb.test()
@cocotb.parametrize(fault=list(FAULTS))
async def never_a_wrong_class(dut, fault):
    flash, status = FAULTS[fault]
    board = await identified(dut, flash)
    assert await replies(board) == [(status, 0, 0, 0)] * len(IMAGES)
    loaded = await board.ask(Command(Kind.LOAD, WEIGHTS))
    assert (loaded.kind, loaded.payload) == (Kind.STATUS, bytes(8))
    await check(board)
