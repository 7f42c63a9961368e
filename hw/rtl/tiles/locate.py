"""Locate: the place of each event, by dividing its unit's number."""

import math

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.streams import SpikeBeat
from hw.rtl.tiles.layouts import PlacedLayout
from hw.rtl.tiles.plan import TilesPlan
from sw.structure import Map

__all__ = ["Locate", "division"]


def division(shape: Map) -> list[int]:
    """What is subtracted of a unit's number if it fits, one per cycle."""
    channels, height, width = shape
    result = [height * width << k for k in range((channels - 1).bit_length())][::-1]
    return result + [width << k for k in range((height - 1).bit_length())][::-1]


class Locate(wiring.Component):
    """Says where the input units of spike beats lie: unit c · H · W + y · W + x is channel c at
    (y, x). A long division, one bit of c, then of y, per cycle.

    Latency: ``latency`` = 1 cycle, and one for each bit of c and y if there is a spike.
    Throughput: the next beat is taken a cycle after one is passed on.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    beats : stream of SpikeBeat
        In time order; the last beat of the final step ends the input.
    placed : stream of PlacedLayout
    """

    latency = 1

    def __init__(self, plan: TilesPlan):
        self._plan = plan
        super().__init__(
            {
                "beats": In(stream.Signature(SpikeBeat(math.prod(plan.shape), plan.steps))),
                "placed": Out(stream.Signature(PlacedLayout(plan))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, beat, placed = self._plan, self.beats.payload, self.placed.payload
        divisors = division(plan.shape)
        rest = Signal(range(math.prod(plan.shape)))
        quotient = Signal(len(divisors))  # c, then y in the low bits
        number = Signal(range(max(len(divisors), 1)))
        fits, divisor = Signal(), Signal.like(rest)
        m.d.comb += [
            divisor.eq(Array(divisors or [0])[number]),
            fits.eq(rest >= divisor),
        ]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.beats.ready.eq(1)
                m.d.sync += [
                    rest.eq(beat.row[0]),
                    number.eq(0),
                    placed.step.eq(beat.step),
                    placed.spike.eq(beat.spike),
                    placed.last.eq(beat.last & (beat.step == plan.steps - 1)),
                ]
                with m.If(self.beats.valid):
                    m.next = "PASS"
                    if divisors:
                        with m.If(beat.spike):
                            m.next = "DIVIDE"
            with m.State("DIVIDE"):
                m.d.sync += [
                    rest.eq(Mux(fits, rest - divisor, rest)),
                    quotient.eq(Cat(fits, quotient)),
                    number.eq(number + 1),
                ]
                with m.If(number == len(divisors) - 1):
                    m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += self.placed.valid.eq(1)
                with m.If(self.placed.ready):
                    m.next = "TAKE"
        y_bits = (plan.shape[1] - 1).bit_length()
        y, channel = quotient[:y_bits], quotient[y_bits:]
        # Columns of a place in the list's map are its tiles of P channels.
        lane_bits = len(placed.lane)
        tiles = plan.inputs.width // plan.shape[2]
        m.d.comb += [
            placed.y.eq(y),
            placed.x.eq(rest * tiles + channel[lane_bits:]),
            placed.lane.eq(channel[:lane_bits]),
        ]
        return m
