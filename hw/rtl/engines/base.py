"""The engine: how a layer, or a whole network, is computed, and its interface to the rest of the
project.

An engine's file holds its settings, a subclass of :class:`Engine` or :class:`NetworkEngine`, and
the component that they make. No other module knows which engine a layer has: the core, the
estimate, the cycle model and the simulator use this interface. ``docs/add_an_engine.md`` has the
files to touch.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn

import numpy as np
from amaranth.hdl import Module, Value
from amaranth.lib import wiring

from hw.rtl.decide import Decide, compared_bits
from hw.rtl.memories import BlockMemory, DistributedMemory, SinglePortBlocks
from hw.rtl.potentials import half_width, margin_shapes
from hw.rtl.weights import LoadLayout
from sw.cli import UserError
from sw.network import Layer, Network
from sw.structure import Coding

__all__ = ["Engine", "LayerSize", "NetworkEngine"]


@dataclass(frozen=True, kw_only=True)
class LayerSize:
    """What decides how large a layer's hardware is.

    Parameters
    ----------
    inputs, outputs : int
        Units before it, and its own.
    margin_bits : float
        Bits of an average unit's ``V − θ``.
    half_bits : int
        Bits of half of it, the same for all units, with one value to spare.
    """

    inputs: int
    outputs: int
    margin_bits: float
    half_bits: int

    @classmethod
    def of(cls, layer: Layer, most_spikes: int | None = None) -> "LayerSize":
        """The size of ``layer``; ``most_spikes`` as for :meth:`Engine.component`."""
        widths = [shape.width for shape in margin_shapes(layer, most_spikes)]
        return cls(
            inputs=layer.inputs,
            outputs=layer.outputs,
            margin_bits=sum(widths) / len(widths),
            half_bits=half_width(layer),
        )


@dataclass(frozen=True, kw_only=True)
class Engine(ABC):
    """The settings of an engine: a frozen, keyword-only dataclass that checks itself.

    The component that it makes has these members:

    - ``beats``, in: the stream of SpikeBeat of the layer before, in time order;
    - ``restart``, in: a new inference begins, and all that is in flight is dropped;
    - ``potentials``, out: at the end of each step, a stream of ReachedLayout for the fire block or
      of MarginsLayout for the decision; or, where :attr:`fires`, ``spikes``, out: the stream of
      SpikeBeat of its own units;
    - ``can_accept``, out, unless :attr:`always_accepts`: a beat that is offered is accepted;
    - ``load``, in, where :attr:`loaded`: words of weights, in a stream that is always ready.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """As ``--engine`` takes it, if it is one of :meth:`presets`."""

    @classmethod
    @abstractmethod
    def presets(cls) -> Sequence["Engine"]:
        """The settings that ``--engine`` offers."""

    @property
    def block(self) -> str:
        """What its block is called in the core, before the layer's number."""
        return "integrate"

    @property
    def banks(self) -> int:
        """The most spikes that it takes per cycle, E: one of each bank (hw/rtl/banks.py)."""
        return 1

    @property
    def fires(self) -> bool:
        """It compares with the thresholds itself and sends spikes. So it has no margins as output,
        and is for hidden layers.
        """
        return False

    @property
    def firing_block(self) -> str:
        """The block whose ``spikes`` are those of its layer, if that is a hidden one."""
        return self.block if self.fires else "fire"

    @property
    def always_accepts(self) -> bool:
        """It accepts a beat in each cycle as long as no step has ended."""
        return True

    @property
    def repeats(self) -> bool:
        """Its inputs may fire more than once."""
        return False

    @property
    def loaded(self) -> bool:
        """Its weights are no part of the bitstream: they are loaded at start-up."""
        return False

    def check(self, network: Network, index: int, following: "Engine | None") -> None:
        """Raises :class:`UserError` if it cannot be the engine of layer ``index`` of ``network``,
        where ``following`` is that of the layer after, None for the last one.
        """
        if self.fires and following is None:
            self._refuse(
                network,
                f"its output layer must give all margins, {self.block} is for hidden "
                "layers only; append ',event'",
            )
        inputs = network.layers[index].inputs
        if self.banks > inputs:
            self._refuse(
                network,
                f"{self.banks} banks need as many inputs, layer {index} has {inputs}; take fewer "
                "banks",
            )

    def _refuse(self, network: Network, reason: str) -> NoReturn:
        raise UserError(f"network {network.name!r}: {reason}")

    @abstractmethod
    def component(
        self, *, layer: Layer, steps: int, margins: bool, most_spikes: int | None
    ) -> wiring.Component:
        """The block of ``layer``.

        Parameters
        ----------
        layer : Layer
        steps : int
            T.
        margins : bool
            It is the output layer, and gives its margins.
        most_spikes : int, optional
            Spikes of an inference at most; None where each input fires once at most.
        """

    def load_layout(self, layer: Layer) -> LoadLayout:
        """Where :attr:`loaded`: ``address`` and ``data`` of a word of weights."""
        return LoadLayout(len(self.load_words(layer)))

    # Not abstract: an engine whose weights are in the bitstream is never asked for it.
    def load_words(self, layer: Layer) -> np.ndarray:
        """Where :attr:`loaded`: the words of weights, uint16 in ascending order of addresses."""
        raise NotImplementedError(f"{self.name} has no weights to load")

    @abstractmethod
    def memories(self, size: LayerSize) -> Sequence[BlockMemory]:
        """The memories for block RAM."""

    def single_port_memories(self, size: LayerSize) -> Sequence[SinglePortBlocks]:
        """The memories for single-port RAM."""
        return ()

    @abstractmethod
    def cost(self, size: LayerSize) -> Mapping[str, float]:
        """What its logic cells are linear in, by the names of hw/explore/coefficients.py."""

    @abstractmethod
    def weight_bits_per_cycle(self, outputs: int) -> int:
        """Weights that its memories deliver per cycle, for a layer of that many units."""

    @abstractmethod
    def most_cycles(self, inputs: int, outputs: int, steps: int) -> int:
        """The most cycles of an inference without back-pressure, if each input fires once."""


@dataclass(frozen=True, kw_only=True)
class NetworkEngine(ABC):
    """The settings of an engine that makes all layers of a network, one after another: a frozen,
    keyword-only dataclass that checks itself.

    The component that it makes has these members:

    - ``arrivals``, in, where the network takes pixels: the stream of ArrivalLayout of its encoder;
    - ``beats``, in, where it takes events: the stream of SpikeBeat of the bypass;
    - ``restart``, in: the inference is decided, and the next one begins;
    - ``potentials``, out: at the end of each step of the output layer, a stream of MarginsLayout;
    - ``load``, in, where :attr:`loaded`: words of weights, in a stream that is always ready;
    - ``fault``, out, where :meth:`can_fault`: the inference has more spikes than it can hold.

    An engine of networks of another :attr:`coding`, or one that gives margins in another way,
    brings its own :meth:`decision`, and :meth:`join` connects it.
    """

    coding: ClassVar[Coding] = "first-spike"

    @property
    @abstractmethod
    def name(self) -> str:
        """As ``--engine`` takes it, if it is one of :meth:`presets`."""

    @classmethod
    @abstractmethod
    def presets(cls) -> Sequence["NetworkEngine"]:
        """The settings that ``--engine`` offers."""

    @property
    @abstractmethod
    def block(self) -> str:
        """What its block is called in the core."""

    @property
    def loaded(self) -> bool:
        """Its weights are no part of the bitstream: they are loaded at start-up."""
        return False

    @property
    def spike_cycles(self) -> int:
        """Cycles in which it takes an input that fires; one that does not takes one."""
        return 1

    # In all that follows ``most_events`` are the input spikes of an inference at most, None where
    # each input fires once at most.

    @abstractmethod
    def check(self, network: Network, most_events: int | None) -> None:
        """Raises :class:`UserError` if it cannot make ``network``."""

    @abstractmethod
    def component(self, network: Network, most_events: int | None) -> wiring.Component:
        """The block of ``network``."""

    def decision(
        self, network: Network, *, can_fault: bool, most_spikes: int | None
    ) -> wiring.Component:
        """The block behind the engine, with a stream ``result`` whose payload has ``label``,
        ``step``, ``margin`` and, where ``can_fault``, ``fault``, and with ``decided``, set for a
        cycle when nothing that follows can change the result. ``most_spikes`` reach the output
        layer.
        """
        return Decide(
            layer=network.layers[-1],
            steps=network.steps,
            can_fault=can_fault,
            most_spikes=most_spikes,
        )

    def join(
        self,
        m: Module,
        block: wiring.PureInterface,
        decide: wiring.PureInterface,
        *,
        started: Value,
    ) -> None:
        """Connects the engine's ``block`` and its :meth:`decision`; ``started`` is clear in the
        first cycle after reset.
        """
        m.d.comb += block.restart.eq(decide.decided | ~started)
        wiring.connect(m, block.potentials, decide.potentials)

    def decision_cost(self, network: Network, most_spikes: int | None) -> Mapping[str, float]:
        """As :meth:`cost`, of :meth:`decision` alone."""
        shapes = margin_shapes(network.layers[-1], most_spikes)
        width = max(shape.width for shape in shapes)
        return {"decision_bit": compared_bits(network.sizes[-1], width)}

    def can_fault(self, network: Network, most_events: int | None) -> bool:
        """An inference may have more spikes than it can hold; its result then is a fault."""
        return False

    def load_layout(self, network: Network) -> LoadLayout:
        """Where :attr:`loaded`: ``address`` and ``data`` of a word of weights."""
        return LoadLayout(len(self.load_words(network)))

    # Not abstract: an engine whose weights are in the bitstream is never asked for it.
    def load_words(self, network: Network) -> np.ndarray:
        """Where :attr:`loaded`: the words of weights, uint16 in ascending order of addresses."""
        raise NotImplementedError(f"{self.name} has no weights to load")

    @abstractmethod
    def memories(self, network: Network, most_events: int | None) -> Sequence[BlockMemory]:
        """The memories for block RAM in any case."""

    def single_port_memories(
        self, network: Network, most_events: int | None
    ) -> Sequence[SinglePortBlocks]:
        """The memories for single-port RAM where the part has some, else for block RAM."""
        return ()

    def distributed_memories(
        self, network: Network, most_events: int | None
    ) -> Sequence[DistributedMemory]:
        """The memories for distributed RAM, of a part that has some."""
        return ()

    @abstractmethod
    def weight_memory(self, network: Network) -> BlockMemory | SinglePortBlocks:
        """The one of these that holds the weights."""

    def tables(self, network: Network) -> Sequence[tuple[str, int, int]]:
        """What it keeps in rows of bits outside of any memory, as logic or, where :attr:`loaded`,
        in flip-flops: what that is, the rows, and the bits of each.
        """
        return ()

    @abstractmethod
    def cost(self, network: Network, most_events: int | None) -> Mapping[str, float]:
        """What its logic cells are linear in, by the names of hw/explore/coefficients.py."""

    @property
    @abstractmethod
    def granularity(self) -> int:
        """Channels of a layer in steps of which its hardware grows."""

    def preference(self, network: Network) -> int:
        """What presets of one engine are compared by: of those that fit a board the one with the
        least is taken, which computes the most per cycle.
        """
        return -self.granularity

    @abstractmethod
    def most_cycles(self, network: Network, most_events: int | None) -> int:
        """The most cycles of an inference without back-pressure."""

    @abstractmethod
    def idle_cycles(self, network: Network) -> int:
        """Cycles after a decision until it is ready for any input."""
