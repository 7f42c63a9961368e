"""The bistable engine: one block for all layers of a bistable network, dense or on maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.utils import exact_log2

from hw.rtl.bistable.choose import Choose
from hw.rtl.bistable.engine import BistableEngine
from hw.rtl.bistable.gather import gap_of
from hw.rtl.bistable.memories import (
    block_memories,
    logic_bits,
    single_port_memories,
    weight_memory,
)
from hw.rtl.bistable.planner import plan_network, speaks_of
from hw.rtl.engines.base import NetworkEngine
from hw.rtl.memories import BlockMemory, SinglePortBlocks
from sw.cli import UserError
from sw.network import Network
from sw.structure import Coding

__all__ = ["Bistable"]

_SIZES = (
    *((8, 1), (16, 1), (32, 1), (64, 1)),
    *((8, 4), (16, 4), (32, 4)),
    *((16, 8), (32, 8), (64, 8)),
    *((64, 16), (80, 16), (128, 16)),
)


@dataclass(frozen=True, kw_only=True)
class Bistable(NetworkEngine):
    """The bistable engine: one layer after another, in tiles of channels.

    Parameters
    ----------
    lanes : int, 4 … 256
        Channel lanes, P: output channels of a tile. A multiple of the values of a word.
    listens : power of two, 1 … lanes
        Values that every lane listens to per cycle, E. With 1, each value that is 0 saves a cycle.
    loaded : bool
        Weights are no part of the bitstream: they are loaded at start-up. On an iCE40 UP5K these
        are in SPRAM.
    """

    coding: ClassVar[Coding] = "bistable"

    lanes: int = 16
    listens: int = 4
    loaded: bool = False

    def __post_init__(self) -> None:
        if self.listens not in (1 << k for k in range(9)):
            raise UserError(
                f"Values listened to must be a power of two in 1 … 256, not {self.listens!r}"
            )
        if self.lanes not in range(self.granularity, 257, self.granularity):
            raise UserError(
                f"Channel lanes must be a multiple of {self.granularity} up to 256, not "
                f"{self.lanes!r}"
            )

    @property
    def name(self) -> str:
        return f"bistable-{self.lanes}x{self.listens}{'-spram' if self.loaded else ''}"

    @classmethod
    def presets(cls) -> Sequence["Bistable"]:
        return [
            cls(lanes=lanes, listens=listens, loaded=loaded)
            for loaded in (False, True)
            for lanes, listens in _SIZES
        ]

    @property
    def block(self) -> str:
        return "bistable"

    def check(self, network: Network, most_events: int | None) -> None:
        self._plan(network)

    def component(self, network: Network, most_events: int | None) -> BistableEngine:
        return BistableEngine(self._plan(network), loaded=self.loaded)

    def decision(
        self, network: Network, *, can_fault: bool, most_spikes: int | None
    ) -> wiring.Component:
        return Choose(self._plan(network))

    def join(
        self,
        m: Module,
        block: wiring.PureInterface,
        decide: wiring.PureInterface,
        *,
        started: Value,
    ) -> None:
        m.d.comb += [
            decide.potentials.eq(block.potentials),
            block.decided.eq(decide.decided),
            block.free.eq(decide.free),
        ]

    def decision_cost(self, network: Network, most_spikes: int | None) -> Mapping[str, float]:
        return {}  # see cost

    def load_words(self, network: Network) -> np.ndarray:
        return self._plan(network).load_words

    def memories(self, network: Network, most_events: int | None) -> Sequence[BlockMemory]:
        return block_memories(self._plan(network), loaded=self.loaded)

    def single_port_memories(
        self, network: Network, most_events: int | None
    ) -> Sequence[SinglePortBlocks]:
        return single_port_memories(self._plan(network), loaded=self.loaded)

    def weight_memory(self, network: Network) -> BlockMemory | SinglePortBlocks:
        return weight_memory(self._plan(network), loaded=self.loaded)

    def cost(self, network: Network, most_events: int | None) -> Mapping[str, float]:
        plan = self._plan(network)
        # Lanes that no layer has a channel for have constant weights, which synthesis leaves out;
        # one more adds all values.
        lanes = 1 + min(plan.lanes, max(layer.channels for layer in plan.layers))
        heard = lanes * plan.listens * plan.phases
        potentials = plan.speaks * plan.potential_bits
        pooled = plan.speaks * plan.pool_bits * (1 + plan.phases * plan.sums) * plan.pools
        return {
            "bistable": 1,
            "listen_bit": heard,
            "listen_level_bit": heard * exact_log2(plan.listens),
            "sum_bit": plan.lanes * plan.sum_bits,
            "speak_bit": potentials * (3 + bool(plan.held_words)) + 2 * plan.potential_bits,
            "divide_bit": potentials * plan.phases + pooled,
            "constant_bit": logic_bits(plan),
            "loader": int(self.loaded),
        }

    @property
    def granularity(self) -> int:
        return speaks_of(self.listens)

    def preference(self, network: Network) -> int:
        return -(self.lanes * self.listens)

    def most_cycles(self, network: Network, most_events: int | None) -> int:
        plan = self._plan(network)
        cycles = 64
        for number, layer in enumerate(plan.layers):
            places = layer.outputs.height * layer.outputs.width * layer.area
            parts = layer.inputs.slots * plan.parts
            job = 1 + max(layer.kernel_places * parts, gap_of(plan, number, last_tile=False))
            cycles += places * plan.tiles(layer) * job + 64
        return cycles

    def idle_cycles(self, network: Network) -> int:
        return 8

    def _plan(self, network: Network):
        return plan_network(network, self.lanes, self.listens)
