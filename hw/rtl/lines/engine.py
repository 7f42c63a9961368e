"""The lines engine: every layer keeps only those rows of places that its kernel covers.

    arrivals → ConvStage → PoolStage → … → DenseStage → … → margins, one after another

Pixels come row by row, and each stage gives its spikes in the same order, so that all stages work
at a time on the same image, each some rows behind the one before. State is what an ASIC pays for: a
map of C × H × W costs the lines of the next layer, (k − 1) · W · C bits and a few more, and no
layer's potentials are kept but those of a dense one. Weights are logic, of which a bit takes about
a fifth of a gate, for one unit is evaluated at a time and all taps of it at once.

In one step no unit can fire later than another, so that a spike is a bit (docs/spec.md, T = 1).
Line buffers of this kind are usual for binary convolutions in hardware (FINN, Umuroglu et al.,
FPGA 2017); here the channels of a place go through them one by one.
"""

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.encoder import ArrivalLayout
from hw.rtl.lines.conv import ConvStage, UnitLayout
from hw.rtl.lines.dense import DenseStage, MarginLayout
from hw.rtl.lines.plan import ConvPlan, DensePlan, PoolPlan, Stage, Table, plan_network
from hw.rtl.lines.pool import PoolStage
from hw.rtl.weights import LoadLayout
from sw.network import Network

__all__ = ["LinesEngine", "load_tables"]


def load_tables(stages: tuple[Stage, ...]) -> list[Table]:
    """The tables of all stages in the order in which they are loaded: word by word, in ascending
    order of addresses from 0 on, without a gap.
    """
    return [table for stage in stages for table in stage.tables]


class LinesEngine(wiring.Component):
    """All layers of a network with T = 1, as its pixels come, bit-exact with the golden model.

    Latency: as the cycle model says (sim/cycles/engines/lines.py), the same for every image.

    Parameters
    ----------
    network : Network
    loaded : bool
        Weights and thresholds come through ``load``.

    Members
    -------
    arrivals : stream of ArrivalLayout
        Every unit in the order (y, x, c), with or without a spike.
    potentials : stream of MarginLayout
        Of the output layer, unit by unit.
    restart : 1
        The image's result was taken, and the next image is: not before, so that margins never wait.
    load : stream of LoadLayout
        Only where ``loaded``.
    layer_0, … : UnitLayout
        For those who watch: the units of each hidden layer, in the order in which they are
        evaluated.
    """

    def __init__(self, *, network: Network, loaded: bool = False):
        self.stages = plan_network(network)
        self._loaded = loaded
        hidden = [index for stage in self.stages[:-1] for index in {stage.index, stage.last}]
        last = self.stages[-1]
        assert isinstance(last, DensePlan)
        words = sum(table.rows * table.words_per_row for table in load_tables(self.stages))
        load = stream.Signature(LoadLayout(words), always_ready=True)
        super().__init__(
            {
                "arrivals": In(stream.Signature(ArrivalLayout(1, 1))),
                "potentials": Out(stream.Signature(MarginLayout(last.margin_bits))),
                "restart": In(1),
                **({"load": In(load)} if loaded else {}),
                **{f"layer_{index}": Out(UnitLayout()) for index in sorted(hidden)},
            }
        )

    def elaborate(self, platform):
        m = Module()
        blocks = []
        # Windows may be complete, and the result taken, before the last place of an image comes:
        # then it is not closed with that.
        closed, begun, early = Signal(), Signal(), Signal()
        flag, valid, ready = self.arrivals.payload.spike, Signal(), Signal()
        m.d.comb += [
            valid.eq(self.arrivals.valid & ~closed),
            self.arrivals.ready.eq(ready & ~closed),
        ]
        last = self.arrivals.payload.last
        with m.If(valid & ready):
            m.d.sync += begun.eq(~last)
        with m.If(valid & ready & last):
            m.d.sync += [closed.eq(~early & ~self.restart), early.eq(0)]
        with m.Elif(self.restart):
            m.d.sync += [closed.eq(0), early.eq(begun)]
        for number, stage in enumerate(self.stages):
            block = self._block(stage)
            m.submodules[f"stage_{number}"] = self._forgetful(block, begun | closed)
            blocks += [block] * bool(stage.tables)
            m.d.comb += [
                block.inputs.payload.eq(flag),
                block.inputs.valid.eq(valid),
                ready.eq(block.inputs.ready),
            ]
            if stage is self.stages[-1]:
                wiring.connect(m, block.margins, wiring.flipped(self.potentials))
                if self._loaded:
                    fed = Signal()  # since the reset
                    m.d.sync += fed.eq(fed | (self.arrivals.valid & self.arrivals.ready))
                    m.d.comb += self.potentials.valid.eq(block.margins.valid & fed)
                break
            if isinstance(stage, DensePlan):
                given = block.margins
                flag = ~given.payload.margin[-1]
            else:
                given = block.spikes
                flag = given.payload
            valid, ready = given.valid, given.ready
            self._watch(m, stage, block, flag, valid & ready)
        if self._loaded:
            self._fill(m, blocks)
        return m

    def _block(self, stage):
        if isinstance(stage, PoolPlan):
            return PoolStage(stage)
        kind = ConvStage if isinstance(stage, ConvPlan) else DenseStage
        return kind(stage, loaded=self._loaded)

    def _forgetful(self, block, in_image):
        """On which row a ring stands is unknown until it is loaded, as no reset changes that. What
        it may have done to the stages until then is forgotten as it is loaded, and no margin counts
        before a pixel comes.
        """
        if not self._loaded:
            return block
        return ResetInserter(self.load.valid & ~in_image)(block)

    def _watch(self, m, stage, block, flag, taken):
        last = getattr(self, f"layer_{stage.last}")
        m.d.comb += [last.valid.eq(taken), last.fires.eq(flag)]
        if stage.last != stage.index:
            m.d.comb += getattr(self, f"layer_{stage.index}").eq(block.unit)

    def _fill(self, m, blocks):
        """Tells each table which of the words are its own. The address only says where they begin:
        then a row, a word of it and a table are counted, which is less than decoding it.
        """
        tables = load_tables(self.stages)
        kept = {
            "table": Signal(range(len(tables) + 1)),
            "row": Signal(range(max(table.rows for table in tables))),
            "part": Signal(range(max(table.words_per_row for table in tables))),
        }
        now = {name: Signal.like(value, name=f"{name}_now") for name, value in kept.items()}
        first = self.load.payload.address == 0
        m.d.comb += [now[name].eq(Mux(first, 0, value)) for name, value in kept.items()]
        ports = [getattr(block, f"load_{k}") for block in blocks for k in range(2)]
        with m.If(self.load.valid):
            m.d.sync += [kept["table"].eq(now["table"]), kept["row"].eq(now["row"])]
            m.d.sync += kept["part"].eq(now["part"] + 1)
        for number, (table, port) in enumerate(zip(tables, ports, strict=True)):
            mine = Signal(name=f"of_table_{number}")
            m.d.comb += [
                mine.eq(self.load.valid & (now["table"] == number)),
                port.valid.eq(mine),
                port.part.eq(now["part"]),
                port.data.eq(self.load.payload.data),
            ]
            with m.If(mine & (now["part"] == table.words_per_row - 1)):
                m.d.sync += [kept["part"].eq(0), kept["row"].eq(now["row"] + 1)]
                with m.If(now["row"] == table.rows - 1):
                    m.d.sync += [kept["row"].eq(0), kept["table"].eq(number + 1)]
