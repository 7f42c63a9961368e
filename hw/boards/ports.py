"""Which of the computer's serial ports are boards' UARTs, by what their USB adapters say.

pyserial is asked; all else is plain Python, so that the host needs no hardware library.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hw.boards.usb import ADAPTERS, NO_ADAPTER, Adapter
from sw.cli import UserError, printable

__all__ = ["Port", "find_ports", "only_port"]

_UNNAMED = (None, "", "FTDI")  # what an adapter says whose maker has written no text
_CHECK = (
    "check the cable (some carry power only), or plug the board in again; "
    f"a UART of your own, as for the {' or '.join(NO_ADAPTER)}, is named with --port"
)


@dataclass(frozen=True, kw_only=True)
class Port:
    """A serial port that may be a board's UART.

    Parameters
    ----------
    device : str
        What ``--port`` takes.
    boards : tuple of str
        Boards that have such an adapter.
    usb : str
        Vendor and product, as lsusb shows them.
    description : str
        What the adapter says of itself.
    """

    device: str
    boards: tuple[str, ...]
    usb: str
    description: str

    def __str__(self) -> str:
        return f"{self.device}: {' or '.join(self.boards)} ({self.description}, USB {self.usb})"


def find_ports() -> list[Port]:
    """The ports where a board may be.

    Raises
    ------
    UserError
        There is none, or pyserial is missing.
    """
    try:
        from serial.tools import list_ports
    except ImportError:
        raise UserError("pyserial is not installed; pip install pyserial") from None
    there = sorted(list_ports.comports())
    found = []
    for port in there:
        boards = tuple(name for name, adapter in ADAPTERS.items() if _is_uart(port, adapter, there))
        named = tuple(name for name in boards if _names(port, ADAPTERS[name]))
        likely = named or (boards if port.manufacturer in _UNNAMED else ())
        if likely:
            found.append(_port(port, likely))
    if not found:
        others = ", ".join(port.device for port in there) or "none"
        raise UserError(f"no board is found (serial ports: {others}); {_CHECK}")
    return found


def only_port() -> Port:
    """The one port where a board may be.

    Raises
    ------
    UserError
        There is none, or there are several.
    """
    found = find_ports()
    if len(found) > 1:
        raise UserError(
            f"there may be boards at {len(found)} ports; name one with --port: "
            + "; ".join(map(str, found))
        )
    return found[0]


def _port(port: Any, boards: tuple[str, ...]) -> Port:
    said = [text for text in (port.manufacturer, port.product) if text]
    return Port(
        device=port.device,
        boards=boards,
        usb=f"{port.vid:04x}:{port.pid:04x}",
        description=printable(" ".join(said) or "without a name", 60),
    )


def _names(port: Any, adapter: Adapter) -> bool:
    text = f"{port.manufacturer} {port.product}".lower()
    return any(name in text for name in adapter.names)


def _is_uart(port: Any, adapter: Adapter, there: Iterable[Any]) -> bool:
    """Whether it has the adapter's numbers, and is its UART."""
    if (port.vid, port.pid) != (adapter.vendor, adapter.product):
        return False
    known = re.search(r":\d+\.(\d+)$", port.location or "")
    if known:  # as Linux has it
        return int(known[1]) == adapter.interface
    same = [other for other in there if _place(other) == _place(port)]
    return len(same) == 1 or same.index(port) == adapter.interface


def _place(port: Any) -> tuple[object, ...]:
    """The same for all interfaces of an adapter: Windows appends a letter to its serial number."""
    return port.vid, port.pid, port.location, (port.serial_number or "")[:-1]
