"""The sequencer: layer by layer, tile by tile, step by step."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.tiles.by_layer import by_layer
from hw.rtl.tiles.plan import TilesPlan

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Says what is done when: of each layer and tile, the margins are preset; of each step, the
    spikes are added, then the rows are swept, unless nothing can have changed. Of the output layer,
    the margins are offered instead.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    loaded : 1
        The list of the inputs is complete.
    layer : range(layers)
    tile : range(most tiles)
    step : range(steps)
    segment : plan.segment_bits
        Of the layer's own list, where the next step's entries begin.
    write_segment : 1
        They begin at the count of entries so far.
    clear_list : 1
        A layer begins: its list is empty from the next cycle on.
    clear_tile : 1
        A tile begins: none of its windows has fired.
    read_step, next_tile : 1
        For the reader.
    adding : 1
        Spikes are being read or added, or are on their way.
    added : 1
        One is added.
    sweep, preset : 1
        For the sweep.
    sweeping : 1
        It is at work.
    emitting : 1
        Units that fire are on their way to the list.
    show : 1
        The margins of the output layer are read.
    offer, accepted : 1
        They are offered, and taken.
    """

    def __init__(self, plan: TilesPlan):
        self._plan = plan
        super().__init__(
            {
                "loaded": In(1),
                "layer": Out(range(len(plan.layers))),
                "tile": Out(range(max(layer.tiles for layer in plan.layers))),
                "step": Out(range(plan.steps)),
                "segment": Out(plan.segment_bits),
                "write_segment": Out(1),
                "clear_list": Out(1),
                "clear_tile": Out(1),
                "read_step": Out(1),
                "next_tile": Out(1),
                "adding": In(1),
                "added": In(1),
                "sweep": Out(1),
                "preset": Out(1),
                "sweeping": In(1),
                "emitting": In(1),
                "show": Out(1),
                "offer": Out(1),
                "accepted": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self._plan
        output = self.layer == len(plan.layers) - 1
        first, final = self.step == 0, self.step == plan.steps - 1
        last_tile = self.tile == by_layer(self.layer, [layer.tiles - 1 for layer in plan.layers])
        spontaneous = by_layer(self.layer, [int(layer.spontaneous) for layer in plan.layers])
        changed = Signal()  # margins are not those of the step before
        with m.If(self.added):
            m.d.sync += changed.eq(1)

        with m.FSM():
            with m.State("LOAD"), m.If(self.loaded):
                m.next = "LAYER"
            with m.State("LAYER"):
                m.d.comb += self.clear_list.eq(1)
                m.d.sync += self.segment.eq(0)
                m.next = "TILE"
            with m.State("TILE"):
                m.d.comb += [self.preset.eq(1), self.sweep.eq(1), self.clear_tile.eq(1)]
                m.next = "PRESET"
            with m.State("PRESET"), m.If(~self.sweeping):
                m.next = "STEP"
            with m.State("STEP"):
                m.d.comb += [self.write_segment.eq(1), self.read_step.eq(1)]
                m.d.sync += changed.eq(0)
                m.next = "ADD"
            with m.State("ADD"), m.If(~self.adding):
                m.next = "NEXT"
                with m.If(output & (changed | first | final)):
                    m.next = "SHOW"
                with m.Elif(~output & (changed | (first & spontaneous))):
                    m.next = "CLEAR"
            with m.State("SHOW"):
                m.d.comb += self.show.eq(1)
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.offer.eq(1)
                with m.If(self.accepted):
                    m.next = "NEXT"
            with m.State("CLEAR"), m.If(~self.emitting):  # all flags are clear
                m.d.comb += self.sweep.eq(1)
                m.next = "SWEEP"
            with m.State("SWEEP"), m.If(~self.sweeping & ~self.emitting):
                m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += [self.segment.eq(self.segment + 1), self.step.eq(self.step + 1)]
                m.next = "STEP"
                with m.If(final):
                    m.d.comb += self.next_tile.eq(1)
                    m.d.sync += [self.step.eq(0), self.tile.eq(Mux(last_tile, 0, self.tile + 1))]
                    m.next = "TILE"
                    with m.If(output):
                        m.next = "DONE"
                    with m.Elif(last_tile):
                        m.next = "END"
            with m.State("END"):
                m.d.comb += self.write_segment.eq(1)
                m.d.sync += self.layer.eq(self.layer + 1)
                m.next = "LAYER"
            with m.State("DONE"):
                pass  # until the next reset
        return m
