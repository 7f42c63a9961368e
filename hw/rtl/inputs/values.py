"""Values: images of bytes, of which each pixel is a value of K bits."""

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.hdl import Module
from amaranth.lib import wiring

from hw.rtl import encoder
from hw.rtl.engines.base import Engine
from hw.rtl.inputs.base import Place
from hw.rtl.inputs.pixels import Pixels
from sw.encoder import LatencyEncoder, PhaseEncoder
from sw.network import Network

__all__ = ["Values"]


@dataclass(frozen=True, kw_only=True)
class Values(Pixels):
    """The images of bistable networks. The latency encoder of 2^K steps does what they need: the
    step in which it would have a pixel fire is the pixel's value with all bits inverted.
    """

    encoder: PhaseEncoder

    encodes = PhaseEncoder
    blocks = front_blocks = "pixel encoder"

    def check(self, network: Network, first: Engine | None) -> None:
        if not self.encoder.strictly_increasing:
            self._refuse(network, ": Select must be strictly increasing; sort it and the weights")

    def front_cost(self) -> Mapping[str, float]:
        return {**super().front_cost(), "selection": int(self.encoder.select is not None)}

    @property
    def latency(self) -> int:
        return encoder.latency(self._latency_encoder)

    @property
    def _latency_encoder(self) -> LatencyEncoder:
        own = self.encoder
        return LatencyEncoder(shape=own.shape, pool=own.pool, select=own.select)

    def front(
        self, m: Module, place: Place, port: wiring.PureInterface, *, steps: int
    ) -> wiring.PureInterface:
        return super().front(m, place, port, steps=1 << steps)
