"""The bytes on the wire."""

import zlib

import pytest

from hw.link import protocol
from hw.link.protocol import Command, Kind

SEALED = bytes.fromhex("83 00 00 0b00 03000000")


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ("07 0f 3412 05000000", (7, 15, 0x1234, 5)),
        ("ff ff ffff ffffffff", (255, 255, 65535, -1)),
        ("01 02 0300 00000080", (1, 2, 3, -(2**31))),
        ("01 02 0300 ffffff7f", (1, 2, 3, 2**31 - 1)),
    ],
)
def test_class(body, reply):
    content = bytes.fromhex(body)
    assert protocol.Reply(*protocol.CLASS.unpack(content)) == reply
    assert protocol.CLASS.pack(*reply) == content


def sealed(content):
    return content + zlib.crc32(content).to_bytes(4, "little")


@pytest.mark.parametrize("kind", [8, 9, 10, 11, 12])
def test_parse(kind):
    content = bytes([kind << 4 | 5, *range(8)])
    assert protocol.parse(sealed(content)) == (kind, 5, bytes(range(8)))


def test_what_is_no_reply():
    """Every other value of every byte, a byte less or more, and kinds that no board sends."""
    content = sealed(SEALED)
    assert protocol.parse(content)
    for place in range(len(content)):
        for value in range(256):
            changed = bytearray(content)
            changed[place] = value
            assert (protocol.parse(bytes(changed)) is None) == (value != content[place])
        assert protocol.parse(content[:place] + content[place + 1 :]) is None
    assert protocol.parse(content + b"\0") is None
    assert protocol.parse(b"") is None
    for kind in (0, 3, 4, 5, 6, 7, 13, 15):
        assert protocol.parse(sealed(bytes([kind << 4]) + bytes(8))) is None


def test_reply_names():
    assert protocol.Reply(1, 2, 3, 4)._asdict() == {
        "label": 1,
        "step": 2,
        "cycles": 3,
        "margin": 4,
    }


def test_identity():
    sha256 = "0123456789abcdef" * 4
    assert protocol.identity(sha256) == bytes.fromhex("01234567 02 00 0000")
    assert protocol.identity(sha256, loads=True) == bytes.fromhex("01234567 02 01 0000")
    assert protocol.identity(sha256, alone=True) == bytes.fromhex("01234567 02 00 0100")


@pytest.mark.smoke
def test_frame():
    """The one of docs/protocol.md that a board without frames knows is a query's first byte."""
    assert protocol.frame(Command(Kind.QUERY), 15) == sealed(b"?")
    assert protocol.frame(Command(Kind.IMAGE, b"\1\2"), 18) == sealed(b"\x42\1\2")
    assert protocol.frame(Command(Kind.EVENTS, b"\1"), 3) == sealed(b"\x53\1")
    assert protocol.frame(Command(Kind.LOAD, b"\1"), 0) == sealed(b"\x60\1")
    assert zlib.crc32(b"123456789") == 0xCBF43926  # the check value of ISO-HDLC
    assert (protocol.BAUD, protocol.REPLY_SIZE) == (1_000_000, 13)


@pytest.mark.parametrize(
    ("spikes", "content"),
    [
        ([], "ffff00"),
        ([(0, 0)], "000000 ffff00"),
        ([(0x1234, 5), (0xFFFE, 255)], "341205 feffff ffff00"),
    ],
)
def test_events(spikes, content):
    assert protocol.events(spikes) == bytes.fromhex(content)


def test_character():
    assert protocol.character(0b11010010) == (0, 0, 1, 0, 0, 1, 0, 1, 1, 1)


def test_faults():
    assert [(fault.name, fault.value) for fault in protocol.Fault] == [("RULES", 5), ("OVERRUN", 6)]
    assert not set(map(int, protocol.Fault)) & set(map(int, protocol.Status))


def test_statuses():
    names = ["READY", "LOADING", "NO_IMAGE", "OTHER_NETWORK", "DAMAGED"]
    assert [(status.name, status.value) for status in protocol.Status] == [
        (name, value) for value, name in enumerate(names)
    ]
