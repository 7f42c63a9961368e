"""Fire: turns potentials that reach their threshold into spikes, each unit once."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.event import EventLayout, ReachedLayout
from hw.priority import LowestBit
from sw.network import Layer

__all__ = ["Fire", "group_size"]


def group_size(units: int) -> int:
    """Units in a group: a power of two near the square root of their number."""
    return 1 << (ceil_log2(units) + 1) // 2


class Fire(wiring.Component):
    """Compares at the end of a step and sends the units that fire, lowest index first.

    Few of many units fire in a step, so the search for them goes by groups of about the square
    root of their number, in three short stages: note who fires, note which groups hold one, copy
    one group after the other to a window and send its units.

    Latency: ``latency`` = 3 cycles from the potentials to the first event of the step.
    Throughput: one spike a cycle; a step every 3 cycles at most.

    Parameters
    ----------
    layer : sw.network.Layer
    steps : int
        T.

    Members
    -------
    potentials : stream of ReachedLayout
    spikes : stream of EventLayout
        Of the units that reach their threshold for the first time.
    restart : 1
        A new inference begins: nobody has fired, nothing is in flight.
    """

    latency = 3

    def __init__(self, *, layer: Layer, steps: int):
        self._units = layer.outputs
        super().__init__(
            {
                "potentials": In(stream.Signature(ReachedLayout(layer, steps))),
                "spikes": Out(stream.Signature(EventLayout(layer.outputs, steps))),
                "restart": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        size = group_size(self._units)
        count = -(-self._units // size)

        # Stage 1: who fires. The vectors are rounded up to whole groups; the rest stays 0.
        fired, firing = Signal(self._units), Signal(count * size)
        searching, noted = Signal(), Signal()
        step = Signal.like(self.potentials.payload.step)
        reached = self.potentials.payload.reached
        m.d.sync += noted.eq(0)
        with m.If(self.potentials.valid & self.potentials.ready):
            m.d.sync += [
                searching.eq(1),
                noted.eq(1),
                step.eq(self.potentials.payload.step),
                firing.eq(reached & ~fired),
                fired.eq(fired | reached),
            ]

        # Stage 2: which groups hold a unit that fires. The next step may come in once the last
        # of them is taken.
        m.submodules.group = group = LowestBit(count)
        groups = Signal(count)
        bits = [firing[g * size : (g + 1) * size] for g in range(count)]
        m.d.comb += [group.i.eq(groups), self.potentials.ready.eq(~searching)]

        # Stage 3: the window, one group's units that still have to be sent. A step without spikes
        # has one empty window, for its one event.
        m.submodules.unit = unit = LowestBit(size)
        window = Signal(size)
        window_group = Signal.like(group.index)
        window_valid, window_final = Signal(), Signal()
        take, done = Signal(), Signal()
        event = self.spikes.payload
        m.d.comb += [
            unit.i.eq(window),
            self.spikes.valid.eq(window_valid),
            event.unit.eq(Cat(unit.index, window_group)),
            event.spike.eq(unit.any),
            event.last.eq(window_final & ~unit.rest.any()),
            done.eq(window_valid & self.spikes.ready & ~unit.rest.any()),
            take.eq(searching & ~noted & (~window_valid | done)),
        ]
        with m.If(self.spikes.ready):
            m.d.sync += window.eq(unit.rest)
        with m.If(done):
            m.d.sync += window_valid.eq(0)
        with m.If(take):
            m.d.sync += [
                window.eq(_select(group.onehot, bits)),
                window_group.eq(group.index),
                window_valid.eq(1),
                window_final.eq(~group.rest.any()),
                event.step.eq(step),
                groups.eq(group.rest),
                searching.eq(group.rest.any()),
            ]
        with m.If(noted):
            m.d.sync += groups.eq(Cat(b.any() for b in bits))

        with m.If(self.restart):
            m.d.sync += [searching.eq(0), noted.eq(0), window_valid.eq(0), fired.eq(0)]
        return m


def _select(onehot, values):
    """The value whose bit of ``onehot`` is set, 0 if none is."""
    result = 0
    for bit, value in zip(onehot, values, strict=True):
        result |= value & bit.replicate(len(value))
    return result
