"""Requests to the accelerator, expected answers, and hosts that stop sending."""

import zlib

import numpy as np
from samples import inferences
from simulated_line import ask_all

from hw.link import protocol
from hw.link.protocol import Command, Kind, Status
from sim import golden
from sw.encoder import Spikes

__all__ = [
    "ALL_FIRE",
    "DAMAGED",
    "NOBODY_FIRES",
    "NO_IMAGE",
    "OTHER_NETWORK",
    "QUERY",
    "READY",
    "SILENT",
    "check_events",
    "classes",
    "event_command",
    "event_commands",
    "events_of",
    "flipped",
    "identified",
    "image_commands",
    "kinds",
    "leave",
    "load_command",
    "meaning",
    "received",
    "sealed",
    "split",
    "without_cycles",
]

# A time-out of 64 bits; reads wait until a cut frame has been reported.
SILENT = {"timeout": 256, "patience": 300}
NOBODY_FIRES = {"high": 99, "low": 90}  # all items are looked at
ALL_FIRE = {"high": 0, "low": -9}
QUERY = Command(Kind.QUERY)
READY, NO_IMAGE, OTHER_NETWORK, DAMAGED = (
    (status, 0, 0, 0)
    for status in (Status.READY, Status.NO_IMAGE, Status.OTHER_NETWORK, Status.DAMAGED)
)


def meaning(network, inputs):
    """(label, step, margin) of each image or inference by the golden model."""
    answer = golden.run_inputs(network, inputs)
    return list(
        zip(answer.label.tolist(), answer.step.tolist(), answer.margin.tolist(), strict=True)
    )


def without_cycles(replies):
    return [(reply.label, reply.step, reply.margin) for reply in replies]


def received(content):
    """The frames that ``content`` is."""
    size = protocol.REPLY_SIZE
    assert len(content) % size == 0
    frames = [protocol.parse(content[k : k + size]) for k in range(0, len(content), size)]
    assert all(frames)
    return frames


def split(content):
    """The classes in ``content``, or what is there in their place."""
    replies = []
    for frame in received(content):
        reply = protocol.Reply(*protocol.CLASS.unpack(frame.payload))
        assert frame.kind == (Kind.CLASS if reply.cycles else Kind.STATUS)
        replies.append(reply)
    return replies


def kinds(content):
    """Of the frames in ``content``."""
    return [frame.kind for frame in received(content)]


def identified(line, network, **how):
    """The board answers a query."""
    content = line.frames(QUERY)
    (frame,) = received(line.converse(content))
    body = protocol.identity(network.sha256, **how)
    return frame == (Kind.IDENTITY, content[0] % 16, body)


def classes(line, images):
    """The replies to ``images``, sent without waiting for them."""
    return split(line.converse(line.frames(*image_commands(images))))


def image_commands(images):
    return [Command(Kind.IMAGE, image.tobytes()) for image in images]


def load_command(weights):
    return Command(Kind.LOAD, weights)


def event_command(spikes):
    return Command(Kind.EVENTS, protocol.events(spikes))


def event_commands(spikes):
    return [event_command(each) for each in inferences(spikes)]


def check_events(line, network, spikes):
    """One after the other, as the golden model answers them."""
    replies = ask_all(line, event_commands(spikes))
    assert without_cycles(replies) == meaning(network, spikes)
    assert all(reply.cycles for reply in replies)
    return replies


def events_of(spikes):
    """One inference of ``spikes``, unit and step each."""
    unit, step = np.array(spikes, int).reshape(-1, 2).T
    return Spikes(count=1, image=np.zeros(len(unit), int), step=step, unit=unit)


def leave(line, content):
    """A host that is gone after ``content``: the board reports what is cut when it has noticed."""
    assert kinds(line.converse(content)) == [Kind.DAMAGED]


def sealed(sequence, kind, body=b""):
    """The reply with that body, by an independent reading of docs/protocol.md."""
    content = bytes([kind << 4 | sequence]) + body.ljust(8, b"\0")
    return content + zlib.crc32(content).to_bytes(4, "little")


def flipped(content, bit):
    content = bytearray(content)
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)
