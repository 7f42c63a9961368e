"""Latency encoder: 8-bit pixels in, the step in which each input unit fires out."""

from bisect import bisect_left

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from sw import encoder
from sw.limits import steps_fault

__all__ = ["ArrivalLayout", "LatencyEncoder", "MeanPool", "latency"]


def latency(model: encoder.LatencyEncoder) -> int:
    """Cycles from a pixel to its arrival."""
    return 1 + (model.pool > 1)


class ArrivalLayout(data.StructLayout):
    """Input units and the steps in which they fire, in the order of the pixels.

    Parameters
    ----------
    units : int
        Number of input units; 1 where their order says which they are.
    steps : int
        T.
    lanes : int
        Pixel lanes: units that come in one cycle.

    Members
    -------
    unit : array of range(units), one per lane
    step : array of range(steps), one per lane
    spike : one bit per lane
        The unit fires; a silent unit may be skipped.
    last : 1
        The image ends here.
    """

    def __init__(self, units: int, steps: int, lanes: int = 1):
        super().__init__(
            {
                "unit": data.ArrayLayout(range(units), lanes),
                "step": data.ArrayLayout(range(steps), lanes),
                "spike": lanes,
                "last": 1,
            }
        )


class MeanPool(wiring.Component):
    """Averages squares of ``pool`` × ``pool`` pixels, ``(sum + pool²/2) // pool²``, each channel
    for itself.

    Latency: a pooled value is offered in the cycle after its last value was accepted.
    Throughput: one value per cycle.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image in pixels, divisible by ``pool``.
    pool : 2 or 4
    channels : int
        Values of a pixel, C.

    Members
    -------
    pixels : stream of 8
        Row-major; of each pixel channel by channel.
    pooled : stream of 8
        In the same order.
    """

    def __init__(self, *, shape: tuple[int, int], pool: int, channels: int = 1):
        if pool not in (2, 4):
            raise ValueError(f"Pool must be 2 or 4, not {pool!r}")
        if any(size % pool for size in shape):
            raise ValueError(f"Shape must be divisible by the pool {pool}, not {shape!r}")
        self._columns = shape[1] // pool * channels
        self._channels = channels
        self._pool = pool
        super().__init__({"pixels": In(stream.Signature(8)), "pooled": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        area = self._pool**2

        column = Signal(range(self._columns))  # of the squares, channel by channel
        next_column = Signal.like(column)
        x, y = Signal(range(self._pool)), Signal(range(self._pool))
        # Sum of this row of the square so far; those of the channels go round, the next one first.
        run, *others = (
            Signal(range(255 * area + 1), name=f"run_{k}" if k else "run")
            for k in range(self._channels)
        )
        total = Signal(range(255 * area + area // 2 + 1))  # with area/2 for rounding

        # One partial sum per column of squares. It is read while the value before comes in, so the
        # memory needs no bypass: writes to one column are `pool` pixels apart.
        m.submodules.sums = sums = memory.Memory(
            shape=total.shape(), depth=self._columns, init=[], attrs={"ram_style": "block"}
        )
        write = sums.write_port()
        read = sums.read_port()

        end_of_square_row = x == self._pool - 1
        end_of_line = column == self._columns - 1
        accept = Signal()
        m.d.comb += [
            self.pixels.ready.eq(~self.pooled.valid | self.pooled.ready),
            accept.eq(self.pixels.valid & self.pixels.ready),
            next_column.eq(Mux(end_of_line, 0, column + 1)),
            # The address is set one pixel early; between lines the sum is not used at all.
            read.addr.eq(Mux(accept & end_of_square_row, next_column, column)),
            total.eq(run + self.pixels.payload + Mux(y == 0, area // 2, read.data)),
            write.addr.eq(column),
            write.data.eq(total),
            write.en.eq(accept & end_of_square_row),
        ]
        with m.If(self.pooled.ready):
            m.d.sync += self.pooled.valid.eq(0)
        *waiting, last = run, *others
        with m.If(accept):
            m.d.sync += [x.eq(x + 1), last.eq(run + self.pixels.payload)]
            m.d.sync += [into.eq(value) for into, value in zip(waiting, others, strict=True)]
            with m.If(end_of_square_row):
                m.d.sync += [x.eq(0), last.eq(0), column.eq(next_column)]
                with m.If(end_of_line):
                    m.d.sync += y.eq(y + 1)  # wraps: the pool is a power of two
                with m.If(y == self._pool - 1):
                    m.d.sync += [
                        self.pooled.payload.eq(total >> exact_log2(area)),
                        self.pooled.valid.eq(1),
                    ]
            if self._channels > 1:  # x counts with the last one
                channel = Signal(range(self._channels))
                m.d.sync += channel.eq(channel + 1)
                with m.If(channel == self._channels - 1):
                    m.d.sync += channel.eq(0)
                with m.Else():
                    m.d.sync += x.eq(x)
        return m


class LatencyEncoder(wiring.Component):
    """Turns the pixels of an image into the steps in which the input units fire.

    ``t = ((255 − x) · T) >> 8`` with T a power of two is the upper bits of the inverted pixel.

    Latency: ``latency`` = 1 cycle from a pixel to its arrival, with a pool 2.
    Throughput: one pixel of each lane per cycle; of an image of several channels one value.

    Parameters
    ----------
    encoder : sw.encoder.LatencyEncoder
        What to compute. ``select`` must be strictly increasing: a pixel feeds one input unit at
        most.
    steps : int, power of two
        T.
    lanes : int
        Pixel lanes: pixels that come in one cycle; they divide those of an image. More than one
        only of grey images without a pool.
    numbered : bool
        Arrivals name their units; else their order tells, which then is all of them.

    Members
    -------
    pixels : stream of 8 · lanes
        Row-major, of each pixel channel by channel, the first in the lowest bits; images without a
        gap or a mark.
    arrivals : stream of ArrivalLayout
        Of the selected pixels, and in any case of the image's last.
    """

    def __init__(
        self,
        *,
        encoder: encoder.LatencyEncoder,
        steps: int,
        lanes: int = 1,
        numbered: bool = True,
    ):
        fault = steps_fault(steps, pixels=True)
        if fault:
            raise ValueError(fault)
        if not encoder.strictly_increasing:
            raise ValueError("Select must be strictly increasing")
        if encoder.pixels % lanes or (lanes > 1 and (encoder.pool > 1 or encoder.channels > 1)):
            raise ValueError(
                f"Pixel lanes must divide the pixels and exclude a pool and colours, not {lanes!r}"
            )
        self._encoder = encoder
        self._step_bits = exact_log2(steps)
        self._lanes = lanes
        self._numbered = numbered
        arrivals = ArrivalLayout(encoder.inputs if numbered else 1, steps, lanes)
        super().__init__(
            {
                "pixels": In(stream.Signature(8 * lanes)),
                "arrivals": Out(stream.Signature(arrivals)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a pixel to its arrival."""
        return latency(self._encoder)

    def elaborate(self, platform):
        m = Module()
        pixels = self.pixels
        if self._encoder.pool > 1:
            shape = self._encoder.shape[-2:]
            m.submodules.pool = pool = MeanPool(
                shape=shape, pool=self._encoder.pool, channels=self._encoder.channels
            )
            wiring.connect(m, wiring.flipped(self.pixels), pool.pixels)
            pixels = pool.pooled

        beats = self._encoder.pooled // self._lanes
        position = Signal(range(beats))
        selected = Signal(self._lanes)
        end_of_image = position == beats - 1
        if self._encoder.select is None:
            m.d.comb += selected.eq(-1)
        else:
            # A constant table in logic: 784 pixels take about 70 LUT4, cheaper than a block RAM.
            chosen = {self._position(each) for each in self._encoder.select}
            table = Array(
                sum((beat * self._lanes + lane in chosen) << lane for lane in range(self._lanes))
                for beat in range(beats)
            )
            m.d.comb += selected.eq(table[position])

        m.d.comb += pixels.ready.eq(~self.arrivals.valid | self.arrivals.ready)
        with m.If(self.arrivals.ready):
            m.d.sync += self.arrivals.valid.eq(0)
        with m.If(pixels.valid & pixels.ready):
            arrivals = self.arrivals.payload
            m.d.sync += [
                position.eq(Mux(end_of_image, 0, position + 1)),
                self.arrivals.valid.eq(selected.any() | end_of_image),
                arrivals.last.eq(end_of_image),
            ]
            unit = self._next_unit(m, selected, end_of_image) if self._numbered else None
            for lane in range(self._lanes):
                pixel = pixels.payload[8 * lane : 8 * (lane + 1)]
                if unit is not None:
                    m.d.sync += arrivals.unit[lane].eq(unit + sum(selected[:lane]))
                m.d.sync += [
                    arrivals.step[lane].eq(~pixel[8 - self._step_bits :]),
                    arrivals.spike[lane].eq(selected[lane] & (pixel >= self._encoder.silent_below)),
                ]
        return m

    def _next_unit(self, m, selected, end_of_image):
        """Units are numbered channel by channel: each has its own next one, and they go round."""
        starts = self._first_units()
        unit, *others = units = [
            Signal(range(self._encoder.inputs), init=start, name=f"unit_{k}" if k else "unit")
            for k, start in enumerate(starts)
        ]
        following = [*others, unit + sum(selected)]
        m.d.sync += [
            each.eq(Mux(end_of_image, start, value))
            for each, start, value in zip(units, starts, following, strict=True)
        ]
        return unit

    def _position(self, index):
        """When the value comes that has this index in the map of an image."""
        channel, place = divmod(index, self._encoder.pooled // self._encoder.channels)
        return place * self._encoder.channels + channel

    def _first_units(self):
        """The first unit of each channel, which need not have one."""
        places = self._encoder.pooled // self._encoder.channels
        select = self._encoder.select
        kept = range(self._encoder.pooled) if select is None else select
        starts = [bisect_left(kept, k * places) for k in range(self._encoder.channels)]
        return [min(start, self._encoder.inputs - 1) for start in starts]
