"""Gather: the values that a job listens to, part by part, and the rows of their weights."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.rtl.bistable.layouts import EntryLayout, PartLayout, PlaceLayout
from hw.rtl.bistable.plan import BistablePlan
from hw.rtl.by_layer import by_layer

__all__ = ["Gather", "gap_of"]


def gap_of(plan: BistablePlan, number: int, *, last_tile: bool) -> int:
    """Cycles from a job of layer ``number`` of the plan to the next one, at least: as long as its
    tile speaks. Potentials of the output layer are compared one by one.
    """
    layer = plan.layers[number]
    groups = plan.groups_of(layer)[last_tile]
    return groups * (plan.speaks if layer is plan.layers[-1] else 1)


class Gather(wiring.Component):
    """Reads the lists of places, and gives of each word those parts that have a value other than 0.

    A place takes a cycle for each such part, at least one for each of its words, and one if it has
    no word or is not on the map; a job takes one more, in which it goes on to speak. That waits
    until the tile before has spoken, the only thing that anything waits for.

    Latency: 2 cycles from a place to its first part.

    Parameters
    ----------
    plan : BistablePlan

    Members
    -------
    layer : range(layers)
    places : stream of PlaceLayout
    address : plan.address_bits
    read : 1
        The entry is read.
    entry : EntryLayout
        That was read in the cycle before; it stays while nothing is read.
    part : PartLayout
    layer_ends : 1
        The layer's last entry has been read. One cycle.
    """

    def __init__(self, plan: BistablePlan):
        self._plan = plan
        super().__init__(
            {
                "layer": In(range(len(plan.layers))),
                "places": In(stream.Signature(PlaceLayout(plan))),
                "address": Out(plan.address_bits),
                "read": Out(1),
                "entry": In(EntryLayout(plan.speaks, plan.phases, entry_slot_bits(plan))),
                "part": Out(PartLayout(plan)),
                "layer_ends": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self._plan
        place, valid = Signal(PlaceLayout(plan)), Signal()  # of the entry
        following = Signal(plan.address_bits)  # the next entry, if there is more
        done = Signal(plan.parts)  # parts of the entry that were given
        closing = Signal()  # all was given: the job goes on to speak
        gap = Signal(range(max(self._gaps()[0] + self._gaps()[1]) + 1))

        parts = [
            Cat(self.entry.values[k] for k in range(first, first + plan.listens))
            for first in range(0, plan.speaks, plan.listens)
        ]
        waiting, lowest = Signal(plan.parts), Signal(plan.parts)
        more, final, finished, speak = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            waiting.eq(
                Cat(part.any() for part in parts) & place.inside.replicate(plan.parts) & ~done
            ),
            lowest.eq(waiting & (~waiting + 1)),
            more.eq(self.entry.more & place.inside & ~closing),
            final.eq(valid & ~closing & ((waiting & ~lowest) == 0)),
            speak.eq(valid & closing & (gap == 0)),
            finished.eq((final & (more | ~place.ends)) | speak),
        ]
        takes, again = Signal(), Signal()
        m.d.comb += [
            takes.eq(~valid | finished),
            again.eq(valid & more),
            self.places.ready.eq(takes & ~again),
            self.read.eq(takes & Mux(again, 1, self.places.valid & self.places.payload.inside)),
            self.address.eq(Mux(again, following, self.places.payload.address)),
        ]
        with m.If(takes):
            m.d.sync += [done.eq(0), closing.eq(0), following.eq(self.address + 1)]
            with m.If(~again):
                m.d.sync += [valid.eq(self.places.valid), place.eq(self.places.payload)]
        with m.Elif(final):
            m.d.sync += closing.eq(1)
        with m.Elif(~closing):
            m.d.sync += done.eq(done | lowest)
        self._count_gap(m, gap, speak, place)

        part = Signal(plan.listens * plan.phases)
        number = Signal(range(plan.parts))
        for index, each in enumerate(parts):
            with m.If(lowest[index]):
                m.d.comb += [part.eq(each), number.eq(index)]
        row = place.row + self.entry.slot
        m.d.sync += [
            self.part.add.eq(valid & ~closing & waiting.any()),
            self.part.values.eq(part),
            self.part.row.eq(Cat(number[: exact_log2(plan.parts)], row)),
            self.part.speak.eq(speak),
            self.part.job.eq(place.job),
        ]
        m.d.comb += self.layer_ends.eq(speak & place.job.layer_ends)
        return m

    def _gaps(self):
        """Of a tile, and of the last one: per layer."""
        numbers = range(len(self._plan.layers))
        return [
            [gap_of(self._plan, number, last_tile=last) - 1 for number in numbers]
            for last in (False, True)
        ]

    def _count_gap(self, m, gap, speak, place):
        whole, rest = (by_layer(m, self.layer, each) for each in self._gaps())
        with m.If(speak):
            m.d.sync += gap.eq(Mux(place.job.tile_ends, rest, whole))
        with m.Elif(gap != 0):
            m.d.sync += gap.eq(gap - 1)


def entry_slot_bits(plan: BistablePlan) -> int:
    """Bits of a word's number in either memory of lists."""
    return max(plan.slot_bits, plan.input_slot_bits)
