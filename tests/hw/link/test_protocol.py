"""The bytes on the wire."""

import pytest

from hw.link import protocol


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("00 00 0000 00000000", (0, 0, 0, 0)),
        ("07 0f 3412 05000000", (7, 15, 0x1234, 5)),
        ("ff ff ffff ffffffff", (255, 255, 65535, -1)),
        ("01 02 0300 00000080", (1, 2, 3, -(2**31))),
        ("01 02 0300 ffffff7f", (1, 2, 3, 2**31 - 1)),
    ],
)
def test_parse(answer, reply):
    content = bytes.fromhex(answer)
    assert protocol.parse(content) == reply
    assert protocol.ANSWER.pack(*reply) == content


def test_reply_names():
    assert protocol.Reply(1, 2, 3, 4)._asdict() == {
        "label": 1,
        "step": 2,
        "cycles": 3,
        "margin": 4,
    }


def test_identity():
    assert protocol.identity("0123456789abcdef" * 4) == b"1SPK\x01\x23\x45\x67"
    assert len(protocol.identity("00" * 32)) == protocol.ANSWER.size


@pytest.mark.smoke
def test_commands():
    assert (protocol.IDENTIFY, protocol.IMAGE, protocol.LOAD) == (b"?", b"I", b"W")
    assert protocol.EVENTS == b"E"
    assert protocol.BAUD == 1_000_000


@pytest.mark.parametrize(
    ("spikes", "content"),
    [
        ([], "45 ffff00"),
        ([(0, 0)], "45 000000 ffff00"),
        ([(0x1234, 5), (0xFFFE, 255)], "45 341205 feffff ffff00"),
    ],
)
def test_events(spikes, content):
    assert protocol.events(spikes) == bytes.fromhex(content)


def test_frame():
    assert protocol.frame(0b11010010) == (0, 0, 1, 0, 0, 1, 0, 1, 1, 1)


def test_faults():
    assert [(fault.name, fault.value) for fault in protocol.Fault] == [("RULES", 5), ("OVERRUN", 6)]
    assert not set(map(int, protocol.Fault)) & set(map(int, protocol.Status))


def test_statuses():
    names = ["READY", "LOADING", "NO_IMAGE", "OTHER_NETWORK", "DAMAGED"]
    assert [(status.name, status.value) for status in protocol.Status] == [
        (name, value) for value, name in enumerate(names)
    ]
