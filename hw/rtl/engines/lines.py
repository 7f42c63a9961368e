"""The lines engine: T = 1, pixel by pixel, with the least state; made for silicon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from amaranth.hdl import Module, Value
from amaranth.lib import wiring

from hw.rtl.engines.base import NetworkEngine
from hw.rtl.lines.decide import DecideSerially
from hw.rtl.lines.engine import LinesEngine, load_tables
from hw.rtl.lines.plan import ConvPlan, DensePlan, PoolPlan, plan_network
from hw.rtl.memories import BlockMemory
from hw.rtl.potentials import margin_shapes
from sw.cli import UserError
from sw.network import Network

__all__ = ["Lines"]


_TABLES = ("weights", "thresholds")  # of a stage, in the plan's order


@dataclass(frozen=True, kw_only=True)
class Lines(NetworkEngine):
    """The lines engine: T = 1, pixel by pixel, with the least state; made for silicon.

    Parameters
    ----------
    loaded : bool
        Weights and thresholds are in flip-flops and are loaded at start-up; else they are logic.
    """

    loaded: bool = False

    @property
    def name(self) -> str:
        return "lines-loaded" if self.loaded else "lines"

    @classmethod
    def presets(cls) -> Sequence["Lines"]:
        return [cls(), cls(loaded=True)]

    @property
    def block(self) -> str:
        return "lines"

    def check(self, network: Network, most_events: int | None) -> None:
        if most_events is not None:
            self._refuse(network, "takes pixels, not events; take tiles-4")
        if network.steps != 1:
            self._refuse(
                network,
                f"takes one step, not {network.steps}; train with --steps 1, or take tiles-4",
            )
        try:
            plan_network(network)
        except ValueError as error:
            self._refuse(network, f"{error}; take tiles-4")

    def _refuse(self, network: Network, reason: str) -> NoReturn:
        raise UserError(f"network {network.name!r}: lines {reason}")

    def component(self, network: Network, most_events: int | None) -> LinesEngine:
        return LinesEngine(network=network, loaded=self.loaded)

    def decision(
        self, network: Network, *, can_fault: bool, most_spikes: int | None
    ) -> wiring.Component:
        return DecideSerially(layer=network.layers[-1])

    def join(
        self,
        m: Module,
        block: wiring.PureInterface,
        decide: wiring.PureInterface,
        *,
        started: Value,
    ) -> None:
        m.d.comb += block.restart.eq(decide.done | ~started)
        wiring.connect(m, block.potentials, decide.potentials)

    def decision_cost(self, network: Network, most_spikes: int | None) -> Mapping[str, float]:
        shapes = margin_shapes(network.layers[-1], most_spikes)
        return {"decision_bit": max(shape.width for shape in shapes)}  # one comparison

    def load_words(self, network: Network) -> np.ndarray:
        tables = load_tables(plan_network(network))
        return np.concatenate([table.words for table in tables])

    def memories(self, network: Network, most_events: int | None) -> Sequence[BlockMemory]:
        return ()  # lines are shift registers, and weights logic or flip-flops

    def weight_memory(self, network: Network) -> BlockMemory:
        return BlockMemory(0, 0, count=0)

    def tables(self, network: Network) -> Sequence[tuple[str, int, int]]:
        return [
            (f"{what} of layer {stage.index}", table.rows, table.width)
            for stage in plan_network(network)
            for what, table in zip(_TABLES, stage.tables, strict=False)  # a pooling has none
        ]

    def cost(self, network: Network, most_events: int | None) -> Mapping[str, float]:
        stages = plan_network(network)
        tables = load_tables(stages)
        bits = sum(table.bits.size for table in tables)
        return {
            "lines": 1,
            "lines_pool": sum(isinstance(stage, PoolPlan) for stage in stages),
            "lines_bit": sum(stage.state_bits for stage in stages) + self.loaded * bits,
            "lines_constant_bit": (not self.loaded) * bits,
            "lines_loaded": int(self.loaded),
        }

    @property
    def granularity(self) -> int:
        return 1

    def most_cycles(self, network: Network, most_events: int | None) -> int:
        cycles = 0
        for stage in plan_network(network):
            channels, height, width = stage.inputs
            if isinstance(stage, ConvPlan):
                height, width = stage.grid
            waits = 2 if isinstance(stage, DensePlan) else 1  # until the first unit is in front
            cycles += height * width * channels + waits * stage.evaluations
        return cycles + 8

    def idle_cycles(self, network: Network) -> int:
        return 0
