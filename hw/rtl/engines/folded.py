"""The folded engine, for hidden layers: potentials in block RAM share a few adders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.rtl.engines.base import Engine, LayerSize
from hw.rtl.memories import BlockMemory, SinglePortBlocks
from hw.rtl.potentials import half_width, halved
from hw.rtl.priority import LowestBit
from hw.rtl.spram import COLUMN, SinglePortMemory
from hw.rtl.streams import SpikeBeat
from hw.rtl.weights import LoadLayout, minus_rows, row_word, weight_words
from sw.cli import UserError
from sw.network import Layer, Network

__all__ = ["Folded", "FoldedLayer"]

_LOADED_LANES = (16, 32, 64)  # multiples of a column that a word's address can be split by


@dataclass(frozen=True, kw_only=True)
class Folded(Engine):
    """The folded engine, for hidden layers: potentials in block RAM, a pass over them per spike.

    Parameters
    ----------
    lanes : int
        Unit lanes, P: units per cycle; fewer than half of the layer's.
    loaded : bool
        Weights are no part of the bitstream: they are loaded at start-up into two copies, so that
        a pass adds two spikes. On an iCE40 UP5K these are in SPRAM. 16, 32 or 64 lanes.
    """

    lanes: int = 16
    loaded: bool = False

    def __post_init__(self) -> None:
        if self.lanes < 1:
            raise UserError(f"Unit lanes must be at least 1, not {self.lanes!r}")
        if self.loaded and self.lanes not in _LOADED_LANES:
            raise UserError(
                f"Unit lanes of loaded weights must be 16, 32 or 64, not {self.lanes!r}"
            )

    @property
    def name(self) -> str:
        return f"folded-{self.lanes}{'-spram' if self.loaded else ''}"

    @classmethod
    def presets(cls) -> Sequence["Folded"]:
        return [
            *(cls(lanes=lanes) for lanes in (8, 16, 32)),
            *(cls(lanes=lanes, loaded=True) for lanes in (16, 32)),
        ]

    @property
    def block(self) -> str:
        return "folded"

    @property
    def fires(self) -> bool:
        return True

    @property
    def always_accepts(self) -> bool:
        return False

    @property
    def copies(self) -> int:
        """Memories that each hold all weights: spikes of a pass, at most."""
        return 2 if self.loaded else 1

    def chunks(self, outputs: int) -> int:
        """Cycles of a pass over a layer of that many units, K."""
        return -(-outputs // self.lanes)

    def check(self, network: Network, index: int, following: Engine | None) -> None:
        super().check(network, index, following)
        outputs = network.layers[index].outputs
        if 2 * self.lanes >= outputs:
            self._refuse(
                network,
                f"{self.lanes} unit lanes need more than {2 * self.lanes} units, layer {index} has "
                f"{outputs}; take {' or '.join(self._narrower(outputs)) or 'event'}",
            )
        if following is not None and following.banks > 1:
            self._refuse(
                network,
                f"folded layer {index} sends one spike per cycle, the next layer can use one bank "
                "only; take event",
            )

    def _narrower(self, outputs: int) -> list[str]:
        """The presets for so few units, with weights where these are."""
        fitting = (each for each in self.presets() if 2 * each.lanes < outputs)
        return [each.name for each in fitting if each.loaded == self.loaded]

    def component(
        self, *, layer: Layer, steps: int, margins: bool, most_spikes: int | None
    ) -> "FoldedLayer":
        return FoldedLayer(
            layer=layer, steps=steps, lanes=self.lanes, copies=self.copies, loaded=self.loaded
        )

    def load_words(self, layer: Layer) -> np.ndarray:
        return weight_words(layer, self.lanes)

    def memories(self, size: LayerSize) -> Sequence[BlockMemory]:
        chunks = self.chunks(size.outputs)
        potentials = BlockMemory(chunks, self.lanes * size.half_bits)
        weights = BlockMemory(size.inputs * chunks, self.lanes, constant=True)
        return [potentials] if self.loaded else [potentials, weights]

    def single_port_memories(self, size: LayerSize) -> Sequence[SinglePortBlocks]:
        if not self.loaded:
            return []
        rows = size.inputs * self.chunks(size.outputs)
        return [SinglePortBlocks(rows, self.lanes // COLUMN, count=self.copies)]

    def cost(self, size: LayerSize) -> Mapping[str, float]:
        # Of 16 chunks a bit of the thresholds is one cell's table.
        tables = -(-self.chunks(size.outputs) // 16)
        return {
            "lane_bit": self.lanes * size.half_bits,
            "threshold_bit": self.lanes * (size.half_bits + 1) * (tables - 1),
            "loader": int(self.loaded),
        }

    def weight_bits_per_cycle(self, outputs: int) -> int:
        return self.copies * self.lanes

    def most_cycles(self, inputs: int, outputs: int, steps: int) -> int:
        # If all inputs fire in steps of their own; its own spikes hold up passes.
        return (inputs + steps) * self.chunks(outputs) + outputs + FoldedLayer.latency * steps


class _Pass(data.StructLayout):
    """What a pass over all units adds: of each copy of the weights whether a spike's are taken.

    ``odd`` is set if the number of spikes before it is odd, ``fresh`` if there was no pass before.
    """

    def __init__(self, copies: int, steps: int):
        super().__init__({"spike": copies, "last": 1, "step": range(steps), "odd": 1, "fresh": 1})


class FoldedLayer(wiring.Component):
    """One hidden layer: integrates spikes in passes over its units, ``lanes`` a cycle, and in the
    last pass of a step sends the units that fire.

    Unit j is lane j mod P of chunk j // P. With two copies of the weights a pass adds any two
    spikes of a step; it begins when there are two or the step ends.

    The memory of potentials holds half of V − θ, rounded down; the lowest bit follows from the
    number of spikes, as in hw.rtl.engines.event_driven, and an empty place for a spike counts as
    that bit. The first pass of an inference takes −θ in place of what the memory holds. A unit that
    has fired holds the least value of all, which V − θ never is, and keeps it.

    Latency: of a step with ``chunks`` = K chunks, the first spike may come ``latency`` = 5 cycles
    after its last beat was accepted, its last beat ``last_latency`` = K + 4 cycles after it if
    no unit fires.
    Throughput: ``copies`` spikes every K cycles. One spike per cycle out; a chunk in which units
    fire waits until those of the chunk before are sent.

    Parameters
    ----------
    layer : sw.network.Layer
        Its inputs fire once at most.
    steps : int
        T.
    lanes : int
        Unit lanes, P: units per cycle; fewer than half of all, so that a pass has three chunks at
        least. Where weights are loaded 16, 32 or 64.
    copies : 1 or 2
        Memories that each hold all weights.
    loaded : bool
        The weights are not known to the hardware: they come through ``load``.

    Members
    -------
    beats : stream of SpikeBeat
        Of the layer before, in time order.
    spikes : stream of SpikeBeat
        Of the units that reach their threshold for the first time. The last beat of a step may
        come without a spike.
    can_accept : 1
        A beat that is offered is accepted.
    restart : 1
        A new inference begins: nothing is in flight, all potentials are −θ.
    load : stream of LoadLayout
        Only where ``loaded``. Words may come while no inference runs, each at any time.
    """

    latency = 5

    def __init__(
        self, *, layer: Layer, steps: int, lanes: int, copies: int = 1, loaded: bool = False
    ):
        if not 1 <= 2 * lanes < layer.outputs:
            raise ValueError(f"Unit lanes must be less than half of {layer.outputs}, not {lanes!r}")
        if copies not in (1, 2):
            raise ValueError(f"Copies must be 1 or 2, not {copies!r}")
        if loaded and lanes not in _LOADED_LANES:
            raise ValueError(f"Unit lanes of loaded weights must be 16, 32 or 64, not {lanes!r}")
        self._layer = layer
        self._steps = steps
        self._lanes = lanes
        self._copies = copies
        self._loaded = loaded
        members = {
            "beats": In(stream.Signature(SpikeBeat(layer.inputs, steps))),
            "spikes": Out(stream.Signature(SpikeBeat(layer.outputs, steps))),
            "can_accept": Out(1),
            "restart": In(1),
        }
        if loaded:
            words = layer.inputs * -(-layer.outputs // lanes) * lanes // COLUMN
            members["load"] = In(stream.Signature(LoadLayout(words), always_ready=True))
        super().__init__(members)

    @property
    def chunks(self) -> int:
        """Cycles of a pass over all units, K."""
        return -(-self._layer.outputs // self._lanes)

    @property
    def last_latency(self) -> int:
        """Cycles from the last beat of a step to its last own beat, if no unit fires."""
        return self.latency + self.chunks - 1

    def elaborate(self, platform):
        m = Module()
        chunks = self.chunks
        begin, advance = Signal(), Signal()
        waiting, rows = self._gather(m, begin)

        # Stage 1 asks the memories for a chunk of units.
        reading, read, final = Signal(), Signal(), Signal()
        read_pass = Signal.like(waiting)
        chunk = Signal(range(chunks))
        addresses = [
            Signal(range(self._layer.inputs * chunks), name=f"address_{copy}")
            for copy in range(self._copies)
        ]
        m.d.comb += [
            read.eq(reading & advance),
            final.eq(chunk == chunks - 1),
            begin.eq(~self.can_accept & (~reading | (final & advance))),
        ]
        with m.If(read):
            m.d.sync += [address.eq(address + 1) for address in addresses]
            m.d.sync += [chunk.eq(Mux(final, 0, chunk + 1)), reading.eq(~final)]
        with m.If(begin):
            m.d.sync += [reading.eq(1), read_pass.eq(waiting)]
            m.d.sync += [
                address.eq(row * chunks) for address, row in zip(addresses, rows, strict=True)
            ]

        # Stage 2 adds to it, stage 3 writes it back, and the units that fire go to a window.
        adding, add_pass, add_chunk = Signal(), Signal.like(read_pass), Signal.like(chunk)
        writing, write_pass, write_chunk = Signal(), Signal.like(read_pass), Signal.like(chunk)
        with m.If(advance):
            m.d.sync += [
                adding.eq(reading),
                add_pass.eq(read_pass),
                add_chunk.eq(chunk),
                writing.eq(adding),
                write_pass.eq(add_pass),
                write_chunk.eq(add_chunk),
            ]
        minus = [self._weights(m, copy, address, read) for copy, address in enumerate(addresses)]
        start, old, new = self._memories(m, chunk, read)
        m.d.comb += [new.addr.eq(write_chunk), new.en.eq(writing & advance)]
        fires = self._add(m, add_pass, minus, start, old, advance, write_pass.last, new.data)
        self._send(m, fires, writing, write_pass, write_chunk, advance)
        with m.If(self.restart):
            m.d.sync += [each.eq(0) for each in (reading, adding, writing, chunk)]
        return m

    def _gather(self, m, begin):
        """The spikes of the next pass, and of which inputs they are."""
        waiting = Signal(_Pass(self._copies, self._steps))
        rows = Signal(data.ArrayLayout(range(self._layer.inputs), self._copies))
        beat = self.beats.payload
        m.d.comb += [
            self.can_accept.eq(~(waiting.spike.all() | waiting.last)),
            self.beats.ready.eq(self.can_accept),
        ]
        with m.If(self.beats.valid & self.can_accept):
            m.d.sync += [waiting.last.eq(beat.last), waiting.step.eq(beat.step)]
            for copy in range(self._copies):
                with m.If(~waiting.spike[copy] & waiting.spike[:copy].all()):
                    m.d.sync += [waiting.spike[copy].eq(beat.spike), rows[copy].eq(beat.row[0])]
        with m.If(begin):
            m.d.sync += [
                waiting.spike.eq(0),
                waiting.last.eq(0),
                waiting.odd.eq(waiting.odd ^ waiting.spike.xor()),
                waiting.fresh.eq(0),
            ]
        with m.If(self.restart):
            m.d.sync += [waiting[name].eq(0) for name in ("spike", "last", "odd")]
            m.d.sync += waiting.fresh.eq(1)
        return waiting, rows

    def _add(self, m, add_pass, minus, start, old, advance, last, new):
        """Adds what a pass adds to a chunk of potentials; then, in ``new``, what is to be written.
        Returns the lanes that have reached their threshold and have not fired before.
        """
        fires, width = Signal(self._lanes), half_width(self._layer)
        fired_value = -1 << width - 1
        for lane in range(self._lanes):
            total = Signal(signed(width), name=f"total_{lane}", reset_less=True)
            has_fired = Signal(name=f"has_fired_{lane}", reset_less=True)
            potential = Signal(signed(width), name=f"potential_{lane}")
            filler, carry = Signal(name=f"filler_{lane}"), Signal(name=f"carry_{lane}")
            m.d.comb += [
                potential.eq(Mux(add_pass.fresh, start[lane].half, old[lane])),
                # Where one spike comes alone.
                filler.eq(add_pass.spike[0] & (add_pass.odd ^ start[lane].odd)),
                carry.eq(filler),
                fires[lane].eq(~total[-1] & ~has_fired),
                new[lane].eq(Mux(has_fired | (last & ~total[-1]), fired_value, total)),
            ]
            if self._copies == 2:
                with m.If(add_pass.spike[1]):
                    m.d.comb += carry.eq(~minus[1][lane])
            addend = (minus[0][lane] & add_pass.spike[0]).replicate(width)
            with m.If(advance):
                m.d.sync += [
                    total.eq(potential + addend + carry),
                    has_fired.eq(potential == fired_value),
                ]
        return fires

    def _send(self, m, fires, writing, write_pass, chunk, advance):
        """The units of a chunk that fire go to a window if it is empty; until then all stall."""
        window, first = Signal(self._lanes), Signal(range(self._layer.outputs))
        closing = Signal()  # the window is the last of its step
        new = Signal()
        m.submodules.unit = unit = LowestBit(self._lanes)
        spike = self.spikes.payload
        m.d.comb += [
            unit.i.eq(window),
            new.eq(writing & write_pass.last & (fires.any() | (chunk == self.chunks - 1))),
            advance.eq(~(new & self.spikes.valid)),
            self.spikes.valid.eq(unit.any | closing),
            spike.row[0].eq(first + unit.index),
            spike.spike.eq(unit.any),
            spike.last.eq(closing & ~unit.several),
        ]
        with m.If(self.spikes.ready):
            m.d.sync += window.eq(unit.rest)
            with m.If(spike.last):
                m.d.sync += closing.eq(0)
        with m.If(new & ~self.spikes.valid):
            m.d.sync += [
                window.eq(fires),
                first.eq(chunk * self._lanes),
                closing.eq(chunk == self.chunks - 1),
                spike.step.eq(write_pass.step),
            ]
        with m.If(self.restart):
            m.d.sync += [window.eq(0), closing.eq(0)]

    def _weights(self, m, copy, address, read):
        """What a memory of weights has at ``address``: a bit per lane, set for −1."""
        depth = self._layer.inputs * self.chunks
        if self._loaded:
            columns = self._lanes // COLUMN
            rows = SinglePortMemory(depth=depth, columns=columns)
            m.submodules[f"loaded_{copy}"] = rows
            word = self.load.payload
            column = word.address[: exact_log2(columns)]
            m.d.comb += [
                rows.address.eq(Mux(self.load.valid, word.address >> exact_log2(columns), address)),
                rows.enable.eq(self.load.valid | read),
                rows.write.eq(Cat(self.load.valid & (column == k) for k in range(columns))),
                rows.word.eq(word.data),
            ]
            return rows.data
        words = minus_rows(self._layer, self._lanes)
        m.submodules[f"rows_{copy}"] = rows = memory.Memory(
            shape=self._lanes,
            depth=depth,
            attrs={"ram_style": "block"},
            init=[row_word(row) for row in words],
        )
        port = rows.read_port()
        m.d.comb += [port.addr.eq(address), port.en.eq(read)]
        return port.data

    def _memories(self, m, chunk, read):
        """The −θ of a chunk, as half of it and its lowest bit; its potentials; and where they are
        written.
        """
        lanes, width = self._lanes, half_width(self._layer)
        halves = [halved(-threshold) for threshold in self._layer.threshold.tolist()]
        values = [{"half": half, "odd": odd} for half, odd in halves]
        # A lane of the last chunk without a unit counts as one that has fired.
        values += [{"half": -1 << width - 1, "odd": 0}] * (-self._layer.outputs % lanes)
        layout = data.StructLayout({"half": signed(width), "odd": 1})
        m.submodules.starts = starts = memory.Memory(
            shape=data.ArrayLayout(layout, lanes),
            depth=self.chunks,
            attrs={"rom_style": "logic"},
            init=[values[k * lanes : (k + 1) * lanes] for k in range(self.chunks)],
        )
        m.submodules.potentials = potentials = memory.Memory(
            shape=data.ArrayLayout(signed(width), lanes),
            depth=self.chunks,
            init=[],
            attrs={"ram_style": "block", "no_rw_check": 1},
        )
        # With a register behind an asynchronous port, synthesis believes that no chunk is read
        # while it is written, which three stages and three chunks rule out.
        start, stored = starts.read_port(), potentials.read_port(domain="comb")
        # Plain bits: an array's register would come with a wire ``old[3]`` per lane, which Yosys
        # 0.70, where it hands over to ABC9, mistakes for a bit of ``old``.
        old = Signal(self._lanes * width, reset_less=True)
        m.d.comb += [start.addr.eq(chunk), start.en.eq(read), stored.addr.eq(chunk)]
        with m.If(read):
            m.d.sync += old.eq(stored.data)
        return start.data, data.View(potentials.shape, old), potentials.write_port()
