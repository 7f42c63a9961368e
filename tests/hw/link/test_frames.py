"""Frames in a host's bytes: which are right, which number is answered, and what is refused."""

import pytest
from amaranth.sim import Simulator
from conversations import flipped

from hw.link.frames import Frames
from hw.link.protocol import Command, Kind, frame

SIZES = {Kind.QUERY: 0, Kind.IMAGE: 3, Kind.LOAD: None}
QUERY, IMAGE = Command(Kind.QUERY), Command(Kind.IMAGE, b"abc")
SILENCE, ANSWER, BROKEN, ABORT = "silence", "answer", "broken", "abort"


def log(script, *, last=()):
    """What the receiver of frames reports while ``script`` goes on: the payload's bytes,
    "accepted" or "damaged", and for each answer the number it has; None if nothing is waiting.

    ``last`` are the bytes after which nothing of a payload follows.
    """
    dut = Frames(SIZES, drops=frozenset({Kind.QUERY, Kind.LOAD}))
    seen = []

    async def strobe(ctx, signal):
        ctx.set(signal, 1)
        if ctx.get(dut.damaged):
            seen.append("damaged")
        await ctx.tick()
        ctx.set(signal, 0)

    async def testbench(ctx):
        for item in script:
            if item == SILENCE:
                await strobe(ctx, dut.silent)
            elif item == BROKEN:
                await strobe(ctx, dut.broken)
            elif item == ABORT:
                await strobe(ctx, dut.abort)
            elif item == ANSWER:
                seen.append(ctx.get(dut.oldest) if ctx.get(dut.waiting) else None)
                if seen[-1] is not None:
                    await strobe(ctx, dut.answered)
            else:
                for byte in item:
                    await send(ctx, byte)

    async def send(ctx, byte):
        for bit in range(8):
            ctx.set(dut.bits.payload, byte >> bit & 1)
            ctx.set(dut.bits.valid, 1)
            await ctx.tick()
            ctx.set(dut.bits.valid, 0)
        ctx.set(dut.bytes.payload, byte)
        ctx.set(dut.bytes.valid, 1)
        ctx.set(dut.last, byte in last)
        if ctx.get(dut.payload.valid):
            assert ctx.get(dut.payload.payload) == byte
            seen.append(byte)
        seen.extend(name for name in ("accepted", "damaged") if ctx.get(getattr(dut, name)))
        await ctx.tick()
        ctx.set(dut.bytes.valid, 0)
        await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return seen


ABC = [*b"abc", "accepted"]


def test_frames_of_known_size():
    script = [frame(IMAGE, 5), ANSWER, frame(QUERY, 6), ANSWER, ANSWER]
    assert log(script) == [*ABC, 5, "accepted", 6, None]


def test_a_frame_whose_size_its_payload_tells():
    content = frame(Command(Kind.LOAD, b"12345z"), 3)
    assert log([content, ANSWER], last=b"z") == [*b"12345z", "accepted", 3]


def test_two_in_flight_are_answered_in_their_order():
    first, second, third = (frame(IMAGE, number) for number in (9, 2, 14))
    assert log([first, second, ANSWER, third, ANSWER, ANSWER]) == [*ABC * 2, 9, *ABC, 2, 14]
    begun = third[:4]  # the second is the oldest while a third comes
    assert log([first, ANSWER, second, begun, ANSWER]) == [*ABC, 9, *ABC, *b"abc", 2]


def test_a_third_without_an_answer_is_refused():
    frames = [frame(IMAGE, number) for number in range(3)]
    assert log([*frames, ANSWER, SILENCE, frames[0], ANSWER]) == [
        *ABC * 2,
        "damaged",
        None,
        *ABC,
        0,
    ]


def test_a_query_drops_those_before_it():
    assert log([frame(IMAGE, 1), frame(QUERY, 2), ANSWER, ANSWER]) == [*ABC, "accepted", 2, None]


@pytest.mark.parametrize("bit", range(64))
def test_a_flipped_bit(bit):
    """Nothing more is heard until the line is silent, and then all is as ever."""
    content = flipped(frame(IMAGE, 1), bit)
    seen = log([content, frame(IMAGE, 2), SILENCE, SILENCE, frame(IMAGE, 3), ANSWER])
    assert seen[-5:] == [*ABC, 3]
    assert seen.count("damaged") == 1
    assert seen.count("accepted") == 1


@pytest.mark.parametrize("what", [BROKEN, ABORT, SILENCE])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_what_ends_a_frame(what, count):
    script = [frame(IMAGE, 1)[:count], what, SILENCE, ANSWER, frame(IMAGE, 2), ANSWER]
    payload = list(b"abc"[: count - 1])
    assert log(script) == [*payload, "damaged", None, *ABC, 2]


def test_silence_between_two_frames_ends_nothing():
    assert log([frame(IMAGE, 1), SILENCE, ANSWER, SILENCE, frame(IMAGE, 2)]) == [*ABC, 1, *ABC]
