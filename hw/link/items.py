"""Items: bytes from a host become spikes and end marks (hw/link/protocol.py)."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol
from hw.rtl.bypass import SourceLayout

__all__ = ["Items"]


class Items(wiring.Component):
    """Puts the bytes of items together. A unit or step that is not there becomes the unit that the
    bypass knows as a fault.

    Bytes are always taken, as nobody holds them back. An item waits while the next one comes; if
    that is whole by then it is lost, and nothing is offered after that.

    Latency: an item is offered in the cycle after its last byte.
    Throughput: one byte a cycle.

    Parameters
    ----------
    units : int, 1 … 65,535
        Number of input units.
    steps : int, 1 … 256
        T.

    Members
    -------
    bytes : stream of 8, always ready
    source : stream of SourceLayout
    ends : 1
        The byte of this cycle is the last one of an end mark, which will be offered.
    lost : 1
        An item was lost. Only a reset clears it.
    """

    def __init__(self, *, units: int, steps: int):
        self._units = units
        self._steps = steps
        super().__init__(
            {
                "bytes": In(stream.Signature(8, always_ready=True)),
                "source": Out(stream.Signature(SourceLayout(units, steps))),
                "ends": Out(1),
                "lost": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        unit = Signal(16)
        step = self.bytes.payload
        count = Signal(range(protocol.ITEM.size))
        whole, room, end, wrong = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            whole.eq(self.bytes.valid & (count == protocol.ITEM.size - 1)),
            room.eq((~self.source.valid | self.source.ready) & ~self.lost),
            end.eq(unit == protocol.END),
            wrong.eq((unit >= self._units) | (step >= self._steps)),
            self.ends.eq(whole & room & end),
        ]
        with m.If(self.source.ready):
            m.d.sync += self.source.valid.eq(0)
        with m.If(whole):
            m.d.sync += count.eq(0)
            with m.If(room):
                m.d.sync += [
                    self.source.valid.eq(1),
                    self.source.payload.unit.eq(Mux(wrong, self._units, unit)),
                    self.source.payload.step.eq(step),
                    self.source.payload.end.eq(end),
                ]
            with m.Else():
                m.d.sync += self.lost.eq(1)
        with m.Elif(self.bytes.valid):
            m.d.sync += [count.eq(count + 1), unit.eq(Cat(unit[8:], step))]
        return m
