"""What a user of each board must know, as a table for docs/hardware.md."""

import shlex
from collections.abc import Iterator

from hw.boards.table import BOARDS, Board

__all__ = ["guide", "uart_pins"]


def guide() -> str:
    """The table in Markdown: all boards, from what :mod:`hw.boards.table` knows of them."""
    return "\n".join(_lines()) + "\n"


def uart_pins(board: Board) -> tuple[str, str]:
    """The FPGA's pins ``rx`` and ``tx``, as the board's connectors resolve them."""
    uart = board.platform().request("uart", 0, dir="-")
    rx, tx = (port.io.metadata[0].name for port in (uart.rx, uart.tx))
    return rx, tx


def _lines() -> Iterator[str]:
    yield "| `--board` | UART, FPGA's pins | LEDs | programmed by, into | before first use |"
    yield "|---|---|---|---|---|"
    for board in BOARDS.values():
        rx, tx = uart_pins(board)
        programmer = board.programmers[0]
        command = shlex.join(programmer.command(f"NAME.{board.family.suffix}"))
        cells = [
            f"`{board.name}`",
            f"{board.serial}: rx {rx}, tx {tx}",
            _leds(board),
            f"`{command}`: {programmer.memory}",
            board.note,
        ]
        yield f"| {' | '.join(cells)} |"


def _leds(board: Board) -> str:
    first, *_, last = board.leds
    if board.shows_class:
        return f"{first} (lowest bit) … {last}: the class in binary"
    return f"{first}: no class; {last}: toggles with each class"
