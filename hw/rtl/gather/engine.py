"""The gather engine: all layers of a network, step by step, on one row of W adders.

The blocks, in the order in which a spike goes through them:

    arrivals → inputs ─┬→ Collect → Add → margins
               flags ──┘                │
                 ↑                      │
                 └──────────────────────┘

Windows says which. hw/rtl/gather/plan.py has the words and all sizes.

Each unit collects the spikes of its inputs so far and sums them anew in every step. So nothing is
kept of a unit but whether it has fired, one bit, and no list is needed: in a step, a layer reads
what the one before it has just written. All layers end with the decision.
"""

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.by_layer import by_layer
from hw.rtl.encoder import ArrivalLayout
from hw.rtl.gather.add import Add
from hw.rtl.gather.collect import Collect, InputLayout
from hw.rtl.gather.plan import GatherPlan, plan_network
from hw.rtl.gather.windows import Windows
from hw.rtl.serial_decide import MarginLayout
from sw.network import Network

__all__ = ["FiredLayout", "GatherEngine"]


class FiredLayout(data.StructLayout):
    """A unit that fires: of a hidden layer, or of the pooling behind it where there is one.

    Members
    -------
    begins : 1
        The last input comes: an inference begins.
    valid : 1
    layer : range(layers)
        Of those of the plan.
    row, column : range
        The word of its map.
    lane : range(W)
    step : range(steps)
    """

    def __init__(self, plan: GatherPlan):
        super().__init__(
            {
                "begins": 1,
                "valid": 1,
                "layer": range(len(plan.layers)),
                "row": range(max(layer.places[0] for layer in plan.layers)),
                "column": range(max(layer.columns for layer in plan.layers)),
                "lane": range(plan.lanes),
                "step": range(plan.steps),
            }
        )


class GatherEngine(wiring.Component):
    """All layers of a network, step by step, bit-exact with the golden model.

    An input is taken, then computed, then the next one is taken. ``restart`` is a reset.

    Latency: as the cycle model says (sim/cycles/engines/gather.py), from the last input to the last
    margin of the decisive step.
    Throughput: one input per cycle while they are taken; then W spikes, of one word, per cycle.

    Parameters
    ----------
    network : Network
    lanes : int, power of two
        W.

    Members
    -------
    arrivals : stream of ArrivalLayout
        Every unit in the order (y, x, c), with or without a spike.
    margins : stream of MarginLayout
        Of the output layer, after each step. Ready before the first of a step, it has to be ready
        for all of them.
    restart : 1
        The inference is decided: the rest of it is dropped, and the next input is taken.
    fired : FiredLayout
        For those who watch.
    """

    def __init__(self, *, network: Network, lanes: int):
        if lanes < 2 or lanes & lanes - 1:
            raise ValueError(f"Lanes must be a power of two above 1, not {lanes!r}")
        self.plan = plan_network(network, lanes)
        layer, steps = network.layers[-1], network.steps
        super().__init__(
            {
                "arrivals": In(stream.Signature(ArrivalLayout(1, steps))),
                "margins": Out(stream.Signature(MarginLayout(layer, steps))),
                "restart": In(1),
                "fired": Out(FiredLayout(self.plan)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self.plan
        m.submodules.windows = windows = Windows(plan)
        m.submodules.collect = collect = Collect(plan)
        m.submodules.add = add = Add(plan)

        output, looks_up, ran, fresh = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            output.eq(windows.stage == len(plan.layers)),
            # In step 0 nothing has fired yet, whatever the memory says; the output never does.
            fresh.eq(((windows.step == 0) & windows.first_window) | output),
        ]
        m.d.sync += add.load.eq(looks_up)
        self._keep_inputs(m, windows, collect)
        self._keep_flags(m, windows, collect, add, looks_up, fresh, ~output & (ran | fresh))
        self._connect(m, windows, collect, add)
        known, nothing_fires = self._known(m, windows), self._nothing_fires(windows, output)
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.arrivals.ready.eq(1)
                m.d.comb += windows.take.eq(self.arrivals.valid)
                with m.If(windows.end):
                    m.next = "BEGIN"
            with m.State("BEGIN"), m.If(windows.begin):
                m.next = "LOOK UP"
            with m.State("LOOK UP"):  # which channels have fired before
                m.d.comb += [looks_up.eq(1), add.clear.eq(~known)]
                m.d.sync += ran.eq(0)
                with m.If(add.clear):
                    m.next = "COLLECT"
                with m.Else():
                    m.next = "READY"
            with m.State("COLLECT"):
                m.d.comb += collect.read.eq(1)
                with m.If(collect.end):
                    m.next = "KEEP"
            with m.State("KEEP"), m.If(add.collected):
                m.next = "READY"
            with m.State("READY"):
                with m.If(~add.spikes & nothing_fires):
                    m.next = "NEXT"
                with m.Elif(self.margins.ready | ~output):
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += add.run.eq(1)
                m.d.sync += ran.eq(1)
                with m.If(add.end):
                    m.next = "FINISH"
            with m.State("FINISH"), m.If(add.done):
                m.next = "NEXT"
            with m.State("NEXT"):
                m.d.comb += windows.next.eq(1)
                m.next = "LOOK UP"
                with m.If(windows.end):
                    m.next = "BEGIN"

        margin = self.margins.payload
        m.d.comb += [
            self.margins.valid.eq(add.complete & output),
            margin.step.eq(windows.step),
            margin.margin.eq(add.margin),
            margin.last.eq(add.done & windows.last_group),
            # Windows counts; so the encoder need not but where this is watched.
            self.fired.begins.eq(windows.take & self.arrivals.payload.last),
            self.fired.valid.eq(add.fires & ~output),
            self.fired.layer.eq(windows.stage - 1),
            self.fired.row.eq(windows.out_row),
            self.fired.column.eq(windows.out_column),
            self.fired.lane.eq(add.lane),
            self.fired.step.eq(windows.step),
        ]
        return ResetInserter(self.restart)(m)

    def _known(self, m, windows):
        """The window is that of the group before: nothing is pooled."""
        values = [int(not layer.pools and layer.groups > 1) for layer in self.plan.layers]
        return by_layer(m, windows.stage, [values[0], *values]) & ~windows.first_group

    def _nothing_fires(self, windows, output):
        """Without a spike in its window; in step 0 some unit may all the same."""
        if any(layer.spontaneous for layer in self.plan.hidden):
            return ~output & (windows.step != 0)
        return ~output

    def _keep_inputs(self, m, windows, collect):
        """The inputs' times, in a memory."""
        m.submodules.inputs = inputs = memory.Memory(
            shape=InputLayout(self.plan),
            depth=1 << sum(self.plan.input_bits),
            init=[],
            attrs={"ram_style": "block"},
        )
        write, read = inputs.write_port(), inputs.read_port()
        bits = self.plan.input_bits
        m.d.comb += [
            write.addr.eq(_address(bits, windows.out_row, windows.out_column)),
            write.data.step.eq(self.arrivals.payload.step[0]),
            write.data.spike.eq(self.arrivals.payload.spike[0]),
            write.en.eq(windows.take),
            read.addr.eq(_address(bits, collect.read_row, collect.read_column)),
            collect.input.eq(read.data),
        ]

    def _keep_flags(self, m, windows, collect, add, looks_up, fresh, writes):
        """Which units of hidden layers have fired, in a memory."""
        plan = self.plan
        if not plan.hidden:
            return
        m.submodules.flags = flags = memory.Memory(
            shape=plan.lanes, depth=plan.flag_words, init=[], attrs={"ram_style": "block"}
        )
        write, read = flags.write_port(), flags.read_port()
        own, before = Signal.like(write.addr), Signal.like(write.addr)
        with m.Switch(windows.stage):
            for number, (layer, region) in enumerate(zip(plan.hidden, plan.regions, strict=True)):
                bits = plan.place_bits(layer)
                with m.Case(number + 1):
                    place = _address(bits, windows.out_row, windows.out_column)
                    m.d.comb += own.eq(region | place)
        with m.Switch(windows.stage):
            for number, (layer, region) in enumerate(zip(plan.hidden, plan.regions, strict=True)):
                bits = plan.place_bits(layer)
                with m.Case(number + 2):
                    place = _address(bits, collect.read_row, collect.read_column)
                    m.d.comb += before.eq(region | place)
        m.d.comb += [
            read.addr.eq(Mux(looks_up, own, before)),
            collect.flags.eq(read.data),
            add.fired.eq(Mux(fresh, 0, read.data)),
            write.addr.eq(own),
            write.data.eq(add.flags),
            write.en.eq(windows.next & writes),
        ]

    def _connect(self, m, windows, collect, add):
        """What the blocks tell one another."""
        plan = self.plan
        m.d.comb += [
            collect.stage.eq(windows.stage),
            collect.step.eq(windows.step),
            collect.row.eq(windows.row),
            collect.column.eq(windows.column),
            add.valid.eq(collect.valid),
            add.word.eq(collect.word),
            add.final.eq(collect.final),
            add.group.eq(windows.group),
        ]
        rest = [layer.channels - (layer.groups - 1) * plan.lanes for layer in plan.layers]
        present = by_layer(m, windows.stage, [rest[0], *rest])
        m.d.comb += add.lanes.eq(Mux(windows.last_group, present, plan.lanes))
        # Of hidden layers a whole word is made.
        end = [*[plan.lanes - 1] * len(plan.hidden), rest[-1] - 1]
        final = by_layer(m, windows.stage, [end[0], *end])
        m.d.comb += add.final_lane.eq(Mux(windows.last_group, final, plan.lanes - 1))


def _address(bits: tuple[int, int], row: Value, column: Value) -> Value:
    """Of a place in a map whose rows and columns have so many bits."""
    down, across = bits
    return Cat(_cut(column, across), _cut(row, down))


def _cut(value: Value, bits: int) -> Value:
    """Its lowest ``bits``, or as many with zeros."""
    return Cat(value[:bits], Const(0, max(0, bits - len(value))))
