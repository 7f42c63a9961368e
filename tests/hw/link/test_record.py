"""Records: the same fields for host and gateware."""

import pytest
from amaranth.lib import data

from hw.link import layouts, protocol, weight_image
from hw.link.record import Record

RECORD = Record(first="B", second="H", third="4s", fourth="i")


def test_bytes():
    """Little-endian, without gaps."""
    content = bytes.fromhex("01 0302 61626364 feffffff")
    assert RECORD.pack(1, 0x0203, b"abcd", -2) == content
    assert RECORD.unpack(content + b"more") == (1, 0x0203, b"abcd", -2)
    assert RECORD.size == 11


@pytest.mark.parametrize(
    ("field", "span"), [("first", (0, 1)), ("third", (3, 7)), ("fourth", (7, 11))]
)
def test_span(field, span):
    assert RECORD.span(field) == slice(*span)


def test_a_field_that_is_not_there():
    with pytest.raises(KeyError, match="fifth"):
        RECORD.span("fifth")


@pytest.mark.parametrize(
    ("record", "layout", "values"),
    [
        (protocol.CLASS, layouts.CLASS, (7, 15, 0x1234, -5)),
        (protocol.ITEM, layouts.ITEM, (0x1234, 5)),
    ],
)
def test_layouts(record, layout, values):
    """What the gateware sees in the bytes that the host packs, the first the lowest."""
    bits = data.Const(layout, int.from_bytes(record.pack(*values), "little"))
    assert tuple(bits[name] for name in record.fields) == values
    assert layout.size == 8 * record.size


def test_records_of_the_protocol():
    assert tuple(protocol.CLASS.fields) == protocol.Reply._fields
    assert (protocol.CLASS.size, protocol.ITEM.size) == (protocol.BODY, 3)
    assert slice(8, 16) == weight_image.IDENTITY
    assert (weight_image.HEADER.size, weight_image.CHECKSUM.size) == (20, 4)
