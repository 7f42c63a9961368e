"""The tiles engine: one block for all layers of a network, also those on maps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hw.rtl.engines.base import NetworkEngine
from hw.rtl.memories import BlockMemory, DistributedMemory, SinglePortBlocks
from hw.rtl.tiles.engine import TilesEngine
from hw.rtl.tiles.memories import (
    block_memories,
    constant_bits,
    distributed_memories,
    single_port_memories,
    weight_memory,
)
from hw.rtl.tiles.plan import TilesPlan
from hw.rtl.tiles.planner import plan_network
from sw.cli import UserError
from sw.network import Network

__all__ = ["Tiles"]

_LANES = (1, 2, 3, 4, 5, 6, 8, 16, 32)
_TABLE_LANES = (4, 5, 8)


@dataclass(frozen=True, kw_only=True)
class Tiles(NetworkEngine):
    """The tiles engine: one layer after another over the whole window, in tiles of channels.

    Parameters
    ----------
    lanes : 1, 2, 3, 4, 5, 6, 8, 16 or 32
        Channel lanes, P: output channels of a tile. Any number would do; 3, 5 and 6 are there since
        as many margins often fill the block RAMs that 2 or 4 need anyway.
    loaded : bool
        Weights are no part of the bitstream: they are loaded at start-up. On an iCE40 UP5K these
        are in SPRAM.
    table : bool
        The first layer is made by a table, while the pixels stream in: one channel of pixels, and
        a kernel of at most 9.
    distributed : bool
        Margins are in distributed RAM, which ECP5 has, iCE40 has not. A tile's few rows leave block
        RAMs nearly empty.
    """

    lanes: int = 4
    loaded: bool = False
    table: bool = False
    distributed: bool = False

    def __post_init__(self) -> None:
        if self.lanes not in _LANES:
            raise UserError(
                f"Channel lanes must be {', '.join(map(str, _LANES[:-1]))} or {_LANES[-1]}, "
                f"not {self.lanes!r}"
            )

    @property
    def name(self) -> str:
        settings = {"table": self.table, "distributed": self.distributed, "spram": self.loaded}
        return "-".join([f"tiles-{self.lanes}", *(name for name, on in settings.items() if on)])

    @classmethod
    def presets(cls) -> Sequence["Tiles"]:
        in_block_ram = (
            cls(lanes=lanes, loaded=loaded, table=table)
            for table, choice in ((False, _LANES), (True, _TABLE_LANES))
            for loaded in (False, True)
            for lanes in choice
        )
        return [*in_block_ram, cls(lanes=8, table=True, distributed=True)]

    @property
    def block(self) -> str:
        return "tiles"

    @property
    def spike_cycles(self) -> int:
        return 2

    def plan(self, network: Network, most_events: int | None = None) -> TilesPlan:
        """How it makes ``network``; raises :class:`UserError` if it cannot."""
        return plan_network(
            network,
            self.lanes,
            most_events,
            loaded=self.loaded,
            table=self.table,
            distributed=self.distributed,
        )

    def check(self, network: Network, most_events: int | None) -> None:
        self.plan(network, most_events)

    def component(self, network: Network, most_events: int | None) -> TilesEngine:
        return TilesEngine(
            network=network,
            lanes=self.lanes,
            loaded=self.loaded,
            table=self.table,
            distributed=self.distributed,
            most_events=most_events,
        )

    def can_fault(self, network: Network, most_events: int | None) -> bool:
        return self.plan(network, most_events).can_overflow

    def load_words(self, network: Network) -> np.ndarray:
        return self.plan(network).load_words

    def memories(self, network: Network, most_events: int | None) -> Sequence[BlockMemory]:
        return block_memories(self.plan(network, most_events))

    def single_port_memories(
        self, network: Network, most_events: int | None
    ) -> Sequence[SinglePortBlocks]:
        return single_port_memories(self.plan(network, most_events))

    def distributed_memories(
        self, network: Network, most_events: int | None
    ) -> Sequence[DistributedMemory]:
        return distributed_memories(self.plan(network, most_events))

    def weight_memory(self, network: Network) -> BlockMemory | SinglePortBlocks:
        return weight_memory(self.plan(network))

    def cost(self, network: Network, most_events: int | None) -> Mapping[str, float]:
        plan = self.plan(network, most_events)
        lanes = plan.banks * plan.lanes
        return {
            "tiles": 1,
            "tile_bank": plan.banks,
            "tile_lane": lanes,
            "tile_margin_bit": lanes * plan.margin_bits,
            "tile_layer": len(plan.layers),
            "tile_constant_bit": constant_bits(plan),
            "tile_address_bit": sum(plan.coordinate_bits)
            + sum(plan.row_bits)
            + plan.segment_bits
            + (plan.list_words - 1).bit_length()
            + (plan.weight_rows - 1).bit_length(),
            "tile_entry_bit": plan.entry_bits,
            "tile_table": int(self.table),
            "loader": int(self.loaded),
        }

    @property
    def granularity(self) -> int:
        return self.lanes

    def preference(self, network: Network) -> int:
        return -(2 * self.lanes + self.table)

    def most_cycles(self, network: Network, most_events: int | None) -> int:
        made = self.plan(network, most_events)
        spikes = most_events or network.sizes[0]
        cycles = 0
        for layer in made.layers:
            down, across = made.rows(layer)
            rows = down * across
            # Of a step: segments are looked up, and in a pass each place may fire.
            step = 16 + 3 * layer.inputs.tiles + rows * (1 + made.banks)
            cycles += layer.tiles * (rows + made.banks + made.steps * step + spikes) + 8
            spikes = layer.outputs.units.size
        # Before that a long division and the sort, or the windows of a table; and step 0 may be
        # computed alone, in vain.
        before = (64 + made.steps) * (most_events or network.sizes[0])
        if made.first:
            window = made.steps * (3 + len(made.first.taps) + 2 * made.inputs.tiles)
            before = math.prod(made.first.span) + math.prod(made.first.windows) * window
        return before + 2 * cycles

    def idle_cycles(self, network: Network) -> int:
        plan = self.plan(network)
        windows = [(size - 1).bit_length() for size in plan.windows]
        # The memories of segments and of windows are cleared.
        return 3 + plan.first_segment + (1 << sum(windows))
