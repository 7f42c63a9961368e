"""Pixels: images of bytes, by a latency encoder and a bucket queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from amaranth.hdl import Module, Shape, Value, unsigned
from amaranth.lib import wiring
from amaranth.utils import bits_for, ceil_log2

from hw.rtl import encoder
from hw.rtl.banks import bank_rows
from hw.rtl.engines.base import Engine
from hw.rtl.inputs.base import Input, Place
from hw.rtl.memories import BlockMemory
from hw.rtl.orderer import BucketQueue
from sw.encoder import LatencyEncoder, PhaseEncoder
from sw.network import Network

__all__ = ["Pixels"]


@dataclass(frozen=True, kw_only=True)
class Pixels(Input):
    """Consecutive images, row-major, of each pixel channel by channel, without a gap or a mark."""

    encoder: LatencyEncoder | PhaseEncoder

    encodes: ClassVar[type] = LatencyEncoder
    port = "pixels"
    cycles_from = "the last pixel"
    blocks = "latency encoder, orderer"
    front_blocks = "latency encoder"
    can_select = True
    can_fault = False
    brings = "arrivals"
    narrow = True
    beat_bits: ClassVar = {"pixel_data": 0}

    def check(self, network: Network, first: Engine | None) -> None:
        if not self.encoder.strictly_increasing:
            self._refuse(network, ": Select must be strictly increasing; sort it and the weights")
        if first is None and self.encoder.select is not None:
            self._refuse(
                network,
                " takes a selection of pixels, and an engine of the whole network whole images; "
                "take event",
            )
        coarse = self.encoder.pool > 1 or self.encoder.channels > 1
        if self.pixels > 1 and (coarse or self.encoder.pixels % self.pixels):
            self._refuse(
                network,
                f": {self.pixels} pixels per cycle must divide the {self.encoder.pixels} of an "
                "image, and exclude a pool and colours; take 1",
            )

    @property
    def most_spikes(self) -> None:
        return None

    @property
    def latency(self) -> int:
        return encoder.latency(self._latency_encoder) + BucketQueue.latency

    @property
    def _latency_encoder(self) -> LatencyEncoder:
        return cast(LatencyEncoder, self.encoder)

    def stream_shape(self, steps: int) -> Shape:
        return unsigned(8 * self.pixels)

    def source(
        self, m: Module, place: Place, port: wiring.PureInterface, *, steps: int, banks: int
    ) -> wiring.PureInterface:
        front = self._encoder(m, place, port, steps=steps, numbered=True)
        queue = BucketQueue(units=self.encoder.inputs, steps=steps, banks=banks, lanes=self.pixels)
        queue = place(m, "orderer", queue)
        wiring.connect(m, front.arrivals, queue.arrivals)
        return queue

    def front(
        self, m: Module, place: Place, port: wiring.PureInterface, *, steps: int
    ) -> wiring.PureInterface:
        return self._encoder(m, place, port, steps=steps, numbered=False)

    def _encoder(
        self, m: Module, place: Place, port: wiring.PureInterface, *, steps: int, numbered: bool
    ) -> wiring.PureInterface:
        front = encoder.LatencyEncoder(
            encoder=self._latency_encoder, steps=steps, lanes=self.pixels, numbered=numbered
        )
        front = place(m, "encoder", front)
        wiring.connect(m, wiring.flipped(port), front.pixels)
        return front

    def accept_when(self, source: wiring.PureInterface, can_accept: Value | int) -> Sequence[Any]:
        return [source.can_accept.eq(can_accept)]

    def flat_ports(self, port: wiring.PureInterface) -> Mapping[str, tuple[wiring.Flow, Value]]:
        return {
            "pixel_data": (wiring.In, port.payload),
            "pixel_valid": (wiring.In, port.valid),
            "pixel_ready": (wiring.Out, port.ready),
        }

    def manifest(self) -> Mapping[str, object]:
        return {"pixels": self.encoder.pixels, "image_shape": list(self.encoder.image_shape)}

    def front_memories(self) -> Sequence[BlockMemory]:
        if self.encoder.pool == 1:
            return []
        area = self.encoder.pool**2
        columns = self.encoder.shape[-1] // self.encoder.pool * self.encoder.channels
        return [BlockMemory(columns, bits_for(255 * area + area // 2))]

    def front_cost(self) -> Mapping[str, float]:
        return {"pool": int(self.encoder.pool > 1)}

    def memories(self, *, inputs: int, steps: int, banks: int) -> Sequence[BlockMemory]:
        rows = bank_rows(inputs, banks)
        link = bits_for(rows - 1) + (banks == 1)  # with one bank it says whether it is the last
        parts = banks // self.pixels
        return [
            *self.front_memories(),
            BlockMemory(2 * rows, link, count=banks),
            # Heads, which are read by loading and by draining; with more banks also the ends.
            BlockMemory(2 * steps, link, parts, count=self.pixels * (2 + (banks > 1))),
        ]

    def cost(self, *, inputs: int, steps: int, banks: int) -> Mapping[str, float]:
        return {
            "step": steps,
            "step_address": steps * ceil_log2(steps),
            "input_address": ceil_log2(inputs) + ceil_log2(self.encoder.pixels),
            "selection": int(self.encoder.select is not None),
            **self.front_cost(),
            "orderer_bank": banks - 1,
        }

    @property
    def load_cycles(self) -> int:
        return self.encoder.pixels // self.pixels

    def beats(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pixels of one cycle are bytes of a number, the first in the lowest."""
        rows = np.ascontiguousarray(inputs, np.uint8).reshape(-1, self.pixels)
        ends = self.load_cycles * np.arange(1, len(inputs) + 1)
        return rows @ (1 << 8 * np.arange(self.pixels)), ends
