"""A board in a box: a network's accelerator, compiled, whose UART is a pseudo-terminal."""

import os
import subprocess
import tempfile
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hw.boards.table import BOARDS
from hw.link import protocol
from hw.link.accelerator import Accelerator
from hw.link.flash import FlashReader
from hw.link.weight_image import pack
from hw.rtl.config import Config
from hw.rtl.core import loaded_words
from sim.verilator import compiler
from sim.verilator.netlist import plain_verilog
from sim.verilator.uart import DIVISOR
from sw.cli import UserError
from sw.network import Network

__all__ = ["CLOCK", "Box", "linked"]

# Hz, for time on an idle line. So slow that every computer simulates it in real time: the host's
# and the accelerator's time-outs then fit each other, as with a board.
CLOCK = 250_000

_FLASH_AT = BOARDS["icebreaker"].weights_at
_TOP = "box"


@dataclass(frozen=True, kw_only=True)
class Box:
    """What a board holds, as a program (``box.cpp``).

    Parameters
    ----------
    program : Path
    flash : bytes
        The weight image that the flash holds from the iCEBreaker's address on; empty if there is
        none.
    """

    program: Path
    flash: bytes

    @classmethod
    def build(cls, network: Network, config: Config, folder: Path) -> "Box":
        """Compiles the accelerator, which is kept in ``folder``: all of a board's design but its
        clock and pins, with :data:`DIVISOR` cycles per bit.
        """
        words = loaded_words(network, config)
        reader = None
        if words is not None:
            assert _FLASH_AT is not None
            reader = FlashReader(address=_FLASH_AT, clock=CLOCK)
        accelerator = Accelerator(
            network,
            divisor=DIVISOR,
            timeout=round(CLOCK * protocol.TIMEOUT),
            config=config,
            flash=reader,
        )
        ports = {"rx": accelerator.rx, "tx": accelerator.tx}
        if reader is not None:
            wires = accelerator.flash
            ports |= {"select": wires.select, "sck": wires.clock}
            ports |= {"copi": wires.copi, "cipo": wires.cipo}
        receiver, harness = (
            Path(__file__).with_name(name).read_text(encoding="utf-8")
            for name in ("receiver.h", "box.cpp")
        )
        sources = {
            "netlist.v": plain_verilog(accelerator, ports, folder, top=_TOP),
            "receiver.h": receiver,
            "box.cpp": f"#define FLASH {int(reader is not None)}\n{harness}",
        }
        program = compiler.build(sources, top=_TOP, folder=folder)
        return cls(program=program, flash=b"" if words is None else pack(network, words))

    @contextmanager
    def running(self) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
        """The terminal that a host opens as its port, and the process behind it, which is ended
        afterwards.
        """
        ours, theirs = os.openpty()
        with tempfile.NamedTemporaryFile() as flash:
            flash.write(self.flash)
            flash.flush()
            try:
                _prepare(theirs)
                numbers = (ours, DIVISOR, protocol.BAUD, CLOCK)
                command = [self.program, *numbers, flash.name, _FLASH_AT]
                with subprocess.Popen(
                    list(map(str, command)), stdin=subprocess.DEVNULL, pass_fds=[ours]
                ) as process:
                    try:
                        yield os.ttyname(theirs), process
                    finally:
                        process.kill()
            finally:
                os.close(ours)
                os.close(theirs)


def _prepare(terminal: int) -> None:
    """Bytes go through as they are; the rate is a board's until a host sets another."""
    tty.setraw(terminal)
    settings = termios.tcgetattr(terminal)
    settings[4] = settings[5] = getattr(termios, f"B{protocol.BAUD}")
    termios.tcsetattr(terminal, termios.TCSANOW, settings)


@contextmanager
def linked(link: Path | None, terminal: str) -> Iterator[None]:
    """Makes ``link`` lead to ``terminal`` meanwhile. One that is left of an earlier run is
    replaced.

    Raises
    ------
    UserError
        Something else is there.
    """
    if link is None:
        yield
        return
    if link.is_symlink():
        link.unlink()
    try:
        link.symlink_to(terminal)
    except OSError as error:
        raise UserError(
            f"{link}: cannot be made a link to {terminal} ({error.strerror}); name another place"
        ) from None
    try:
        yield
    finally:
        if link.is_symlink() and os.readlink(link) == terminal:
            link.unlink()
