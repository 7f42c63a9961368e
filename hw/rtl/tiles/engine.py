"""The tiles engine: all layers of a network, one after another, on one set of adders."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.encoder import ArrivalLayout
from hw.rtl.spram import COLUMN
from hw.rtl.streams import MarginsLayout, SpikeBeat
from hw.rtl.tiles.plan import TilesPlan
from hw.rtl.tiles.planner import plan_network
from sw.encoder import LatencyEncoder
from sw.network import Network

__all__ = ["EmittedLayout", "FiredLayout", "TilesEngine", "TilesLoadLayout"]


class FiredLayout(data.StructLayout):
    """Units that fire at the end of a step: of one row of all banks, before pooling.

    Members
    -------
    valid : 1
    layer : range(layers)
        Of those of the plan.
    tile, step
    down, across
        The row of the banks.
    units : B_h · B_w · P
        Bit (i · B_w + j) · P + p is lane p of bank (i, j).
    """

    def __init__(self, plan: TilesPlan):
        down, across = plan.row_bits
        super().__init__(
            {
                "valid": 1,
                "layer": range(len(plan.layers)),
                "tile": range(max(layer.tiles for layer in plan.layers)),
                "step": range(plan.steps),
                "down": down,
                "across": across,
                "units": plan.banks * plan.lanes,
            }
        )


class EmittedLayout(data.StructLayout):
    """An entry of a layer's list: the units of one place and tile that fire, after pooling.

    Members
    -------
    valid : 1
    layer, tile, step
        As in :class:`FiredLayout`.
    y, x
        The place in the layer's ``outputs``.
    mask : P
    """

    def __init__(self, plan: TilesPlan):
        y, x = plan.coordinate_bits
        super().__init__(
            {
                "valid": 1,
                "layer": range(len(plan.layers)),
                "tile": range(max(layer.tiles for layer in plan.layers)),
                "step": range(plan.steps),
                "y": y,
                "x": x,
                "mask": plan.lanes,
            }
        )


class TilesLoadLayout(data.StructLayout):
    """A word of weights on its way into the memory: ``plan.load_words`` in ascending order."""

    def __init__(self, plan: TilesPlan):
        super().__init__({"address": range(plan.load_rows * plan.load_columns), "data": COLUMN})


class TilesEngine(wiring.Component):
    """All layers of a network, tile by tile.

    Parameters
    ----------
    network : Network
    lanes : int, power of two
        P: output channels of a tile.
    loaded : bool
        Weights come through ``load``.
    most_events : int, optional
        Where inputs are events: those of an inference, at most.

    Members
    -------
    arrivals : stream of ArrivalLayout
        Where inputs are pixels: every unit in the order (y, x, c), with or without a spike;
        ``unit`` is not looked at.
    beats : stream of SpikeBeat
        Where inputs are events, in place of the arrivals.
    potentials : stream of MarginsLayout
        Of the output layer, after each step in which they can change, the first and the final one.
    restart : 1
        The inference is decided: the rest of it is dropped, and the next input is taken.
    load : stream of TilesLoadLayout
        Only where ``loaded``.
    fault : 1
        Only where ``plan.can_overflow``: there are more spikes than the lists can hold, and the
        margins have no meaning. Set before the first of them is offered.
    fired : FiredLayout
    emitted : EmittedLayout
        For those who watch.
    """

    def __init__(
        self,
        *,
        network: Network,
        lanes: int,
        loaded: bool = False,
        most_events: int | None = None,
    ):
        if lanes < 1 or lanes & lanes - 1:
            raise ValueError(f"Lanes must be a power of two, not {lanes!r}")
        self.plan = plan_network(network, lanes, most_events)
        self._loaded = loaded
        layer, steps = network.layers[-1], network.steps
        most_spikes = most_events if len(self.plan.layers) == 1 else None
        if isinstance(network.encoder, LatencyEncoder):
            source = {"arrivals": In(stream.Signature(ArrivalLayout(network.sizes[0], steps)))}
        else:
            source = {"beats": In(stream.Signature(SpikeBeat(network.sizes[0], steps)))}
        load = TilesLoadLayout(self.plan)
        super().__init__(
            {
                **source,
                "potentials": Out(stream.Signature(MarginsLayout(layer, steps, most_spikes))),
                "restart": In(1),
                **({"load": In(stream.Signature(load, always_ready=True))} if loaded else {}),
                **({"fault": Out(1)} if self.plan.can_overflow else {}),
                "fired": Out(FiredLayout(self.plan)),
                "emitted": Out(EmittedLayout(self.plan)),
            }
        )

    def elaborate(self, platform):
        return Module()
