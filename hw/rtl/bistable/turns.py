"""Turns: whose turn it is to speak, and its constants."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.bistable.gather import gap_of
from hw.rtl.bistable.layouts import JobLayout, TurnLayout
from hw.rtl.bistable.memories import TABLES
from hw.rtl.bistable.plan import BistablePlan
from hw.rtl.by_layer import by_layer

__all__ = ["ConstantsLayout", "Turns"]


class ConstantsLayout(data.StructLayout):
    """Constants of V channels.

    Members
    -------
    threshold, bias : array of V
        θ and c, as the plan scales them.
    shift : array of V
        Index of the left shift in the plan's ``shifts``.
    """

    def __init__(self, plan: BistablePlan):
        fields = {
            "threshold": plan.threshold_bits,
            "bias": plan.bias_bits,
            "shift": (len(plan.shifts) - 1).bit_length(),
        }
        super().__init__(
            {name: data.ArrayLayout(width, plan.speaks) for name, width in fields.items()}
        )


class Turns(wiring.Component):
    """Calls V lanes after V lanes of a tile to speak.

    Latency: 1 cycle from ``ends`` to the first turn.
    Throughput: a turn per cycle, of the output layer one in V cycles.

    Parameters
    ----------
    plan : BistablePlan

    Members
    -------
    layer : range(layers)
        It may change when the layer's last turn is over, two cycles before ``ends``.
    ends : 1
        From the next cycle on the twin registers have the sums of a job.
    job : JobLayout
    turn : TurnLayout
        The turn of this cycle.
    constants : ConstantsLayout
        Of this turn.
    past : address of held values
        Only where the network has shortcuts: of the next turn.
    """

    def __init__(self, plan: BistablePlan):
        self._plan = plan
        past = {"past": Out(range(plan.held_words))} if plan.held_words else {}
        super().__init__(
            {
                "layer": In(range(len(plan.layers))),
                "ends": In(1),
                "job": In(JobLayout(plan)),
                "turn": Out(TurnLayout(plan)),
                "constants": Out(ConstantsLayout(plan)),
                **past,
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, turn = self._plan, self.turn
        job, left = Signal(JobLayout(plan)), Signal(range(plan.groups))
        busy, pause = Signal(), Signal(range(plan.speaks))
        groups = [plan.groups_of(layer) for layer in plan.layers]
        whole, rest = (by_layer(m, self.layer, [each[k] - 1 for each in groups]) for k in (0, 1))
        number = len(plan.layers) - 1
        pauses = gap_of(plan, number, last_tile=True) // groups[number][1] - 1
        final = left == 0

        group = Signal.like(turn.group)
        slot, tile_slot = Signal.like(turn.slot), Signal.like(turn.slot)
        next_slot, next_tile_slot = Signal.like(slot), Signal.like(slot)
        begins = Signal(init=1)  # the next job is the first one of its window
        m.d.comb += [
            turn.valid.eq(busy & (pause == 0)),
            turn.slot.eq(slot),
            turn.group.eq(group),
            turn.window_begins.eq(begins),
            turn.window_ends.eq(job.window_ends),
            turn.place_ends.eq(final & job.window_ends & job.tile_ends),
            turn.layer_ends.eq(final & job.layer_ends),
            next_slot.eq(slot),
            next_tile_slot.eq(tile_slot),
        ]
        with m.If(turn.valid):
            m.d.comb += next_slot.eq(slot + 1)
            with m.If(final):
                with m.If(~job.window_ends):
                    m.d.comb += next_slot.eq(tile_slot)
                with m.Elif(job.tile_ends):
                    m.d.comb += [next_slot.eq(0), next_tile_slot.eq(0)]
                with m.Else():
                    m.d.comb += next_tile_slot.eq(slot + 1)
                m.d.sync += [busy.eq(0), group.eq(0), begins.eq(job.window_ends)]
            with m.Else():
                m.d.sync += [left.eq(left - 1), group.eq(group + 1)]
        m.d.sync += [slot.eq(next_slot), tile_slot.eq(next_tile_slot)]
        with m.If(turn.valid):
            m.d.sync += pause.eq(Mux(self.layer == number, pauses, 0))
        with m.Elif(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.If(self.ends):
            m.d.sync += [
                job.eq(self.job),
                left.eq(Mux(self.job.tile_ends, rest, whole)),
                busy.eq(1),
                pause.eq(0),
            ]
        if plan.held_words:
            past = Signal(range(plan.held_words))
            m.d.comb += self.past.eq(Mux(self.ends, self.job.past, past + turn.valid))
            m.d.sync += past.eq(self.past)

        depth = plan.first_constants[-1]
        m.submodules.constants = constants = memory.Memory(
            shape=self.constants.shape(),
            depth=depth,
            init=plan.constants,
            attrs=TABLES.attrs(depth),
        )
        port = constants.read_port()
        first = by_layer(m, self.layer, plan.first_constants[:-1])
        m.d.comb += [port.addr.eq(first + next_slot), self.constants.eq(port.data)]
        return m
