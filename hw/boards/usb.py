"""How a computer finds a board's UART: what its USB adapter says of itself.

Plain Python, so that the host needs no hardware library.
"""

from dataclasses import dataclass

__all__ = ["ADAPTERS", "NO_ADAPTER", "Adapter"]


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A USB adapter with a UART.

    Parameters
    ----------
    vendor, product : int
        USB's numbers of it.
    interface : int
        Which of its interfaces is the UART; the programmer may have another.
    names : tuple of str
        What the maker's or the product's text contains, in lower case, where a board's maker has
        written one. Boards that share a text are not told apart.
    """

    vendor: int
    product: int
    interface: int = 0
    names: tuple[str, ...]


def _ft2232h(*names: str) -> Adapter:
    """The first of two interfaces is the programmer's."""
    return Adapter(vendor=0x0403, product=0x6010, interface=1, names=names)


# By the names of hw/boards/table.py. Texts: as lsusb has been seen to show them.
ADAPTERS = {
    "icebreaker": _ft2232h("icebreaker"),
    "upduino3": Adapter(vendor=0x0403, product=0x6014, names=("upduino",)),  # FT232H
    "ice40hx8k": _ft2232h("lattice"),
    "icestick": _ft2232h("lattice"),
    "ulx3s": Adapter(vendor=0x0403, product=0x6015, names=("ulx3s",)),  # FT231X
    "tangnano9k": _ft2232h("sipeed"),  # a BL702 that passes for one
}
# A user connects an adapter of their own, which may be any.
NO_ADAPTER = ("orangecrab",)
