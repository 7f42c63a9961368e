"""The event-driven engine: a row of weights for every spike, all potentials in registers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.rtl.banks import bank_rows, units_of
from hw.rtl.engines.base import Engine, LayerSize
from hw.rtl.memories import BlockMemory
from hw.rtl.potentials import halved, margin_shapes
from hw.rtl.streams import MarginsLayout, ReachedLayout, SpikeBeat
from hw.rtl.weights import row_word
from sw.cli import UserError
from sw.network import Layer

__all__ = ["EventDriven", "EventDrivenLayer", "bank_depth"]


@dataclass(frozen=True, kw_only=True)
class EventDriven(Engine):
    """The event-driven engine: a row of weights for every spike, all potentials in registers.

    Parameters
    ----------
    banks : 1, 2 or 4
        Spikes added per cycle, E.
    """

    banks: int = 1

    def __post_init__(self) -> None:
        if self.banks not in (1, 2, 4):
            raise UserError(f"Banks must be 1, 2 or 4, not {self.banks!r}")

    @property
    def name(self) -> str:
        return "event" if self.banks == 1 else f"event-{self.banks}"

    @classmethod
    def presets(cls) -> Sequence[Engine]:
        return [cls(banks=banks) for banks in (1, 2, 4)]

    @property
    def repeats(self) -> bool:
        return True

    def component(
        self, *, layer: Layer, steps: int, margins: bool, most_spikes: int | None
    ) -> "EventDrivenLayer":
        return EventDrivenLayer(
            layer=layer, steps=steps, margins=margins, banks=self.banks, most_spikes=most_spikes
        )

    def memories(self, size: LayerSize) -> Sequence[BlockMemory]:
        depth = bank_depth(size.inputs, self.banks)
        return [BlockMemory(depth, size.outputs, count=self.banks, constant=True)]

    def cost(self, size: LayerSize) -> Mapping[str, float]:
        # Where fillers are no rows each bit is chosen; four slots need a larger adder.
        unfilled = bank_depth(size.inputs, self.banks) == bank_rows(size.inputs, self.banks)
        slots = self.banks * unfilled + 4 * (self.banks == 4) if self.banks > 1 else 0
        return {
            "potential_bit": size.outputs * size.margin_bits,
            "slot": size.outputs * slots,
        }

    def weight_bits_per_cycle(self, outputs: int) -> int:
        return self.banks * outputs

    def most_cycles(self, inputs: int, outputs: int, steps: int) -> int:
        return inputs + EventDrivenLayer.latency * steps


def bank_depth(units: int, banks: int) -> int:
    """Rows of a bank of weights: one a unit, and two fillers where they need no larger memory."""
    rows = bank_rows(units, banks)
    filled = rows + 2 * (banks > 1)
    return filled if ceil_log2(max(filled, 256)) == ceil_log2(max(rows, 256)) else rows


class EventDrivenLayer(wiring.Component):
    """One layer's integrate step: each beat adds its rows of weights to all potentials at once.

    A potential starts at −θ, so its register is the margin V − θ and its sign bit the comparison;
    there is no comparator. The weights of one input are one row of a block RAM, in a bank of its
    own for each spike that a beat may carry.

    V has the parity of the number of spikes so far. So the lowest bit b of V − θ is one flip-flop
    for all units, inverted where θ is odd, and a unit's register U holds only the bits above it.
    For k spikes, p of them by a weight +1, V grows by 2p − k; U then grows by what the slots of the
    beat add up to, less half of their number, if the k-th empty slot counts as b, not b, b, …

    Latency: ``latency`` = 2 cycles from the last beat of a step to its potentials.
    Throughput: one beat per cycle.

    Parameters
    ----------
    layer : sw.network.Layer
    steps : int
        T.
    margins : bool
        Give the margins, for the output layer, and not only which units reached the threshold.
    banks : 1, 2 or 4
        Spikes of a beat, E.
    most_spikes : int, optional
        Spikes of an inference at most, where an input may fire more than once.

    Members
    -------
    beats : stream of SpikeBeat
        Of the layer before, in time order.
    potentials : stream of MarginsLayout or ReachedLayout
        At the end of each step that the beats visit.
    restart : 1
        A new inference begins: drop what is in flight, set all potentials to −θ. Needed once after
        reset too: the potentials are not reset state.
    """

    latency = 2

    def __init__(
        self,
        *,
        layer: Layer,
        steps: int,
        margins: bool,
        banks: int = 1,
        most_spikes: int | None = None,
    ):
        self._layer = layer
        self._shapes = margin_shapes(layer, most_spikes)
        self._starts = [halved(-threshold) for threshold in layer.threshold.tolist()]
        self._margins = margins
        self._banks = banks
        layout = (
            MarginsLayout(layer, steps, most_spikes) if margins else ReachedLayout(layer, steps)
        )
        super().__init__(
            {
                "beats": In(stream.Signature(SpikeBeat(layer.inputs, steps, banks))),
                "potentials": Out(stream.Signature(layout)),
                "restart": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        banks = self._banks
        beat = Signal(self.beats.payload.shape())
        beat_valid = Signal()
        advance, accumulate = Signal(), Signal()
        m.d.comb += [
            advance.eq(~self.potentials.valid | self.potentials.ready),
            self.beats.ready.eq(advance),
            accumulate.eq(advance & beat_valid & beat.spike.any()),
        ]
        with m.If(advance):
            m.d.sync += [
                beat_valid.eq(self.beats.valid),
                beat.eq(self.beats.payload),
                self.potentials.valid.eq(beat_valid & beat.last),
                self.potentials.payload.step.eq(beat.step),
            ]

        # Of the number of spikes, so far and once the beat in the register is added.
        parity, parity_ahead = Signal(), Signal()
        m.d.comb += parity_ahead.eq(parity ^ (accumulate & beat.spike.xor()))
        with m.If(advance):
            m.d.sync += parity.eq(parity_ahead)

        # What each empty slot counts as where θ is even. There are two slots at least.
        slots = max(2, banks)
        empty = Signal(slots)
        filler = Signal(slots)
        m.d.comb += [
            empty.eq(~self.beats.payload.spike),
            filler.eq(Cat(parity_ahead ^ empty[:slot].xor() for slot in range(slots))),
        ]
        weights = [self._bank(m, bank, filler[bank], advance) for bank in range(banks)]
        if banks == 1:  # its one slot is never empty, the second always
            weights.append(_filling(parity, self._odd))

        for j, (shape, (start, odd)) in enumerate(zip(self._shapes, self._starts, strict=True)):
            potential = Signal(
                signed(max(1, shape.width - 1)), name=f"potential_{j}", reset_less=True
            )
            *minus, carry = (row[j] for row in weights)
            with m.If(self.restart):
                m.d.sync += potential.eq(start)
            with m.Elif(accumulate):
                m.d.sync += potential.eq(potential + _less_half(minus) + carry)
            if self._margins:
                margin = Cat(parity ^ odd, potential).as_signed()
                m.d.comb += self.potentials.payload.margin[j].eq(margin)
            else:
                m.d.comb += self.potentials.payload.reached[j].eq(~potential[-1])
        with m.If(self.restart):
            m.d.sync += [beat_valid.eq(0), self.potentials.valid.eq(0), parity.eq(0)]
        return m

    @property
    def _odd(self):
        return np.array([odd for _, odd in self._starts], bool)

    def _bank(self, m, bank, filler, advance):
        """What the bank's slot of the beat counts as, a bit per unit.

        The last slot goes in as a carry: a bit is set for +1. In the others it is set for −1: then
        it is the sign extension of the addend as it is.
        """
        banks = self._banks
        invert = bank < max(2, banks) - 1
        count = bank_rows(self._layer.inputs, banks)
        depth = bank_depth(self._layer.inputs, banks)
        init = [*(self._layer.weight[:, units_of(bank, banks)].T ^ invert)]
        init += [self._odd & False] * (count - len(init))  # a row that no unit has
        if depth > count:
            init += [self._odd ^ invert, ~self._odd ^ invert]
        m.submodules[f"rows_{bank}"] = rows = memory.Memory(
            shape=self._layer.outputs,
            depth=depth,
            attrs={"ram_style": "block"},  # or synthesis spreads small ones over logic cells
            init=[row_word(row) for row in init],
        )
        row = rows.read_port()
        beat = self.beats.payload
        m.d.comb += [row.addr.eq(beat.row[bank]), row.en.eq(advance & self.beats.valid)]
        if banks == 1:
            return row.data
        if depth > count:
            with m.If(~beat.spike[bank]):
                m.d.comb += row.addr.eq(count + filler)
            return row.data
        is_empty, counts_as = Signal(name=f"is_empty_{bank}"), Signal(name=f"counts_as_{bank}")
        with m.If(advance):
            m.d.sync += [is_empty.eq(~beat.spike[bank]), counts_as.eq(filler ^ invert)]
        filling = _filling(counts_as, self._odd)
        return [Mux(is_empty, other, bit) for other, bit in zip(filling, row.data, strict=True)]


def _filling(value, odd):
    """The bits that an empty slot counts as."""
    return [value ^ int(each) for each in odd]


def _less_half(minus):
    """The slots whose weight is +1, without the last slot, less half of all: −1 … 0 or −2 … 1."""
    if len(minus) == 1:
        return Cat(minus).as_signed()
    a, b, c = minus
    return Cat(~(a ^ b ^ c), (a & b) | (c & (a | b))).as_signed()
