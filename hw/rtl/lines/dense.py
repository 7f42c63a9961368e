"""A dense layer over the places of a map, one unit per cycle."""

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.lines.plan import DensePlan
from hw.rtl.lines.rows import Rows, load_ports, load_starts, realign
from hw.rtl.popcount import compressed

__all__ = ["DenseStage", "MarginLayout"]


class MarginLayout(data.StructLayout):
    """A unit's margin behind the last place.

    Members
    -------
    margin : signed
        ``V − θ``.
    last : 1
        Of the layer's last unit.
    """

    def __init__(self, margin_bits: int):
        super().__init__({"margin": signed(margin_bits), "last": 1})


class DenseStage(wiring.Component):
    """The units of a dense layer, as the places come that they see.

    Behind each place the matches of its channels are added to the margin of every unit. The margins
    lie in a ring, and each takes its turn. If the weights are logic, the ring never stops, since a
    flip-flop that need not keep its value is a third smaller: then a place waits until the first
    unit is in front. Of a map of one place no margin is kept.

    Throughput: an input bit per cycle; behind each place one cycle per unit, in which none is
    taken, and fewer than so many before. Nothing depends on the data.

    Parameters
    ----------
    plan : DensePlan
    loaded : bool
        Weights and thresholds come through ``load_0`` and ``load_1``.

    Members
    -------
    inputs : stream of 1
        Which units of the layer before fire: place by place, at each of them channel by channel;
        map after map without a mark.
    margins : stream of MarginLayout
        Of all units, in their order.
    load_0, load_1 : WordLayout
        Only where ``loaded``: the words of the plan's tables.
    """

    def __init__(self, plan: DensePlan, *, loaded: bool):
        self._plan = plan
        self._loaded = loaded
        super().__init__(
            {
                "inputs": In(stream.Signature(1)),
                "margins": Out(stream.Signature(MarginLayout(plan.margin_bits))),
                **load_ports(plan.tables, loaded=loaded),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self._plan
        runs = plan.places > 1 and not self._loaded
        m.submodules.weights = weights = Rows(plan.tables[0], loaded=self._loaded)
        m.submodules.start = start = Rows(plan.tables[1], loaded=self._loaded)
        for k, rows in enumerate((weights, start) if self._loaded else ()):
            m.d.comb += rows.load.eq(getattr(self, f"load_{k}"))
        unit = Signal(range(plan.units), reset_less=self._loaded)
        place = Signal(range(plan.places), reset_less=self._loaded)
        turn = realign(m, self.load_0, unit, place) if self._loaded else Const(0)

        full, channel = Signal(), Signal(range(plan.taps))
        seen = Signal(plan.taps, reset_less=True)  # the first channel comes out on top
        m.d.comb += self.inputs.ready.eq(~full & ~turn)
        with m.If(self.inputs.valid & self.inputs.ready):
            m.d.sync += [seen.eq((seen << 1) | self.inputs.payload), channel.eq(channel + 1)]
            with m.If(channel == plan.taps - 1):
                m.d.sync += [channel.eq(0), full.eq(1)]

        busy, final, advance = Signal(), Signal(), Signal()
        kept, margin = start.row.as_signed(), Signal(signed(plan.margin_bits))
        bits = [~(seen[plan.taps - 1 - k] ^ weights.row[k]) for k in range(plan.taps)]
        matches = compressed(m, bits, "matches")
        ends = Signal()  # the last unit of a place
        if plan.places > 1:
            ring = [
                Signal(signed(plan.margin_bits), name=f"margin_{k}", reset_less=runs)
                for k in range(plan.units)
            ]
            first = place == 0
            before = [*ring[1:], margin]
            if runs:
                # What a ring holds before its first margins is unknown on a chip, as a reset of all
                # of it is 2 % of a network. So 0 is in front until these come: gates may be such
                # that a value which a multiplexer does not choose still makes a sum unknown.
                before[0] = Mux(first & ~ends, 0, before[0])
                kept = ring[0] | Mux(first, kept, 0)
            else:
                kept = Mux(first, kept, ring[0])
            with m.If(1 if runs else advance):
                m.d.sync += [old.eq(new) for old, new in zip(ring, before, strict=True)]
        step = advance
        if runs:
            begun = Signal()
            m.d.comb += busy.eq(full & (begun | (unit == 0)))
            m.d.sync += begun.eq(busy & (unit != plan.units - 1))
            matches = Mux(busy, matches, 0)
            step = full | (place != 0)  # the first place need not wait
        else:
            m.d.comb += busy.eq(full)
        m.d.comb += [
            margin.eq(kept + matches),
            final.eq(place == plan.places - 1),
            self.margins.valid.eq(busy & final),
            self.margins.payload.margin.eq(margin),
            self.margins.payload.last.eq(unit == plan.units - 1),
            # One image is in the engine, so that whoever takes the margins of a ring that runs is
            # ready for all of them.
            advance.eq(turn | (busy & (Const(runs) | self.margins.ready | ~final))),
            ends.eq(advance & (unit == plan.units - 1)),
            weights.high.eq(place),
        ]
        for rows in (weights, start):
            m.d.comb += [rows.low.eq(unit), rows.advance.eq(advance)]
        with m.If(step):
            m.d.sync += unit.eq(Mux(unit == plan.units - 1, 0, unit + 1))
        with m.If(ends):
            m.d.sync += [full.eq(0), place.eq(Mux(final, 0, place + 1))]
        if self._loaded:
            load_starts(m, self.load_0, unit, place)
        return m
