"""Requests to the accelerator, expected answers, and hosts that stop sending."""

import numpy as np
from samples import inferences
from simulated_line import ask_all

from hw.link import protocol
from hw.link.protocol import Status
from sim import golden
from sw.encoder import Spikes

__all__ = [
    "ALL_FIRE",
    "DAMAGED",
    "LOADING",
    "NOBODY_FIRES",
    "NO_IMAGE",
    "OTHER_NETWORK",
    "READY",
    "SILENT",
    "check_events",
    "event_commands",
    "events_of",
    "flipped",
    "image_bytes",
    "leave",
    "meaning",
    "split",
    "without_cycles",
]

SILENT = {"timeout": 200, "patience": 100}  # rounded up: 256 cycles, 64 bits
NOBODY_FIRES = {"high": 99, "low": 90}  # all items are looked at
ALL_FIRE = {"high": 0, "low": -9}
LOADING, READY, NO_IMAGE, OTHER_NETWORK, DAMAGED = (
    protocol.ANSWER.pack(status, 0, 0, 0)
    for status in (
        Status.LOADING,
        Status.READY,
        Status.NO_IMAGE,
        Status.OTHER_NETWORK,
        Status.DAMAGED,
    )
)


def meaning(network, inputs):
    """(label, step, margin) of each image or inference by the golden model."""
    answer = golden.run_inputs(network, inputs)
    return list(
        zip(answer.label.tolist(), answer.step.tolist(), answer.margin.tolist(), strict=True)
    )


def without_cycles(replies):
    return [(reply.label, reply.step, reply.margin) for reply in replies]


def split(content):
    """The answers in ``content``."""
    size = protocol.ANSWER.size
    assert len(content) % size == 0
    return [protocol.parse(content[k : k + size]) for k in range(0, len(content), size)]


def image_bytes(images):
    return b"".join(protocol.IMAGE + image.tobytes() for image in images)


def event_commands(spikes):
    return [protocol.events(each) for each in inferences(spikes)]


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
    """A host that is gone after ``content``; time passes until the board has noticed."""
    line.write(content)
    while not line.sent:
        line.advance(1)
    line.advance(70)
    line.reset_input_buffer()


def flipped(content, bit):
    content = bytearray(content)
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)
