"""Folded: a hidden layer whose potentials lie in block RAM and share a few adders."""

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.event import EventLayout, potential_shapes
from hw.priority import LowestBit
from sw.network import Layer

__all__ = ["Folded", "lane_width"]


def lane_width(layer: Layer) -> int:
    """Bits of a potential in memory: all that V − θ can be, and one value that it cannot."""
    bits = max(shape.width for shape in potential_shapes(layer))
    plus = layer.weight.sum(axis=1).astype(np.int64)
    lowest = int((plus - layer.inputs - layer.threshold).min())
    return bits + (lowest == -1 << bits - 1)


class Folded(wiring.Component):
    """One hidden layer: integrates an event in one pass over its units, ``lanes`` a cycle, and in
    the last pass of a step sends the units that fire.

    Unit j is lane j mod P of chunk j // P. The first pass of an inference takes −θ in place of what
    the memory of potentials holds. A unit that has fired holds the least value of all, which V − θ
    never is, and keeps it.

    A step ends with an event without a spike.

    Latency: of a step with ``chunks`` = K chunks, the first spike may come 3 cycles after its last
    event was accepted, the end of the step K + 2 cycles after it if nobody fires.
    Throughput: an event every K cycles; after a step's last, the next once the end of the step has
    been taken. One spike a cycle.

    Parameters
    ----------
    layer : sw.network.Layer
        Its inputs fire once at most.
    steps : int
        T.
    lanes : int
        Units in a cycle, P; at most half of all, so that a pass has two chunks at least.

    Members
    -------
    events : stream of EventLayout
        Of the layer before, in time order.
    spikes : stream of EventLayout
        Of the units that reach their threshold for the first time.
    restart : 1
        A new inference begins: nothing is in flight, all potentials are −θ.
    """

    def __init__(self, *, layer: Layer, steps: int, lanes: int):
        if not 1 <= 2 * lanes <= layer.outputs + 1:
            raise ValueError(f"Lanes must be at most half of {layer.outputs}, not {lanes!r}")
        self._layer = layer
        self._lanes = lanes
        super().__init__(
            {
                "events": In(stream.Signature(EventLayout(layer.inputs, steps))),
                "spikes": Out(stream.Signature(EventLayout(layer.outputs, steps))),
                "restart": In(1),
            }
        )

    @property
    def chunks(self) -> int:
        """Cycles of a pass over all units."""
        return -(-self._layer.outputs // self._lanes)

    def elaborate(self, platform):
        m = Module()
        lanes, chunks = self._lanes, self.chunks
        width = lane_width(self._layer)
        rows, starts, potentials = self._memories(m, width)
        weight, start = rows.read_port(), starts.read_port()
        old, new = potentials.read_port(), potentials.write_port()

        # Stage 1 asks the memories for a chunk of units, stage 2 adds to it and writes it back.
        asking, fresh = Signal(), Signal()
        event = Signal(self.events.payload.shape())
        chunk = Signal(range(chunks))
        address = Signal.like(weight.addr)
        adding, added_spike, added_last, added_fresh = (Signal() for _ in range(4))
        added_chunk = Signal.like(chunk)
        accept, advance, final = Signal(), Signal(), Signal()
        closing = Signal()  # the last pass of a step is over, its end is still to be sent
        m.d.comb += [
            final.eq(chunk == chunks - 1),
            self.events.ready.eq(
                Mux(
                    asking,
                    final & advance & ~event.last,
                    ~(adding & added_last) & ~closing,
                )
            ),
            accept.eq(self.events.valid & self.events.ready),
            weight.addr.eq(address),
            start.addr.eq(chunk),
            old.addr.eq(chunk),
            *(port.en.eq(advance) for port in (weight, start, old)),
        ]
        with m.If(advance):
            m.d.sync += [
                adding.eq(asking),
                added_chunk.eq(chunk),
                added_spike.eq(event.spike),
                added_last.eq(event.last),
                added_fresh.eq(fresh),
            ]
            with m.If(asking):
                m.d.sync += [address.eq(address + 1), chunk.eq(Mux(final, 0, chunk + 1))]
                with m.If(final):
                    m.d.sync += [asking.eq(0), fresh.eq(0)]
        with m.If(accept):
            m.d.sync += [
                asking.eq(1),
                event.eq(self.events.payload),
                address.eq(self.events.payload.row[0] * chunks),
            ]

        # Stage 2. The units of a chunk that fire go to a window, if it is free.
        hits = Signal(lanes)
        m.d.comb += [new.addr.eq(added_chunk), new.en.eq(adding & advance)]
        fired = -1 << width - 1
        for lane in range(lanes):
            potential = Signal(signed(width), name=f"potential_{lane}")
            total = Signal(signed(width), name=f"total_{lane}")
            gone = Signal(name=f"gone_{lane}")
            minus = weight.data[lane] & added_spike
            m.d.comb += [
                potential.eq(Mux(added_fresh, start.data[lane], old.data[lane])),
                gone.eq(potential == fired),
                total.eq(potential + Cat(added_spike, minus).as_signed()),
                hits[lane].eq(adding & added_last & ~total[-1] & ~gone),
                new.data[lane].eq(Mux(gone | hits[lane], fired, total)),
            ]

        window, window_first = Signal(lanes), Signal(range(self._layer.outputs))
        m.submodules.unit = unit = LowestBit(lanes)
        spike, moves = self.spikes.payload, Signal()
        m.d.comb += [
            unit.i.eq(window),
            moves.eq(self.spikes.valid & self.spikes.ready),
            advance.eq(~hits.any() | ~unit.any | (moves & ~unit.rest.any())),
            self.spikes.valid.eq(unit.any | closing),
            spike.row[0].eq(window_first + unit.index),
            spike.spike.eq(unit.any),
            spike.last.eq(~unit.any),
            spike.step.eq(event.step),
        ]
        with m.If(moves):
            m.d.sync += window.eq(unit.rest)
            with m.If(spike.last):
                m.d.sync += closing.eq(0)
        with m.If(hits.any() & advance):
            m.d.sync += [window.eq(hits), window_first.eq(added_chunk * lanes)]
        with m.If(adding & added_last & (added_chunk == chunks - 1) & advance):
            m.d.sync += closing.eq(1)
        with m.If(self.restart):
            m.d.sync += [
                *(each.eq(0) for each in (asking, adding, closing, window, chunk)),
                fresh.eq(1),
            ]
        return m

    def _memories(self, m, width):
        """The weights of a chunk of units and one input, the −θ of a chunk, and its potentials."""
        layer, lanes, chunks = self._layer, self._lanes, self.chunks
        spare = chunks * lanes - layer.outputs  # lanes of the last chunk that no unit has
        minus = np.concatenate([~layer.weight, np.zeros((spare, layer.inputs), bool)]).T
        m.submodules.rows = rows = memory.Memory(
            shape=lanes,
            depth=layer.inputs * chunks,
            attrs={"ram_style": "block"},
            init=[
                sum(1 << int(lane) for lane in row.nonzero()[0]) for row in minus.reshape(-1, lanes)
            ],
        )
        values = [-theta for theta in layer.threshold.tolist()] + [-1 << width - 1] * spare
        shape = data.ArrayLayout(signed(width), lanes)
        m.submodules.starts = starts = memory.Memory(
            shape=shape,
            depth=chunks,
            attrs={"rom_style": "logic"},
            init=[values[k * lanes : (k + 1) * lanes] for k in range(chunks)],
        )
        m.submodules.potentials = potentials = memory.Memory(
            shape=shape, depth=chunks, init=[], attrs={"ram_style": "block"}
        )
        return rows, starts, potentials
