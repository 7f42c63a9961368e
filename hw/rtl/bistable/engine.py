"""The bistable engine: all layers of a network, one after another, on one set of lanes.

The blocks, in the order in which a value goes through them::

    input → Intake or Strips → its lists ┐
                                         ├→ Gather → Listen → Speak → Pool → lists
         lists of the hidden layers ─────┘    ↑        ↑ Weights  ↑
                    ↑                       Walk     (twins)    Turns, constants
                    └── words that have a value other than 0

and of the output layer Speak's potentials to Choose, which the core has. hw/rtl/bistable/plan.py
has the words and all sizes.

A place is listened to once, with all K phases of a value side by side: a value of 0 has no spike
in any phase and takes no cycle. While a tile speaks, its twin registers keep its sums and the next
one is listened to already.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.bistable.gather import Gather
from hw.rtl.bistable.intake import Intake
from hw.rtl.bistable.layouts import EntryLayout, PotentialsLayout, WordLayout
from hw.rtl.bistable.listen import Listen
from hw.rtl.bistable.lists import ListMemory, ListWriter
from hw.rtl.bistable.plan import BistablePlan
from hw.rtl.bistable.pool import Pool
from hw.rtl.bistable.sequencer import Sequencer
from hw.rtl.bistable.speak import Speak
from hw.rtl.bistable.strips import Strips
from hw.rtl.bistable.turns import Turns
from hw.rtl.bistable.walk import Walk
from hw.rtl.by_layer import by_layer
from hw.rtl.encoder import ArrivalLayout
from hw.rtl.weight_rows import WeightRows
from hw.rtl.weights import LoadLayout

__all__ = ["BistableEngine"]


class BistableEngine(wiring.Component):
    """All layers of a bistable network, bit-exact with the golden model.

    The next image is taken while the layers behind the first one are computed, unless a shortcut
    needs the input.

    Latency: as the cycle model says (sim/cycles/engines/bistable.py), from the last value of an
    image to its last potentials.
    Throughput: while a job listens, a part of a word per cycle, for all lanes.

    Parameters
    ----------
    plan : BistablePlan
    loaded : bool
        Weights come through ``load``.

    Members
    -------
    arrivals : stream of ArrivalLayout
        Every unit in the order (y, x, c), with 2^K steps.
    potentials : PotentialsLayout
        Of the output layer.
    decided : 1
        The inference has its result.
    free : 1
        The next result can be taken.
    load : stream of LoadLayout
        Only where ``loaded``.
    spoken, written : WordLayout
        For those who watch: the values of hidden layers, before and behind pooling.
    layer : range(max(2, layers))
        Of these.
    """

    def __init__(self, plan: BistablePlan, *, loaded: bool = False):
        self.plan = plan
        self._loaded = loaded
        load = stream.Signature(LoadLayout(plan.weight_rows * plan.load_columns), always_ready=True)
        super().__init__(
            {
                "arrivals": In(stream.Signature(ArrivalLayout(1, 1 << plan.phases))),
                "potentials": Out(PotentialsLayout(plan)),
                "decided": In(1),
                "free": In(1),
                **({"load": In(load)} if loaded else {}),
                "spoken": Out(WordLayout(plan)),
                "written": Out(WordLayout(plan)),
                "layer": Out(range(max(2, len(plan.layers)))),  # Verilog has no port of 0 bits
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self.plan
        m.submodules.sequencer = sequencer = Sequencer(plan)
        m.submodules.walk = walk = Walk(plan)
        m.submodules.gather = gather = Gather(plan)
        m.submodules.weights = weights = WeightRows(
            plan.weights, load_columns=plan.load_columns, loaded=self._loaded
        )
        m.submodules.listen = listen = Listen(plan)
        m.submodules.turns = turns = Turns(plan)
        m.submodules.speak = speak = Speak(plan)
        if self._loaded:
            wiring.connect(m, wiring.flipped(self.load), weights.load)
        wiring.connect(m, walk.places, gather.places)
        m.d.comb += [
            *(each.layer.eq(sequencer.layer) for each in (walk, gather, turns, speak)),
            walk.go.eq(sequencer.go),
            listen.part.eq(gather.part),
            weights.row.eq(gather.part.row),
            weights.read.eq(gather.part.add),
            listen.plus.eq(weights.bits),
            turns.ends.eq(listen.ends),
            turns.job.eq(listen.job),
            listen.next.eq(turns.turn.valid),
            speak.turn.eq(turns.turn),
            speak.constants.eq(turns.constants),
            speak.sums.eq(listen.sums),
            speak.total.eq(listen.total),
        ]
        word = self._pool(m, sequencer, speak.word)
        self._input(m, sequencer, gather)
        self._lists(m, sequencer, gather, word)
        if plan.held_words:
            self._hold(m, sequencer, turns, speak, word)

        m.d.comb += [
            sequencer.read.eq(gather.layer_ends),
            sequencer.decided.eq(self.decided),
            sequencer.free.eq(self.free),
            self.potentials.eq(speak.potentials),
            self.layer.eq(sequencer.layer),
            self.spoken.eq(speak.word),
            self.written.eq(word),
        ]
        return m

    def _pool(self, m, sequencer, word):
        """The words behind the pooling."""
        if not self.plan.pools:
            return word
        m.submodules.pool = pool = Pool(self.plan)
        m.d.comb += [pool.layer.eq(sequencer.layer), pool.word.eq(word)]
        return pool.pooled

    def _input(self, m, sequencer, gather):
        """The network's input into lists of its own."""
        plan = self.plan
        entry = EntryLayout(plan.input_values, plan.phases, plan.input_slot_bits)
        m.submodules.intake = intake = Strips(plan) if plan.strip else Intake(plan)
        m.submodules.input_lists = lists = ListMemory(words=plan.inputs.words, entry=entry)
        m.submodules.input_writer = writer = ListWriter(address_bits=plan.address_bits, entry=entry)
        wiring.connect(m, wiring.flipped(self.arrivals), intake.arrivals)
        begun = Signal()  # after reset the first image begins
        m.d.sync += begun.eq(1)
        m.d.comb += [
            writer.start.eq(intake.release | ~begun),
            writer.slots.eq(plan.inputs.slots),
            writer.valid.eq(intake.valid),
            writer.values.eq(intake.values),
            writer.slot.eq(intake.slot),
            writer.place_ends.eq(intake.place_ends),
            lists.write.eq(writer.write),
            lists.write_address.eq(writer.address),
            lists.written.eq(writer.written),
            lists.address.eq(gather.address),
            lists.read.eq(gather.read & (sequencer.layer == 0)),
            gather.entry.values.eq(lists.entry.values),
            gather.entry.slot.eq(lists.entry.slot),
            gather.entry.more.eq(lists.entry.more),
            sequencer.full.eq(intake.full),
            intake.release.eq(sequencer.release),
        ]
        self._intake = intake

    def _lists(self, m, sequencer, gather, word):
        """The hidden layers' values, two maps at a time: a layer reads one and writes the other."""
        plan = self.plan
        hidden = plan.layers[:-1]
        if not hidden:
            return
        entry = EntryLayout(plan.speaks, plan.phases, plan.slot_bits)
        m.submodules.lists = lists = ListMemory(words=plan.list_words, entry=entry)
        m.submodules.writer = writer = ListWriter(address_bits=plan.address_bits, entry=entry)
        with m.If(sequencer.layer != 0):
            m.d.comb += [
                gather.entry.values.eq(lists.entry.values),
                gather.entry.slot.eq(lists.entry.slot),
                gather.entry.more.eq(lists.entry.more),
            ]
        ends = Signal()
        m.d.sync += ends.eq(word.valid & word.layer_ends)
        m.d.comb += [
            lists.address.eq(gather.address),
            lists.read.eq(gather.read & (sequencer.layer != 0)),
            lists.write.eq(writer.write),
            lists.write_address.eq(writer.address),
            lists.written.eq(writer.written),
            writer.start.eq(sequencer.go),
            writer.first.eq(by_layer(m, sequencer.layer, [each.writes for each in plan.layers])),
            writer.slots.eq(
                by_layer(m, sequencer.layer, [each.outputs.slots for each in plan.layers])
            ),
            writer.valid.eq(word.valid),
            writer.values.eq(word.values),
            writer.slot.eq(word.slot),
            writer.place_ends.eq(word.place_ends),
            sequencer.written.eq(ends),  # in the cycle in which the last entry is written
        ]

    def _hold(self, m, sequencer, turns, speak, word):
        """The synchronous neurons: values that a shortcut adds later are held back."""
        plan, layers = self.plan, self.plan.layers
        m.submodules.held = held = memory.Memory(
            shape=word.values.shape(),
            depth=plan.held_words,
            init=[],
            attrs={"ram_style": "block"},
        )
        read, write = held.read_port(), held.write_port()
        address = Signal(range(plan.held_words))
        holds = by_layer(m, sequencer.layer, [int(each.holds is not None) for each in layers])
        first = by_layer(m, sequencer.layer, [each.holds or 0 for each in layers])
        writes = Signal()
        m.d.comb += [
            read.addr.eq(turns.past),
            speak.past.eq(read.data),
            writes.eq(word.valid & holds),
            write.en.eq(writes),
            write.addr.eq(address),
            write.data.eq(word.values),
        ]
        with m.If(sequencer.go):
            m.d.sync += address.eq(first)
        with m.Elif(write.en):
            m.d.sync += address.eq(address + 1)
        if plan.input_held is None:
            return
        intake, of_input = self._intake, Signal(range(plan.held_words), init=plan.input_held)
        with m.If(intake.valid):  # no layer is computed
            m.d.comb += [
                write.en.eq(1),
                write.addr.eq(of_input),
                write.data.eq(intake.values.as_value()),
            ]
            m.d.sync += of_input.eq(of_input + 1)
        with m.If(intake.release):
            m.d.sync += of_input.eq(plan.input_held)
