"""The sequencer: layer by layer, tile by tile, step by step."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.by_layer import by_layer
from hw.rtl.tiles.plan import TilesPlan

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Says what is done when: for each tile of a layer the margins are preset; in each step the
    spikes are added, then a sweep finds the units that fire, unless nothing can have changed. Of
    the output layer the margins are offered instead. While rows are swept the next step's segments
    are looked up.

    All layers are computed for step 0 alone first. Unless that decides, they are computed again
    from the beginning, for the whole window.

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
        Of the layer's own list.
    write_segment : 1
        It begins at the count of entries so far.
    begin : 1
        Layer 0 begins.
    next_list, next_tile : 1
        A layer begins, and its list is empty; a tile begins.
    alone : 1
        Step 0 is the only one.
    repeats : 1
        It is computed for the second time.
    look_up : 1
        The segments of the next step are to be looked up.
    read : 1
        Entries may be read.
    adding : 1
        Spikes were being read or added, or on their way, in the cycle before.
    added : 1
        One is added.
    sweep : 1
        A sweep over rows of the banks begins.
    fire, preset, whole : 1
        What it does, and whether it is over all rows.
    sweeping : 1
        It is at work.
    emitting : 1
        Units that fire are on their way to the list, or the windows' memory is not ready.
    show : 1
        The margins of the output layer are read.
    offer, accepted : 1
        They are offered, and taken.
    """

    def __init__(self, plan: TilesPlan):
        self._plan = plan
        self._begins_alone = plan.steps > 1
        super().__init__(
            {
                "loaded": In(1),
                "layer": Out(range(len(plan.layers))),
                "tile": Out(range(max(layer.tiles for layer in plan.layers))),
                "step": Out(range(plan.steps)),
                "segment": Out(plan.segment_bits),
                "write_segment": Out(1),
                "begin": Out(1),
                "next_list": Out(1),
                "next_tile": Out(1),
                "alone": Out(1, init=self._begins_alone),
                "repeats": Out(1),
                "look_up": Out(1),
                "read": Out(1),
                "adding": In(1),
                "added": In(1),
                "sweep": Out(1),
                "fire": Out(1),
                "preset": Out(1),
                "whole": Out(1),
                "sweeping": In(1),
                "emitting": In(1),
                "show": Out(1),
                "offer": Out(1),
                "accepted": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layers = self._plan.layers
        output = self.layer == len(layers) - 1
        first = self.step == 0
        final = self.alone | (self.step == self._plan.steps - 1)
        last_tile = self.tile == by_layer(m, self.layer, [layer.tiles - 1 for layer in layers])
        dense = by_layer(m, self.layer, [int(layer.dense) for layer in layers])
        spontaneous = first & by_layer(m, self.layer, [int(layer.spontaneous) for layer in layers])
        # Of a convolution the last sweep of a tile presets the next one.
        presets_next = final & ~last_tile & ~dense
        changed = Signal()  # margins are not those of the step before
        if self._begins_alone:
            m.d.comb += self.repeats.eq(first & ~self.alone)
        with m.If(self.added):
            m.d.sync += changed.eq(1)

        with m.FSM():
            with m.State("LOAD"), m.If(self.loaded):
                m.next = "LAYER"
            with m.State("LAYER"):
                m.d.comb += [self.begin.eq(self.layer == 0), self.next_list.eq(1)]
                m.d.sync += self.segment.eq(self._plan.first_segment)
                m.next = "LIST"
            with m.State("LIST"):
                m.d.comb += self.write_segment.eq(1)
                m.d.sync += self.segment.eq(self._plan.first_segment + 1)
                m.next = "TILE"
            with m.State("TILE"):
                m.d.comb += [
                    self.sweep.eq(1),
                    self.preset.eq(1),
                    self.next_tile.eq(1),
                    self.look_up.eq(1),
                ]
                m.next = "PRESET"
            with m.State("PRESET"), m.If(~self.sweeping):
                m.next = "ADD"
            with m.State("ADD"):
                m.d.comb += self.read.eq(1)
                with m.If(~self.adding & (output | ~self.emitting)):
                    m.d.comb += self.look_up.eq(~final | presets_next)
                with m.If(~self.adding & output):
                    m.next = "NEXT"
                    with m.If(changed | first | final):
                        m.next = "SHOW"
                with m.Elif(~self.adding & ~self.emitting):
                    m.next = "NEXT"
                    with m.If(changed | spontaneous | presets_next):
                        m.d.comb += [
                            self.sweep.eq(1),
                            self.fire.eq(1),
                            self.preset.eq(presets_next),
                            self.whole.eq(spontaneous),
                        ]
                        m.next = "SWEEP"
            with m.State("SWEEP"), m.If(~self.sweeping & ~self.emitting):
                m.next = "NEXT"
            with m.State("SHOW"):
                m.d.comb += self.show.eq(1)
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.offer.eq(1)
                with m.If(self.accepted):
                    m.next = "NEXT"
            with m.State("NEXT"):
                m.d.comb += self.write_segment.eq(1)
                m.d.sync += [
                    self.segment.eq(self.segment + 1),
                    self.step.eq(self.step + 1),
                    changed.eq(0),
                ]
                m.next = "ADD"
                with m.If(final):
                    m.d.sync += [self.step.eq(0), self.tile.eq(Mux(last_tile, 0, self.tile + 1))]
                    with m.If(output):
                        m.d.sync += [self.layer.eq(0), self.alone.eq(0)]
                        m.next = "DONE"
                        with m.If(self.alone):
                            m.next = "LAYER"
                    with m.Elif(last_tile):
                        m.d.sync += self.layer.eq(self.layer + 1)
                        m.next = "LAYER"
                    with m.Elif(dense):
                        m.next = "TILE"
                    with m.Else():
                        m.d.comb += self.next_tile.eq(1)
            with m.State("DONE"):
                pass  # until the next reset
        return m
