"""Events: recordings of sensor events, which come in time order already, by the bypass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.utils import ceil_log2

from hw.rtl.bypass import Bypass, SourceLayout
from hw.rtl.engines.base import Engine
from hw.rtl.inputs.base import Input, Place
from hw.rtl.memories import BlockMemory
from sw.encoder import EventsEncoder, Spikes
from sw.network import Network

__all__ = ["Events"]


@dataclass(frozen=True, kw_only=True)
class Events(Input):
    """Inferences of spikes, each with its end mark."""

    encoder: EventsEncoder

    encodes = EventsEncoder
    port = "source"
    cycles_from = "the first event (sent without a pause)"
    blocks = front_blocks = "bypass"
    can_select = False
    can_fault = True
    brings = "beats"
    narrow = False
    beat_bits: ClassVar = {"event_unit": 0, "event_step": 20, "event_end": 28}

    def check(self, network: Network, first: Engine | None) -> None:
        if first is None:
            return
        if not first.repeats:
            self._refuse(
                network,
                " takes events, where an input may fire more than once; "
                f"{first.name} cannot be the engine of its first layer, take event",
            )
        if self.pixels > 1 or first.banks > 1:
            self._refuse(
                network,
                " takes events, one per cycle, its first layer can use one bank only; take event",
            )

    @property
    def most_spikes(self) -> int:
        return self.most_events

    @property
    def latency(self) -> int:
        return Bypass.latency

    def stream_shape(self, steps: int) -> SourceLayout:
        return SourceLayout(self.encoder.inputs, steps)

    def source(
        self, m: Module, place: Place, port: wiring.PureInterface, *, steps: int, banks: int
    ) -> wiring.PureInterface:
        return self.front(m, place, port, steps=steps)

    def front(
        self, m: Module, place: Place, port: wiring.PureInterface, *, steps: int
    ) -> wiring.PureInterface:
        bypass = Bypass(units=self.encoder.inputs, steps=steps, most_spikes=self.most_spikes)
        bypass = place(m, "bypass", bypass)
        wiring.connect(m, wiring.flipped(port), bypass.source)
        return bypass

    def accept_when(self, source: wiring.PureInterface, can_accept: Value | int) -> Sequence[Any]:
        return []  # a beat that is not taken waits

    def flat_ports(self, port: wiring.PureInterface) -> Mapping[str, tuple[wiring.Flow, Value]]:
        return {
            "event_unit": (wiring.In, port.payload.unit),
            "event_step": (wiring.In, port.payload.step),
            "event_end": (wiring.In, port.payload.end),
            "event_valid": (wiring.In, port.valid),
            "event_ready": (wiring.Out, port.ready),
        }

    def manifest(self) -> Mapping[str, object]:
        shape = {} if self.encoder.shape is None else {"event_shape": list(self.encoder.shape)}
        return {"channels": self.encoder.channels, **shape}

    def front_memories(self) -> Sequence[BlockMemory]:
        return []

    def front_cost(self) -> Mapping[str, float]:
        return {"event_input": 1}

    def memories(self, *, inputs: int, steps: int, banks: int) -> Sequence[BlockMemory]:
        return []

    def cost(self, *, inputs: int, steps: int, banks: int) -> Mapping[str, float]:
        return {**self.front_cost(), "input_address": ceil_log2(inputs)}

    @property
    def load_cycles(self) -> int:
        return 0

    def beats(self, inputs: Spikes) -> tuple[np.ndarray, np.ndarray]:
        """A spike is its unit, with its step from bit 20 on; an end mark is bit 28."""
        counts = np.bincount(inputs.image, minlength=inputs.count)
        spikes = inputs.unit.astype(np.int64) | inputs.step.astype(np.int64) << 20
        return np.insert(spikes, np.cumsum(counts), 1 << 28), np.cumsum(counts + 1)
