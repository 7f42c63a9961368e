"""The popcount engine: at the end of a step, XNOR with the weights and popcount of fired flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.banks import bank_of, row_of
from hw.rtl.engines.base import Engine, LayerSize
from hw.rtl.memories import BlockMemory
from hw.rtl.potentials import margin_shapes
from hw.rtl.shared_popcount import counts
from hw.rtl.streams import MarginsLayout, ReachedLayout, SpikeBeat
from hw.rtl.weights import row_word
from sw.cli import UserError
from sw.network import Layer, Network

__all__ = ["Popcount", "PopcountLayer", "rounds"]


@dataclass(frozen=True, kw_only=True)
class Popcount(Engine):
    """The popcount engine: at the end of a step, XNOR with the weights and popcount of fired flags.

    Parameters
    ----------
    flags : int, optional
        Flags of the layer before, processed per cycle, W, with weights in block RAM.
        Without it, all at once, and the weights become logic.
    """

    flags: int | None = None

    def __post_init__(self) -> None:
        if self.flags is not None and self.flags < 1:
            raise UserError(f"Flags must be at least 1, not {self.flags!r}")

    @property
    def name(self) -> str:
        return "popcount" if self.flags is None else f"popcount-{self.flags}"

    @classmethod
    def presets(cls) -> Sequence[Engine]:
        return [cls(), *(cls(flags=flags) for flags in (8, 16, 32))]

    def check(self, network: Network, index: int, following: Engine | None) -> None:
        inputs = network.layers[index].inputs
        if (self.flags or 0) > inputs:
            self._refuse(
                network,
                f"{self.flags} flags per cycle need as many inputs, layer {index} has {inputs}; "
                "take fewer",
            )
        super().check(network, index, following)

    def component(
        self, *, layer: Layer, steps: int, margins: bool, most_spikes: int | None
    ) -> "PopcountLayer":
        return PopcountLayer(
            layer=layer, steps=steps, margins=margins, flags=self.flags, banks=self.banks
        )

    def memories(self, size: LayerSize) -> Sequence[BlockMemory]:
        depth = rounds(size.inputs, self.flags)
        if self.flags is None or depth == 1:
            return []  # weights are constants
        return [BlockMemory(depth, self.flags * size.outputs, constant=True)]

    def cost(self, size: LayerSize) -> Mapping[str, float]:
        result = {"potential_bit": size.outputs * size.margin_bits, "flag": size.inputs}
        if self.flags is None:  # only the rarer sign is counted
            shared = size.outputs * (size.inputs / 2 - 0.4 * size.inputs**0.5)
            return result | {"shared_weight": shared}
        counted = size.outputs * self.flags
        levels = (self.flags - 1).bit_length()
        return result | {"counted_weight": counted, "counted_level_weight": counted * levels}

    def weight_bits_per_cycle(self, outputs: int) -> int:
        return outputs

    def most_cycles(self, inputs: int, outputs: int, steps: int) -> int:
        return inputs + (rounds(inputs, self.flags) + 1) * steps


def rounds(inputs: int, flags: int | None) -> int:
    """Cycles to look at the flags of ``inputs`` units, ``flags`` in each; one without ``flags``."""
    return 1 if flags is None else -(-inputs // flags)


class PopcountLayer(wiring.Component):
    """One layer's integrate step: at the end of a step, all potentials anew from the flags of the
    units that have fired, ``flags`` of them per cycle. It takes the place of
    hw.rtl.engines.event_driven.

    With s the flags, w the weight bits and M = popcount(xnor(s, w)), V = M − (number of −1
    weights) (docs/spec.md, "Identities"). A word of flags and its weights, a row of a block RAM,
    add their matches to V − θ, which starts at −θ − (number of −1 weights).

    All flags at once need no memory: weights are constants. Then V = 2·popcount(s & w) −
    popcount(s), so only the flags with a weight +1 are counted, or with a weight −1 if these are
    fewer, by adders that units share.

    Latency: ``latency`` = ``rounds`` + 1 cycles from the last beat of a step to its potentials,
    with ``rounds`` = ceil(inputs / flags).
    Throughput: one beat per cycle; after the last of a step ``rounds`` cycles without any.

    Parameters
    ----------
    layer : sw.network.Layer
        Its inputs fire once at most.
    steps : int
        T.
    margins : bool
        Give the margins, for the output layer, and not only which units reached the threshold.
    flags : int, optional
        Flags processed per cycle, W; without it, all.
    banks : 1, 2 or 4
        Spikes of a beat, E.

    Members
    -------
    beats : stream of SpikeBeat
        Of the layer before, in time order.
    potentials : stream of MarginsLayout or ReachedLayout
        At the end of each step that the beats visit.
    restart : 1
        A new inference begins: no unit has fired.
    """

    def __init__(
        self,
        *,
        layer: Layer,
        steps: int,
        margins: bool,
        flags: int | None = None,
        banks: int = 1,
    ):
        self._layer = layer
        self._margins = margins
        self._flags = min(flags or layer.inputs, layer.inputs)
        self._banks = banks
        layout = MarginsLayout if margins else ReachedLayout
        super().__init__(
            {
                "beats": In(stream.Signature(SpikeBeat(layer.inputs, steps, banks))),
                "potentials": Out(stream.Signature(layout(layer, steps))),
                "restart": In(1),
            }
        )

    @property
    def rounds(self) -> int:
        """Cycles to look at all flags."""
        return rounds(self._layer.inputs, self._flags)

    @property
    def latency(self) -> int:
        """Cycles from the last beat of a step to its potentials."""
        return self.rounds + 1

    def elaborate(self, platform):
        m = Module()
        beat = self.beats.payload
        busy, done, accept = Signal(), Signal(), Signal()
        m.d.comb += [
            self.beats.ready.eq(~busy & (~self.potentials.valid | self.potentials.ready)),
            accept.eq(self.beats.valid & self.beats.ready),
        ]
        with m.If(self.potentials.ready):
            m.d.sync += self.potentials.valid.eq(0)
        with m.If(accept):
            m.d.sync += [busy.eq(beat.last), self.potentials.payload.step.eq(beat.step)]
        with m.If(done):
            m.d.sync += [busy.eq(0), self.potentials.valid.eq(1)]

        # In each round the flags rotate by a word; after all rounds they are in place again.
        fired = Signal(self.rounds * self._flags)
        arriving = Signal(self._layer.inputs)
        m.d.comb += arriving.eq(
            Cat(
                beat.spike[bank_of(unit, self._banks)]
                & (beat.row[bank_of(unit, self._banks)] == row_of(unit, self._banks))
                for unit in range(self._layer.inputs)
            )
        )
        with m.If(accept):
            m.d.sync += fired[: len(arriving)].eq(fired[: len(arriving)] | arriving)
        with m.Elif(busy):
            m.d.sync += fired.eq(fired.rotate_right(self._flags))

        potentials = [
            Signal(shape, name=f"potential_{j}", reset_less=True)
            for j, shape in enumerate(margin_shapes(self._layer))
        ]
        if self.rounds == 1:
            m.d.comb += done.eq(busy)
            self._look_at_all(m, fired, busy, potentials)
        else:
            self._look_at_words(m, fired, busy, done, accept, potentials)
        for j, potential in enumerate(potentials):
            if self._margins:
                m.d.comb += self.potentials.payload.margin[j].eq(potential)
            else:
                m.d.comb += self.potentials.payload.reached[j].eq(~potential[-1])
        with m.If(self.restart):
            m.d.sync += [fired.eq(0), busy.eq(0), self.potentials.valid.eq(0)]
        return m

    def _look_at_all(self, m, fired, busy, potentials):
        weights = self._layer.weight
        plus = 2 * weights.sum(axis=1) <= len(fired)  # the flags with +1 are counted
        fewer = np.where(plus[:, None], weights, ~weights)
        sets = np.vstack([fewer, np.ones((1, len(fired)), bool)])
        *counted, number = counts(m, list(fired), sets, "counted")
        units = zip(plus, counted, self._layer.threshold.tolist(), strict=True)
        for j, (direct, count, theta) in enumerate(units):
            total = 2 * count - number if direct else number - 2 * count
            with m.If(busy):
                m.d.sync += potentials[j].eq(total - theta)

    def _look_at_words(self, m, fired, busy, done, accept, potentials):
        layer, flags = self._layer, self._flags
        # A padding flag is never set; with a weight +1 it never matches.
        weight = np.ones((layer.outputs, len(fired)), bool)
        weight[:, : layer.inputs] = layer.weight
        words = weight.reshape(layer.outputs, self.rounds, flags).transpose(1, 0, 2)
        m.submodules.rows = rows = memory.Memory(
            shape=flags * layer.outputs,
            depth=self.rounds,
            attrs={"ram_style": "block"},
            init=[row_word(word.reshape(-1)) for word in words],
        )
        word = rows.read_port()
        turn = Signal(range(self.rounds))
        m.d.comb += [
            done.eq(busy & (turn == self.rounds - 1)),
            word.addr.eq(Mux(busy & ~done, turn + 1, 0)),
            word.en.eq(accept | busy),
        ]
        m.d.sync += turn.eq(word.addr)
        start = -layer.threshold.astype(int) - (~layer.weight).sum(axis=1)
        for j, potential in enumerate(potentials):
            same = Signal(flags, name=f"same_{j}")
            matches = Signal(range(flags + 1), name=f"matches_{j}")
            m.d.comb += [
                same.eq(~(fired[:flags] ^ word.data[j * flags : (j + 1) * flags])),
                matches.eq(_popcount(same)),
            ]
            with m.If(accept):
                m.d.sync += potential.eq(int(start[j]))
            with m.Elif(busy):
                m.d.sync += potential.eq(potential + matches)


def _popcount(bits):
    """Number of set bits, by a tree of additions."""
    level = list(bits) or [Const(0, 1)]
    while len(level) > 1:
        level = [sum(level[k : k + 2]) for k in range(0, len(level), 2)]
    return level[0]
