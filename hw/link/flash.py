"""The board's SPI flash, read from one address on."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["READ", "WAKE", "FlashReader", "SpiSignature", "half_period"]

WAKE, READ = 0xAB, 0x03  # release from power-down; read data, with an address of 24 bits
_FASTEST = 20_000_000  # Hz of the flash's clock; its slowest command allows 33 MHz and more
_PAUSE = 50e-6  # seconds; chips need 3 (W25Q128JV) to 35 µs to wake


def half_period(clock: int) -> int:
    """Cycles of a ``clock`` of so many Hz for which the flash's clock is low, and is high."""
    return -(-clock // (2 * _FASTEST))


class SpiSignature(wiring.Signature):
    """The wires of an SPI flash, from the reader's side.

    Members
    -------
    select : 1
        The flash is selected. On the board the line is low then.
    clock : 1
        Mode 0: idle is low, either side takes a bit when it rises and gives the next when it falls.
    copi, cipo : 1
        Bits to and from the flash, the highest of a byte first.
    """

    def __init__(self):
        super().__init__({"select": Out(1), "clock": Out(1), "copi": Out(1), "cipo": In(1)})


class FlashReader(wiring.Component):
    """Reads a flash from ``address`` on, for as long as bytes are taken.

    An iCE40 puts its flash into power-down when it is configured, so the first command wakes it.
    Reading begins at reset: to begin again, or to release the flash, reset it.

    A flash that does not respond reads as all ones or all zeros.

    Latency: ``latency`` cycles from reset to the first byte.
    Throughput: a byte every ``16 · half + 1`` cycles. The flash waits while a byte is not taken.

    Parameters
    ----------
    address : int, below 2^24
        Of the first byte.
    clock : Hz
        Of this block. The flash's is 20 MHz at most.

    Members
    -------
    wires : SpiSignature
        Outputs are registers; ``cipo`` is sampled one cycle after ``clock`` rose at the earliest.
    bytes : stream of 8
    """

    def __init__(self, *, address: int, clock: int):
        if not 0 <= address < 1 << 24:
            raise ValueError(f"Address must be below 2^24, not {address!r}")
        self._address = address
        self._pause = int(_PAUSE * clock)
        self.half = half_period(clock)
        super().__init__({"wires": Out(SpiSignature()), "bytes": Out(stream.Signature(8))})

    @property
    def latency(self) -> int:
        """Cycles from reset to the first byte: two pauses, 6 bytes of commands and data."""
        return 2 * (self._pause + 1) + (8 + 32 + 8) * 2 * self.half + 2

    def elaborate(self, platform):
        m = Module()
        wires = self.wires
        timer = Signal(range(self.half))
        shift = Signal(32)  # what is still to be sent, then what came
        left = Signal(range(33))  # bits of this command or byte still to come
        m.d.comb += wires.copi.eq(shift[-1])
        with m.If(left != 0):
            m.d.sync += timer.eq(timer + 1)
            with m.If(timer == self.half - 1):
                m.d.sync += [timer.eq(0), wires.clock.eq(~wires.clock)]
                with m.If(wires.clock):
                    m.d.sync += [shift.eq(Cat(wires.cipo, shift[:-1])), left.eq(left - 1)]

        awake = Signal()
        wake = Const(WAKE << 24, 32)
        read = Const(READ << 24 | self._address, 32)
        pause = Signal(range(self._pause + 1))
        with m.FSM():
            with m.State("Pause"):  # not selected: ends a command, and lets the flash wake up
                m.d.sync += pause.eq(pause + 1)
                with m.If(pause == self._pause):
                    m.d.sync += [
                        wires.select.eq(1),
                        shift.eq(Mux(awake, read, wake)),
                        left.eq(Mux(awake, 32, 8)),
                    ]
                    m.next = "Command"
            with m.State("Command"), m.If(left == 0):
                m.d.sync += [awake.eq(1), pause.eq(0)]
                with m.If(awake):
                    m.d.sync += left.eq(8)
                    m.next = "Read"
                with m.Else():
                    m.d.sync += wires.select.eq(0)
                    m.next = "Pause"
            with m.State("Read"):
                m.d.comb += [
                    self.bytes.valid.eq(left == 0),
                    self.bytes.payload.eq(shift[:8]),
                ]
                with m.If(self.bytes.valid & self.bytes.ready):
                    m.d.sync += left.eq(8)
        return m
