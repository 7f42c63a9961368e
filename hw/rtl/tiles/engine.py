"""The tiles engine: all layers of a network, one after another, on one set of adders.

The blocks, in the order in which a spike goes through them:

    input → Raster or Locate → Sort ─→ ListMemory, SegmentTable ─→ Reader → Scatter ─→ Grid ⇄ Sweep
                                              ↑                     Weights ↗           │
                                              └──────────────── Emit ←──────────────────┘

The Sequencer says when. hw/rtl/tiles/plan.py has the words and all sizes. In place of Raster and
Sort there may be a FirstTable, which makes the first layer while the pixels stream in.

A layer is computed over the whole window before the next one begins, a tile of P channels at a
time: so there are margins of P channels of one map only. Step by step through all layers, early
exit would end all of them, but the margins of every unit would have to be kept: 113 kbit for
16c3p1-f2-32c3p1-f2-10 on 28 × 28, of the 120 kbit of block RAM that an iCE40 UP5K has.

So that an early decision ends all layers still, they are computed for step 0 alone first. Where no
output fires in it, they are computed again for the whole window: the list of the inputs is kept.
"""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.encoder import ArrivalLayout
from hw.rtl.streams import MarginsLayout, SpikeBeat
from hw.rtl.tiles.emit import Emit
from hw.rtl.tiles.first_table import FirstTable
from hw.rtl.tiles.grid import Grid
from hw.rtl.tiles.layouts import EmittedLayout, FiredLayout
from hw.rtl.tiles.lists import ListMemory, SegmentTable
from hw.rtl.tiles.locate import Locate
from hw.rtl.tiles.planner import plan_network
from hw.rtl.tiles.raster import Raster
from hw.rtl.tiles.reader import Reader
from hw.rtl.tiles.scatter import Scatter
from hw.rtl.tiles.sequencer import Sequencer
from hw.rtl.tiles.sort import Sort
from hw.rtl.tiles.sweep import Sweep
from hw.rtl.weight_rows import WeightRows
from hw.rtl.weights import LoadLayout
from sw.encoder import LatencyEncoder
from sw.network import Network

__all__ = ["TilesEngine"]


class TilesEngine(wiring.Component):
    """All layers of a network, tile by tile, bit-exact with the golden model.

    An input is taken, then computed, then the next one is taken. ``restart`` is a reset of all but
    the weights.

    Latency: as the cycle model says (sim/cycles/engines/tiles.py), from the last input to the
    decisive margins.
    Throughput: while spikes wait, one spike per cycle, for all P channels of a tile.

    Parameters
    ----------
    network : Network
    lanes : int, at least 1
        P: output channels of a tile.
    loaded : bool
        Weights come through ``load``.
    table : bool
        A table makes the first layer.
    distributed : bool
        Margins are in distributed RAM.
    most_events : int, optional
        Where inputs are events: those of an inference, at most.

    Members
    -------
    arrivals : stream of ArrivalLayout
        Where inputs are pixels: every unit in the order (y, x, c), with or without a spike.
    beats : stream of SpikeBeat
        Where inputs are events, in place of the arrivals.
    potentials : stream of MarginsLayout
        Of the output layer, after each step in which they can change, the first and the final one.
    restart : 1
        The inference is decided: the rest of it is dropped, and the next input is taken.
    load : stream of LoadLayout
        Only where ``loaded``.
    fault : 1
        Only where ``plan.can_overflow``: there are more spikes than the lists can hold, and the
        margins have no meaning. Set before the first of them is offered.
    fired : FiredLayout
    emitted : EmittedLayout
    entered : EmittedLayout
        For those who watch: what fires, what is written to the list of each layer of the plan, and
        what a first layer by a table writes to that of the inputs, if there is one.
    """

    def __init__(
        self,
        *,
        network: Network,
        lanes: int,
        loaded: bool = False,
        table: bool = False,
        distributed: bool = False,
        most_events: int | None = None,
    ):
        if lanes < 1:
            raise ValueError(f"Lanes must be at least 1, not {lanes!r}")
        self.plan = plan_network(
            network, lanes, most_events, loaded=loaded, table=table, distributed=distributed
        )
        self._pixels = isinstance(network.encoder, LatencyEncoder)
        layer, steps = network.layers[-1], network.steps
        most_spikes = most_events if len(self.plan.layers) == 1 else None
        if self._pixels:
            source = {"arrivals": In(stream.Signature(ArrivalLayout(1, steps)))}
        else:
            source = {"beats": In(stream.Signature(SpikeBeat(network.sizes[0], steps)))}
        load = LoadLayout(self.plan.weight_rows * self.plan.load_columns)
        super().__init__(
            {
                **source,
                "potentials": Out(stream.Signature(MarginsLayout(layer, steps, most_spikes))),
                "restart": In(1),
                **({"load": In(stream.Signature(load, always_ready=True))} if loaded else {}),
                **({"fault": Out(1)} if self.plan.can_overflow else {}),
                "fired": Out(FiredLayout(self.plan)),
                "emitted": Out(EmittedLayout(self.plan)),
                **({"entered": Out(EmittedLayout(self.plan))} if table else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self.plan
        m.submodules.sequencer = sequencer = Sequencer(plan)
        m.submodules.sort = intake = FirstTable(plan) if plan.first else Sort(plan)
        m.submodules.reader = reader = Reader(plan)
        m.submodules.scatter = scatter = Scatter(plan)
        m.submodules.weights = weights = WeightRows(
            plan.weights, load_columns=plan.load_columns, loaded=plan.loaded
        )
        m.submodules.grid = grid = Grid(plan)
        m.submodules.sweep = sweep = Sweep(plan)
        m.submodules.emit = emit = Emit(plan)
        self._take_input(m, intake)
        self._keep_lists(m, sequencer, intake, reader, emit)
        if plan.loaded:
            wiring.connect(m, wiring.flipped(self.load), weights.load)

        # Spikes to the banks
        wiring.connect(m, reader.entries, scatter.entries)
        m.d.comb += [
            reader.begin.eq(sequencer.begin),
            reader.start.eq(sequencer.look_up),
            reader.alone.eq(sequencer.alone),
            reader.enable.eq(sequencer.read),
            weights.row.eq(scatter.weight),
            weights.read.eq(scatter.read),
            grid.minus.eq(weights.bits),
            sequencer.added.eq(scatter.read),
        ]
        if plan.first and not plan.loaded:
            m.submodules.patterns = table = WeightRows(
                plan.first.fires, load_columns=1, loaded=False
            )
            m.d.comb += [
                table.row.eq(intake.pattern),
                table.read.eq(intake.read),
                intake.fires.eq(table.bits),
            ]
        elif plan.first:
            m.d.comb += intake.fires.eq(weights.bits)
            with m.If(~intake.done):
                m.d.comb += [weights.row.eq(intake.pattern), weights.read.eq(intake.read)]
        # What the sequencer starts reaches far: it waits for a register.
        m.d.sync += sequencer.adding.eq(reader.busy | scatter.busy)
        # Rows of the banks to entries
        m.d.comb += [
            sweep.begin.eq(sequencer.begin),
            sweep.start.eq(sequencer.sweep),
            sweep.fire.eq(sequencer.fire),
            sweep.preset.eq(sequencer.preset),
            sweep.whole.eq(sequencer.whole),
            sweep.added.eq(scatter.access),
            grid.access.eq(Mux(scatter.access.valid, scatter.access, sweep.access)),
            grid.start.eq(sweep.word),
            grid.advance.eq(emit.advance),
            sweep.advance.eq(emit.advance),
            *(
                getattr(emit, name).eq(getattr(grid, name))
                for name in ("firing", "down", "across", "fires")
            ),
            emit.next_tile.eq(sequencer.next_tile),
            emit.next_list.eq(sequencer.next_list),
            sequencer.sweeping.eq(sweep.busy | grid.firing),
            sequencer.emitting.eq(emit.busy),
        ]
        for each in (reader, scatter, sweep, emit):
            m.d.comb += each.layer.eq(sequencer.layer)
        self._offer(m, sequencer, sweep, grid)
        self._watch(m, sequencer, intake, grid, emit)
        return ResetInserter(self.restart)(m)

    def _take_input(self, m, intake):
        """Input units with their places. None is taken in the cycle of a restart."""
        if self.plan.first:
            into, port = intake.arrivals, self.arrivals
        elif self._pixels:
            m.submodules.raster = source = Raster(self.plan)
            into, port = source.arrivals, self.arrivals
        else:
            m.submodules.locate = source = Locate(self.plan)
            into, port = source.beats, self.beats
        m.d.comb += [
            into.payload.eq(port.payload),
            into.valid.eq(port.valid & ~self.restart),
            port.ready.eq(into.ready & ~self.restart),
        ]
        if self.plan.first is None:
            wiring.connect(m, source.placed, intake.placed)

    def _keep_lists(self, m, sequencer, intake, reader, emit):
        """The memories of spikes: first sorting has them, then the reader and those that emit."""
        plan = self.plan
        m.submodules.lists = lists = ListMemory(plan)
        m.submodules.table = table = SegmentTable(plan)
        odd = Signal()  # a layer reads the list of its own parity and writes the other
        m.d.comb += [
            odd.eq(sequencer.layer),
            sequencer.loaded.eq(intake.done),
            # Even lists begin behind the inputs, which may be read a second time.
            emit.first.eq(Mux(odd, plan.input_words if plan.first else intake.count, 0)),
            *(each.eq(table.data) for each in (intake.found, reader.found)),
            reader.word.eq(lists.data),
        ]
        if plan.first is None:
            m.d.comb += intake.data.eq(lists.data)
        with m.If(~intake.done):
            if plan.first:
                m.d.comb += [
                    lists.write.eq(intake.entered.valid),
                    lists.word.eq(Cat(intake.entered.mask, intake.entered.x, intake.entered.y)),
                ]
            else:
                m.d.comb += [
                    lists.odd.eq(intake.odd),
                    lists.read.eq(intake.read),
                    lists.write.eq(intake.write),
                    lists.word.eq(intake.word),
                ]
            m.d.comb += [
                lists.index.eq(intake.index),
                table.read_segment.eq(intake.segment),
                table.read.eq(intake.lookup),
                table.write_segment.eq(intake.segment),
                table.write.eq(intake.write_segment),
                table.word.eq(intake.position),
            ]
        with m.Else():
            m.d.comb += [
                lists.odd.eq(Mux(sequencer.read, odd, ~odd)),
                lists.index.eq(Mux(sequencer.read, reader.index, emit.count)),
                lists.read.eq(reader.read),
                lists.write.eq(emit.write),
                lists.word.eq(Cat(emit.mask, emit.x, emit.y)),
                table.read_odd.eq(odd),
                table.read_segment.eq(reader.segment),
                table.read.eq(reader.lookup),
                table.write_odd.eq(~odd),
                table.write_segment.eq(sequencer.segment),
                table.write.eq(sequencer.write_segment),
                table.word.eq(emit.count),
            ]
        if plan.can_overflow:
            with m.If(sequencer.next_list):
                m.d.sync += emit.taken.eq(Mux(sequencer.layer == 0, intake.count, emit.count))
            m.d.comb += self.fault.eq(emit.fault)

    def _offer(self, m, sequencer, sweep, grid):
        """The margins of the output layer, as its thresholds are: the plan has moved some."""
        margins, width = self.potentials.payload.margin, self.plan.margin_bits
        moved = self.plan.layers[-1].moved.tolist()
        m.d.comb += [
            sweep.show.eq(sequencer.show),
            self.potentials.valid.eq(sequencer.offer),
            sequencer.accepted.eq(self.potentials.ready),
            self.potentials.payload.step.eq(sequencer.step),
            *(
                margins[k].eq(grid.margins.word_select(k, width).as_signed() + by)
                for k, by in enumerate(moved)
            ),
        ]

    def _watch(self, m, sequencer, intake, grid, emit):
        """What fires is told once, though step 0 may be computed twice."""
        if self.plan.first:
            m.d.comb += self.entered.eq(intake.entered)
        for watched in (self.fired, self.emitted):
            m.d.comb += [
                watched[name].eq(getattr(sequencer, name)) for name in ("layer", "tile", "step")
            ]
        m.d.comb += [
            self.fired.valid.eq(grid.firing & emit.advance & ~sequencer.repeats),
            self.fired.down.eq(grid.down),
            self.fired.across.eq(grid.across),
            self.fired.units.eq(grid.fires),
            self.emitted.valid.eq(emit.write & ~sequencer.repeats),
            self.emitted.y.eq(emit.y),
            self.emitted.x.eq(emit.x),
            self.emitted.mask.eq(emit.mask),
        ]
