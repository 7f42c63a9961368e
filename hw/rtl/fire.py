"""Fire: turns potentials that reach their threshold into spikes, each unit once."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.rtl.banks import bank_rows, units_of
from hw.rtl.priority import LowestBit
from hw.rtl.streams import ReachedLayout, SpikeBeat
from sw.network import Layer

__all__ = ["Fire", "group_size"]


def group_size(units: int) -> int:
    """Units in a group: a power of two near the square root of their number."""
    return 1 << (ceil_log2(units) + 1) // 2


class Fire(wiring.Component):
    """Compares at the end of a step and sends the units that fire, in each bank the lowest first.

    Few of many units fire in a step, so the search for them goes by groups of about the square
    root of their number, in two short stages: register which units fire and which groups hold one;
    copy one group at a time to a window and send its units. Each bank has groups and a window.

    Latency: ``latency`` = 2 cycles from the potentials to the first beat of the step.
    Throughput: one spike of each bank per cycle; a step every 2 cycles at most.

    Parameters
    ----------
    layer : sw.network.Layer
    steps : int
        T.
    banks : int, power of two
        Spikes of a beat.

    Members
    -------
    potentials : stream of ReachedLayout
    spikes : stream of SpikeBeat
        Of the units that reach their threshold for the first time.
    restart : 1
        A new inference begins: no unit has fired, nothing is in flight.
    """

    latency = 2

    def __init__(self, *, layer: Layer, steps: int, banks: int = 1):
        self._units = layer.outputs
        self._banks = banks
        super().__init__(
            {
                "potentials": In(stream.Signature(ReachedLayout(layer, steps))),
                "spikes": Out(stream.Signature(SpikeBeat(layer.outputs, steps, banks))),
                "restart": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        banks = range(self._banks)
        rows = bank_rows(self._units, self._banks)
        size = group_size(rows)
        count = -(-rows // size)

        # Stage 1: which units fire, and which groups hold one. The next step may come in once the
        # last of them is taken.
        fired, fires_now = Signal(self._units), Signal(self._units)
        searching, accept = Signal(), Signal()
        step = Signal.like(self.potentials.payload.step)
        reached = self.potentials.payload.reached
        m.d.comb += [
            self.potentials.ready.eq(~searching),
            accept.eq(self.potentials.valid & self.potentials.ready),
            fires_now.eq(reached & ~fired),
        ]
        with m.If(accept):
            m.d.sync += [
                searching.eq(1),
                step.eq(self.potentials.payload.step),
                fired.eq(fired | reached),
            ]

        # Stage 2: the windows, of each bank one group's units that still have to be sent. A step
        # without spikes has empty windows, for its one beat.
        beat = self.spikes.payload
        valid, final = Signal(), Signal()
        sent, done, start = Signal(), Signal(), Signal()
        rest, groups_left = Signal(self._banks), Signal(self._banks)
        m.d.comb += [
            self.spikes.valid.eq(valid),
            beat.last.eq(final & ~rest.any()),
            sent.eq(valid & self.spikes.ready),
            done.eq(sent & beat.last),
            start.eq(searching & (~valid | done)),
        ]
        for bank in banks:
            m.submodules[f"group_{bank}"] = group = LowestBit(count)
            m.submodules[f"unit_{bank}"] = unit = LowestBit(size)
            window, take = Signal(size, name=f"window_{bank}"), Signal(name=f"take_{bank}")
            groups = Signal(count, name=f"groups_{bank}")
            # Rounded up to whole groups; the rest stays 0.
            in_bank = Signal(count * size, name=f"in_bank_{bank}")
            firing = Signal.like(in_bank, name=f"firing_{bank}")
            window_group = Signal.like(group.index, name=f"window_group_{bank}")
            m.d.comb += [
                group.i.eq(groups),
                unit.i.eq(window),
                in_bank.eq(fires_now[units_of(bank, self._banks)]),
                rest[bank].eq(unit.rest.any()),
                take.eq(start | (sent & ~final & ~rest[bank])),
                groups_left[bank].eq(Mux(take, group.rest, groups).any()),
                beat.row[bank].eq(Cat(unit.index, window_group)),
                beat.spike[bank].eq(unit.any),
            ]
            with m.If(sent):
                m.d.sync += window.eq(unit.rest)
            with m.If(take):
                m.d.sync += [
                    window.eq(_select(group.onehot, _split(firing, size))),
                    window_group.eq(group.index),
                    groups.eq(group.rest),
                ]
            with m.If(accept):
                m.d.sync += [
                    firing.eq(in_bank),
                    groups.eq(Cat(each.any() for each in _split(in_bank, size))),
                ]
        with m.If(done):
            m.d.sync += valid.eq(0)
        with m.If(start):
            m.d.sync += [valid.eq(1), beat.step.eq(step)]
        with m.If(searching & (start | (sent & ~final))):
            m.d.sync += [final.eq(~groups_left.any()), searching.eq(groups_left.any())]
        with m.If(self.restart):
            m.d.sync += [searching.eq(0), valid.eq(0), fired.eq(0)]
        return m


def _split(bits, size):
    """The groups of ``bits``."""
    return [bits[start : start + size] for start in range(0, len(bits), size)]


def _select(onehot, values):
    """The value whose bit of ``onehot`` is set, 0 if none is."""
    result = 0
    for bit, value in zip(onehot, values, strict=True):
        result |= value & bit.replicate(len(value))
    return result
