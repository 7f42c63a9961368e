"""Raster: the place of each pixel, by counting."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.encoder import ArrivalLayout
from hw.rtl.tiles.layouts import PlacedLayout
from hw.rtl.tiles.plan import TilesPlan

__all__ = ["Raster"]


class Raster(wiring.Component):
    """Counts the units of an image, which come in the order (y, x, c), and says where each lies.

    Latency: none.
    Throughput: one unit per cycle.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    arrivals : stream of ArrivalLayout
        Every unit, with or without a spike; their order says which they are.
    placed : stream of PlacedLayout
    """

    def __init__(self, plan: TilesPlan):
        self._plan = plan
        super().__init__(
            {
                "arrivals": In(stream.Signature(ArrivalLayout(1, plan.steps))),
                "placed": Out(stream.Signature(PlacedLayout(plan))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, arrival, placed = self._plan, self.arrivals.payload, self.placed.payload
        channels = plan.shape[0]
        channel = Signal(range(channels))
        x, y = Signal(range(plan.inputs.width)), Signal(range(plan.inputs.height))
        # Columns of a place in the list's map are its tiles of P channels.
        last_channel, last_lane, last_column = Signal(), Signal(), Signal()
        lane = channel[: len(placed.lane)]
        m.d.comb += [
            self.placed.valid.eq(self.arrivals.valid),
            self.arrivals.ready.eq(self.placed.ready),
            placed.x.eq(x),
            placed.y.eq(y),
            placed.lane.eq(lane),
            placed.step.eq(arrival.step[0]),
            placed.spike.eq(arrival.spike[0]),
            placed.last.eq(arrival.last),
            last_channel.eq(channel == channels - 1),
            last_lane.eq(last_channel | (lane == plan.input_lanes - 1)),
            last_column.eq(last_channel & (x == plan.inputs.width - 1)),
        ]
        with m.If(self.placed.valid & self.placed.ready):
            m.d.sync += channel.eq(Mux(last_channel, 0, channel + 1))
            with m.If(last_lane):
                m.d.sync += x.eq(Mux(last_column, 0, x + 1))
            with m.If(last_column):
                m.d.sync += y.eq(y + 1)
            with m.If(arrival.last):
                m.d.sync += [channel.eq(0), x.eq(0), y.eq(0)]
        return m
