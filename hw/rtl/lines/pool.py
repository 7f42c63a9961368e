"""First-spike pooling of a map that comes place by place."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.lines.constants import chosen
from hw.rtl.lines.plan import PoolPlan

__all__ = ["PoolStage"]


class PoolStage(wiring.Component):
    """An OR of each window, channel by channel.

    Two shift registers keep what has fired of a window: of one place, until the next one of the
    same row comes; of a row of windows, until the next row of places comes.

    Latency: 0 cycles from a window's last input to its spike.
    Throughput: an input bit per cycle.

    Parameters
    ----------
    plan : PoolPlan

    Members
    -------
    inputs : stream of 1
        Which units of the layer before fire: place by place, at each of them channel by channel;
        map after map without a mark.
    spikes : stream of 1
        Its own, likewise.
    """

    def __init__(self, plan: PoolPlan):
        self._plan = plan
        super().__init__({"inputs": In(stream.Signature(1)), "spikes": Out(stream.Signature(1))})

    def elaborate(self, platform):
        m = Module()
        plan = self._plan
        channels, height, width = plan.inputs
        take, row, window = Signal(), Signal(), Signal()
        channel, x, y = Signal(range(channels)), Signal(range(width)), Signal(range(height))
        with m.If(take):
            m.d.sync += channel.eq(channel + 1)
            with m.If(channel == channels - 1):
                m.d.sync += [channel.eq(0), x.eq(x + 1)]
                with m.If(x == width - 1):
                    m.d.sync += [x.eq(0), y.eq(y + 1)]
                    with m.If(y == height - 1):
                        m.d.sync += y.eq(0)

        # Of each axis: the first place of a window, and the last one.
        (first_y, last_y), (first_x, last_x) = (
            [
                chosen(m, at, [index % size == place for index in range(edge)], f"{what}_{axis}")
                for what, place in (("first", 0), ("last", size - 1))
            ]
            for axis, edge, size, at in zip("yx", plan.inputs[1:], plan.window, (y, x), strict=True)
        )
        beside = _kept(m, "beside", plan.beside, row, take)
        above = _kept(m, "above", plan.above, window, take & last_x)
        m.d.comb += [
            row.eq(self.inputs.payload | (beside & ~first_x)),
            window.eq(row | (above & ~first_y)),
            self.spikes.valid.eq(self.inputs.valid & last_x & last_y),
            self.spikes.payload.eq(window),
            self.inputs.ready.eq(self.spikes.ready | ~self.spikes.valid),
            take.eq(self.inputs.valid & self.inputs.ready),
        ]
        return m


def _kept(m: Module, name: str, count: int, bit: Value, enable: Value) -> Value:
    """What ``bit`` was ``count`` cycles of ``enable`` before; of none, 0, which is not used."""
    kept = Signal(count, name=name, reset_less=True)
    with m.If(enable):
        m.d.sync += kept.eq((kept << 1) | bit)
    return kept[-1] if count else kept.any()
