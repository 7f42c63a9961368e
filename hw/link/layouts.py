"""The protocol's records as Amaranth's layouts, and the state that LEDs show."""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from hw.link import protocol
from hw.link.record import Record

__all__ = ["CLASS", "ITEM", "LedsLayout", "ReplyLayout"]

_SHAPES = {"B": unsigned(8), "H": unsigned(16), "I": unsigned(32), "i": signed(32)}


def _layout(record: Record) -> data.StructLayout:
    """The same fields at the same places: the first byte on the line is the lowest."""
    return data.StructLayout({name: _SHAPES[code] for name, code in record.fields.items()})


CLASS = _layout(protocol.CLASS)
ITEM = _layout(protocol.ITEM)


class ReplyLayout(data.StructLayout):
    """A reply without its checksum. The bits of the body that are not there equal the highest that
    is: a margin's sign, or a zero above the identity.

    Parameters
    ----------
    margin : int
        Width of a margin.
    identity : int
        The body of an identity.

    Members
    -------
    sequence : 4
    kind : 4
    body : bits
    """

    def __init__(self, *, margin: int, identity: int):
        body = max(identity.bit_length() + 1, CLASS["margin"].offset + margin)
        super().__init__({"sequence": 4, "kind": 4, "body": body})


class LedsLayout(data.StructLayout):
    """The state that LEDs may show, since the last reset.

    Members
    -------
    label : 8
        The last class.
    answers : 1
        Toggles with each class.
    no_class : 1
        The last input got none, or the weights are not loaded.
    """

    def __init__(self) -> None:
        super().__init__({"label": 8, "answers": 1, "no_class": 1})
