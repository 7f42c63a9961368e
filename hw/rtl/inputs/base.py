"""The input: what a core takes, and its interface to the rest of the project.

No other module knows which one a network has: the core, the exported Verilog, the estimate, the
cycle model and the simulator use this interface.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np
from amaranth.hdl import Module, Value
from amaranth.lib import wiring

from hw.rtl.engines.base import Engine
from hw.rtl.memories import BlockMemory
from sw.cli import UserError
from sw.encoder import Inputs, NetworkEncoder
from sw.network import Network

__all__ = ["MOST_EVENTS", "Input", "Place"]

MOST_EVENTS = 4095  # spikes of an inference, at most, unless a config says more

# Puts a block into a module under a name; returns the interface to connect.
Place = Callable[[Module, str, wiring.Component], wiring.PureInterface]


@dataclass(frozen=True, kw_only=True)
class Input(ABC):
    """What a core takes.

    Parameters
    ----------
    encoder : NetworkEncoder
        The network's, of the class ``encodes``.
    pixels : int
        Pixel lanes, where it takes pixels: so many per cycle.
    most_events : int
        Where its units may fire more than once: spikes of an inference, at most.
    """

    encoder: NetworkEncoder
    pixels: int
    most_events: int

    encodes: ClassVar[type]
    port: ClassVar[str]  # the name of its stream in the core's signature
    cycles_from: ClassVar[str]  # what latency is counted from, as human-readable text
    blocks: ClassVar[str]  # what it is made of, as human-readable text
    front_blocks: ClassVar[str]  # the same before an engine of the whole network
    can_select: ClassVar[bool]  # a network may be trained with fewer of its inputs
    can_fault: ClassVar[bool]  # an input may be invalid; its result then is a fault
    brings: ClassVar[str]  # the stream that an engine of the whole network takes of it

    narrow: ClassVar[bool]  # pixels may come through fewer pins (hw/rtl/pixel_port.py)
    # Where the values of the data ports (``flat_ports``) begin in the numbers of ``beats``.
    beat_bits: ClassVar[Mapping[str, int]]

    @abstractmethod
    def check(self, network: Network, first: Engine | None) -> None:
        """Raises :class:`UserError` if it cannot be the input of ``network``, whose first layer is
        made by ``first``; None where an engine makes the whole network.
        """

    def _refuse(self, network: Network, reason: str) -> NoReturn:
        raise UserError(f"network {network.name!r}{reason}")

    @property
    @abstractmethod
    def most_spikes(self) -> int | None:
        """Spikes of an inference at most; None where each unit fires once at most."""

    @property
    @abstractmethod
    def latency(self) -> int:
        """Cycles from the beat that an inference's latency is counted from to what it brings the
        first layer: for pixels the end of step 0, for events the first spike.
        """

    @abstractmethod
    def stream_shape(self, steps: int) -> Any:
        """The payload of the core's port, of which one is a beat."""

    @abstractmethod
    def front(
        self, m: Module, place: Place, port: wiring.PureInterface, *, steps: int
    ) -> wiring.PureInterface:
        """Puts the blocks into the core that stand before an engine of the whole network, and
        connects ``port`` to them.

        Returns the interface of the last one, with the stream :attr:`brings` and, where
        :attr:`can_fault`, ``finish`` and ``fault``.
        """

    @abstractmethod
    def source(
        self, m: Module, place: Place, port: wiring.PureInterface, *, steps: int, banks: int
    ) -> wiring.PureInterface:
        """Puts the blocks into the core that stand before the first layer, and connects ``port`` to
        them.

        Returns the interface of the last one, with ``beats``, ``finish`` and, where
        :attr:`can_fault`, ``fault``.
        """

    @abstractmethod
    def accept_when(self, source: wiring.PureInterface, can_accept: Value | int) -> Sequence[Any]:
        """Statements that tell ``source`` when the first layer takes a beat at once."""

    @abstractmethod
    def flat_ports(self, port: wiring.PureInterface) -> Mapping[str, tuple[wiring.Flow, Value]]:
        """The values of the core's ``port`` and the names that they have in the Verilog's ports."""

    @abstractmethod
    def manifest(self) -> Mapping[str, object]:
        """What an integrator has to know of it, as JSON values."""

    @abstractmethod
    def front_memories(self) -> Sequence[BlockMemory]:
        """The memories for block RAM of :meth:`front` alone."""

    @abstractmethod
    def front_cost(self) -> Mapping[str, float]:
        """As :meth:`cost`, of :meth:`front` alone."""

    @abstractmethod
    def memories(self, *, inputs: int, steps: int, banks: int) -> Sequence[BlockMemory]:
        """The memories for block RAM, if there are ``inputs`` units."""

    @abstractmethod
    def cost(self, *, inputs: int, steps: int, banks: int) -> Mapping[str, float]:
        """What its logic cells are linear in, by the names of hw/explore/coefficients.py."""

    @property
    @abstractmethod
    def load_cycles(self) -> int:
        """Cycles in which an inference is taken before its latency begins."""

    @abstractmethod
    def beats(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """What the port takes beat by beat, one number each, and the index after the last beat of
        each of ``inputs``, int64 each.
        """
