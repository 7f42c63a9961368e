"""Pixel ports: images through few pins. Each turns narrow beats into the bytes that a core takes.

A chip's pins cost more than its gates, and the network needs no byte of a pixel: it needs the step
in which the pixel fires. A new port is a line in :data:`PORTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.inputs.base import Input
from sw.cli import UserError
from sw.network import Network

__all__ = ["PORTS", "PixelPort", "ReadPixels", "find_port"]

_MOST_STEPS = 4  # with more a level has almost as many bits as half a byte


@dataclass(frozen=True, kw_only=True)
class PixelPort:
    """How a pixel comes in.

    Parameters
    ----------
    name : str
        As ``--port`` takes it.
    width : int
        Pins.
    text : str
        What it is, for people.
    levels : bool
        A pixel is the number of steps that are left when it fires, 0 if it does not, instead of
        its upper bits.
    """

    name: str
    width: int
    text: str
    levels: bool = False

    def bits(self, steps: int) -> int:
        """Bits of a pixel for a network of that many steps."""
        return steps.bit_length() if self.levels else 8

    def beats(self, steps: int) -> int:
        """Beats of a pixel."""
        return self.bits(steps) // self.width

    def check(self, network: Network, source: Input) -> None:
        """Raises :class:`UserError` if ``network``, whose input is ``source``, cannot take its
        pixels so.
        """
        if self.name == "byte":
            return
        if not source.narrow or source.pixels > 1:
            what = "several pixels per beat" if source.narrow else "events"
            raise UserError(
                f"network {network.name!r} takes {what}, for which there is no --port {self.name}; "
                "leave it out"
            )
        if self.levels and network.coding == "bistable":
            raise UserError(
                f"network {network.name!r} takes values of pixels, and --port {self.name} brings "
                "the steps in which they fire; take --port bit"
            )
        encoder: Any = network.encoder
        if self.levels and encoder.pool > 1:
            raise UserError(
                f"network {network.name!r} averages {encoder.pool} × {encoder.pool} pixels, which "
                f"--port {self.name} cannot bring; take --port bit"
            )
        if self.levels and network.steps > _MOST_STEPS:
            raise UserError(
                f"network {network.name!r} tells {network.steps} levels of a pixel apart, and "
                f"--port {self.name} has at most {_MOST_STEPS}; take --port bit"
            )

    def encode(self, network: Network, pixels: np.ndarray) -> np.ndarray:
        """What is sent for ``pixels``, uint8 in any shape, in the order in which they are sent:
        uint8 [pixels · beats], the most significant bits of a pixel first.
        """
        flat = np.asarray(pixels, np.uint8).reshape(-1).astype(np.int64)
        steps = network.steps
        if self.levels:
            encoder: Any = network.encoder
            left = steps - ((255 - flat) * steps >> 8)
            flat = np.where(flat < encoder.silent_below, 0, left)
        shifts = self.width * np.arange(self.beats(steps))[::-1]
        return (flat[:, None] >> shifts & (1 << self.width) - 1).astype(np.uint8).reshape(-1)

    def byte_of(self, steps: int) -> Callable[[int], int]:
        """The byte that stands for what was sent: the brightest that fires in the same step."""
        if not self.levels:
            return lambda code: code
        return lambda code: max(0, 256 * min(code, steps) // steps - 1)


PORTS = {
    port.name: port
    for port in (
        PixelPort(name="byte", width=8, text="a pixel per beat, 8 bits"),
        PixelPort(name="nibble", width=4, text="a pixel in two beats of 4 bits"),
        PixelPort(name="bit", width=1, text="a pixel in eight beats of one bit"),
        PixelPort(
            name="binary",
            width=1,
            text="one bit per pixel where T = 1, and as many as its level needs where T is 2 or 4",
            levels=True,
        ),
    )
}


def find_port(name: str) -> PixelPort:
    """The port of that name; raises :class:`UserError`."""
    if name not in PORTS:
        raise UserError(f"port {name!r} is not known; choose of {', '.join(PORTS)}")
    return PORTS[name]


class ReadPixels(wiring.Component):
    """Puts the beats of a pixel together.

    Latency: 0 cycles from the last beat of a pixel to its byte: there is a combinational path.
    Throughput: one beat per cycle.

    Parameters
    ----------
    port : PixelPort
    steps : int
        T.

    Members
    -------
    beats : stream of port.width
        Of each pixel the most significant bits first.
    pixels : stream of 8
    """

    def __init__(self, port: PixelPort, steps: int):
        self._port = port
        self._steps = steps
        super().__init__(
            {
                "beats": In(stream.Signature(port.width)),
                "pixels": Out(stream.Signature(8)),
            }
        )

    @property
    def combinational(self) -> bool:
        """A pixel is one beat, and nothing is kept."""
        return self._port.beats(self._steps) == 1

    def elaborate(self, platform):
        m = Module()
        beats, width = self._port.beats(self._steps), self._port.width
        before = Signal(width * (beats - 1), reset_less=True)
        word, last = Signal(width * beats), Signal()
        m.d.comb += [
            word.eq(Cat(self.beats.payload, before)),
            self.pixels.valid.eq(self.beats.valid & last),
            self.beats.ready.eq(~last | self.pixels.ready),
        ]
        if self.combinational:
            m.d.comb += last.eq(1)
        else:
            beat = Signal(range(beats))
            m.d.comb += last.eq(beat == beats - 1)
            with m.If(self.beats.valid & self.beats.ready):
                m.d.sync += [before.eq(word), beat.eq(Mux(last, 0, beat + 1))]
        if self._port.levels:
            byte = self._port.byte_of(self._steps)
            table = Array(Const(byte(code), 8) for code in range(1 << len(word)))
            m.d.comb += self.pixels.payload.eq(table[word])
        else:
            m.d.comb += self.pixels.payload.eq(word)
        return m
