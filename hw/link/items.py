"""Items: spikes and end marks, assembled from a host's bytes (hw/link/protocol.py)."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol
from hw.link.layouts import ITEM
from hw.rtl.bypass import SourceLayout

__all__ = ["Items"]


class Items(wiring.Component):
    """Assembles items from bytes. An out-of-range unit or step becomes the unit that the
    bypass knows as a fault.

    Bytes are always accepted, as a UART has no back-pressure. An item waits while the next one
    comes; if that is whole by then it is lost, and nothing is offered after that.

    Latency: an item is offered in the cycle after its last byte.
    Throughput: one byte per cycle.

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
    overrun : 1
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
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        before = Signal(ITEM.size - 8)  # the bytes of the item before this one
        item = data.View(ITEM, Cat(before, self.bytes.payload))
        count = Signal(range(protocol.ITEM.size))
        whole, can_accept, end, out_of_range = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            whole.eq(self.bytes.valid & (count == protocol.ITEM.size - 1)),
            can_accept.eq((~self.source.valid | self.source.ready) & ~self.overrun),
            end.eq(item.unit == protocol.END),
            out_of_range.eq((item.unit >= self._units) | (item.step >= self._steps)),
            self.ends.eq(whole & can_accept & end),
        ]
        with m.If(self.source.ready):
            m.d.sync += self.source.valid.eq(0)
        with m.If(whole):
            m.d.sync += count.eq(0)
            with m.If(can_accept):
                m.d.sync += [
                    self.source.valid.eq(1),
                    self.source.payload.unit.eq(Mux(out_of_range, self._units, item.unit)),
                    self.source.payload.step.eq(item.step),
                    self.source.payload.end.eq(end),
                ]
            with m.Else():
                m.d.sync += self.overrun.eq(1)
        with m.Elif(self.bytes.valid):
            m.d.sync += [count.eq(count + 1), before.eq(Cat(before, self.bytes.payload)[8:])]
        return m
