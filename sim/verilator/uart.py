"""The compiled accelerator at the end of a serial line, whose time passes while a host reads."""

import struct
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.link import protocol
from hw.link.accelerator import Accelerator
from hw.rtl.config import DEFAULT, Config
from sim.verilator import compiler
from sim.verilator.netlist import plain_verilog
from sw.network import Network

__all__ = ["DIVISOR", "TIMEOUT", "SerialLine", "Wired"]

DIVISOR = 4  # clock cycles per bit: the fewest that the receiver takes, as each costs time
TIMEOUT = 32  # bits of an idle line

_TOP = "accelerator"
_REPLY = 10 * protocol.REPLY_SIZE + 40  # bits in which a reply comes, if the network is small
_PATIENCE = 2 * TIMEOUT + _REPLY  # bits for which a read waits after that
_COUNT = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True)
class Wired:
    """The accelerator of a network as a program (``uart.cpp``); weights that are loaded come from
    the host.
    """

    program: Path

    @classmethod
    def build(cls, network: Network, folder: Path, config: Config = DEFAULT) -> "Wired":
        """Compiles it, and keeps it in ``folder``."""
        accelerator = Accelerator(
            network, divisor=DIVISOR, timeout=DIVISOR * TIMEOUT, config=config
        )
        ports = {"rx": accelerator.rx, "tx": accelerator.tx}
        sources = {
            "netlist.v": plain_verilog(accelerator, ports, folder, top=_TOP),
            **{
                name: Path(__file__).with_name(name).read_text(encoding="utf-8")
                for name in ("receiver.h", "uart.cpp")
            },
        }
        program = compiler.build(
            sources, top=_TOP, folder=folder, options=compiler.RANDOM_START, optimise="-O2"
        )
        return cls(program=program)

    def connect(self, seed: int = 0) -> "SerialLine":
        """A board that has just been switched on."""
        return SerialLine([str(self.program), str(DIVISOR), str(seed)])


class SerialLine:
    """What :class:`hw.link.session.Session` needs of a serial port.

    Attributes
    ----------
    outgoing : function
        The levels, a bit time each, that are on the line to the board for these bytes: where
        faults are put in.
    incoming : function
        The bytes that a host receives for those that came.
    """

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._received, self._to_put = bytearray(), bytearray()
        self.outgoing: Callable[[bytes], bytes] = levels
        self.incoming: Callable[[bytes], bytes] = bytes

    def __enter__(self) -> "SerialLine":
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def write(self, data: bytes) -> int:
        """As pyserial's."""
        self._put(self.outgoing(data))
        return len(data)

    def read(self, size: int) -> bytes:
        """As pyserial's."""
        for patience in (_REPLY, _PATIENCE):
            if len(self._received) < size:
                self._put(b"\1" * patience)
                self._simulate()
        content = bytes(self._received[:size])
        del self._received[:size]
        return content

    def reset_input_buffer(self) -> None:
        """As pyserial's."""
        self._simulate()
        self._received.clear()

    def reset_output_buffer(self) -> None:
        """As pyserial's; what was written has been sent."""

    @property
    def in_waiting(self) -> int:
        """As pyserial's."""
        self._simulate()
        return len(self._received)

    def sleep(self, seconds: float) -> None:
        """Lets time pass, in proportion to the board's time-out."""
        self._put(b"\1" * round(seconds / protocol.TIMEOUT * TIMEOUT))

    def _put(self, content: bytes) -> None:
        """Levels for the line to the board. They wait until somebody looks at what comes, so that
        few messages go to and fro.
        """
        self._to_put += content

    def _simulate(self) -> None:
        process, content = self._process, bytes(self._to_put)
        self._to_put.clear()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(_COUNT.pack(len(content)) + content)
        process.stdin.flush()
        (count,) = _COUNT.unpack(process.stdout.read(_COUNT.size))
        self._received += self.incoming(process.stdout.read(count)) if count else b""


def levels(data: Iterable[int]) -> bytes:
    """The levels of the line for ``data``, a bit time each."""
    return b"".join(bytes(protocol.character(byte)) for byte in data)
