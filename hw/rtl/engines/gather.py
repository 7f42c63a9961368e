"""The gather engine: one block for all layers of a network, the smallest for networks on maps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Module, Value
from amaranth.lib import wiring

from hw.rtl.engines.base import NetworkEngine
from hw.rtl.gather.engine import GatherEngine
from hw.rtl.gather.plan import plan_network
from hw.rtl.memories import BlockMemory, weight_rom
from hw.rtl.serial_decide import SerialDecide
from sw.cli import UserError
from sw.network import Network

__all__ = ["Gather"]

_LANES = (8, 16, 32)


@dataclass(frozen=True, kw_only=True)
class Gather(NetworkEngine):
    """The gather engine: in each step one layer after another, each unit from all its inputs.

    Parameters
    ----------
    lanes : 8, 16 or 32
        W: spikes that are added per cycle.
    """

    lanes: int = 16

    def __post_init__(self) -> None:
        if self.lanes not in _LANES:
            raise UserError(
                f"Spikes per cycle must be {', '.join(map(str, _LANES[:-1]))} or {_LANES[-1]}, "
                f"not {self.lanes!r}"
            )

    @property
    def name(self) -> str:
        return f"gather-{self.lanes}"

    @classmethod
    def presets(cls) -> Sequence["Gather"]:
        return [cls(lanes=lanes) for lanes in _LANES]

    @property
    def block(self) -> str:
        return "gather"

    def check(self, network: Network, most_events: int | None) -> None:
        plan_network(network, self.lanes)

    def component(self, network: Network, most_events: int | None) -> GatherEngine:
        return GatherEngine(network=network, lanes=self.lanes)

    def decision(
        self, network: Network, *, can_fault: bool, most_spikes: int | None
    ) -> wiring.Component:
        return SerialDecide(layer=network.layers[-1], steps=network.steps, can_fault=can_fault)

    def join(
        self,
        m: Module,
        block: wiring.PureInterface,
        decide: wiring.PureInterface,
        *,
        started: Value,
    ) -> None:
        m.d.comb += block.restart.eq(decide.decided | ~started)
        wiring.connect(m, block.margins, decide.margins)

    def decision_cost(self, network: Network, most_spikes: int | None) -> Mapping[str, float]:
        return {}  # its margins' bits say it

    def memories(self, network: Network, most_events: int | None) -> Sequence[BlockMemory]:
        plan = plan_network(network, self.lanes)
        words, lanes = plan.most_words, plan.lanes
        result = [
            BlockMemory(1 << sum(plan.input_bits), (plan.steps - 1).bit_length() + 1),
            BlockMemory(words, lanes + lanes.bit_length()),
            BlockMemory(words, (words - 1).bit_length()),
            BlockMemory(len(plan.presets), plan.preset_bits, constant=True),
            self.weight_memory(network),
        ]
        if plan.hidden:
            result.append(BlockMemory(plan.flag_words, lanes))
        return result

    def weight_memory(self, network: Network) -> BlockMemory:
        return weight_rom(plan_network(network, self.lanes).weights)

    def cost(self, network: Network, most_events: int | None) -> Mapping[str, float]:
        plan = plan_network(network, self.lanes)
        return {
            "gather": 1,
            "gather_lane": plan.lanes,
            "gather_margin_bit": plan.margin_bits,
            "gather_layer": len(plan.layers),
            "gather_address_bit": plan.address_bits,
        }

    @property
    def granularity(self) -> int:
        return self.lanes

    def preference(self, network: Network) -> int:
        """Lanes beyond the channels only take time."""
        return self.most_cycles(network, None)

    def most_cycles(self, network: Network, most_events: int | None) -> int:
        plan = plan_network(network, self.lanes)
        cycles = network.sizes[0]
        for layer in plan.layers:
            windows = layer.groups * math.prod(layer.places) * math.prod(layer.pool)
            words = plan.words(layer) * plan.lanes
            cycles += plan.steps * (2 + windows * (11 + layer.reads + words))
        return cycles

    def idle_cycles(self, network: Network) -> int:
        return 2
