"""The core: pixels in, class, decision step and margin out."""

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.bypass import Bypass, SourceLayout
from hw.rtl.config import DEFAULT, Config, Folded, Popcount
from hw.rtl.decide import Decide, ResultLayout
from hw.rtl.encoder import LatencyEncoder
from hw.rtl.engines import folded, popcount
from hw.rtl.engines.event_driven import Integrate
from hw.rtl.fire import Fire
from hw.rtl.orderer import BucketQueue
from sw.cli import UserError
from sw.encoder import EventsEncoder
from sw.encoder import LatencyEncoder as Encoder
from sw.network import Network

__all__ = ["Core", "check_network", "loaded_words", "place"]


def check_network(network: Network) -> None:
    """Raises :class:`UserError` if the network asks for something that the hardware does not do."""
    if isinstance(network.encoder, Encoder) and not network.encoder.rises:
        raise UserError(
            f"network {network.name!r}: Select must rise strictly; sort it and the weights"
        )


def loaded_words(network: Network, config: Config = DEFAULT) -> np.ndarray | None:
    """What is to be written by the core's ``load``, uint16 in rising order of addresses; None if
    no weights are loaded.
    """
    index = config.loaded_layer(network)
    if index is None:
        return None
    return folded.weight_words(network.layers[index], config.engine(index).lanes)


def place(m: Module, name: str, component: wiring.Component) -> wiring.PureInterface:
    """Puts ``component`` into ``m`` as submodule ``name`` and returns the interface to connect."""
    m.submodules[name] = component
    return component


class Core(wiring.Component):
    """A network as hardware: encoder → bucket queue → (integrate → fire) per layer → decide.

    Where inputs are events, a bypass takes the place of encoder and queue.

    The next image is encoded and ordered while this one is computed. The decision ends an
    inference at once, and the next one begins in the following cycle if its image is loaded.

    Parameters
    ----------
    network : sw.network.Network
        With events, or with a latency encoder whose ``select`` rises strictly.
    config : Config
        How it is made.
    place : function
        Puts a block into a module, see :func:`place`; the Verilog export brings its own.

    Members
    -------
    pixels : stream of 8 · config.pixels
        Images, row-major, one after the other, without a gap or a mark.
    source : stream of SourceLayout
        In place of ``pixels`` where inputs are events: inferences, each with its end mark.
    load : stream of hw.rtl.engines.folded.LoadLayout
        Where the config has a loaded layer: its weights, before the first image.
    result : stream of ResultLayout
        One answer per image, in the order of the images; with ``fault`` where inputs are events.

    Raises
    ------
    UserError
        The network asks for something that the hardware does not do, or contradicts the config.
    """

    def __init__(self, network: Network, *, config: Config = DEFAULT, place=place):
        check_network(network)
        config.check(network)
        self.network = network
        self.config = config
        self._place = place
        self._events = isinstance(network.encoder, EventsEncoder)
        self._most = config.most_spikes(network)
        layer, most = network.layers[-1], self._most[-1]
        result = ResultLayout(layer, network.steps, events=self._events, most=most)
        if self._events:
            source = {"source": In(stream.Signature(SourceLayout(network.sizes[0], network.steps)))}
        else:
            source = {"pixels": In(stream.Signature(8 * config.pixels))}
        self._loaded = config.loaded_layer(network)
        if self._loaded is not None:
            layout = folded.LoadLayout(
                network.layers[self._loaded], config.engine(self._loaded).lanes
            )
            source["load"] = In(stream.Signature(layout, always_ready=True))
        super().__init__({**source, "result": Out(stream.Signature(result))})

    def elaborate(self, platform):
        m = Module()
        network, steps = self.network, self.network.steps
        banks = [self.config.engine(index).banks for index in range(len(network.layers))]
        decide = Decide(
            layer=network.layers[-1], steps=steps, events=self._events, most=self._most[-1]
        )
        decide = self._place(m, "decide", decide)
        source = self._source(m, decide, steps, banks[0])

        # Potentials and weights are not reset state: the first cycle after reset presets them.
        started = Signal()
        restart = Signal()
        m.d.sync += started.eq(1)
        m.d.comb += [restart.eq(decide.decided | ~started), source.finish.eq(decide.decided)]

        events = source.events
        for index, layer in enumerate(network.layers):
            last = index == len(network.layers) - 1
            if isinstance(self.config.engine(index), Folded):
                block = self._place(m, f"folded_{index}", self._folded(index))
                wiring.connect(m, events, block.events)
                m.d.comb += block.restart.eq(restart)
                if index == 0:
                    m.d.comb += source.room.eq(block.room)
                if index == self._loaded:
                    wiring.connect(m, wiring.flipped(self.load), block.load)
                events = block.spikes
                continue
            integrate = self._place(m, f"integrate_{index}", self._integrate(index))
            wiring.connect(m, events, integrate.events)
            m.d.comb += integrate.restart.eq(restart)
            if not last:
                fire = Fire(layer=layer, steps=steps, banks=banks[index + 1])
                fire = self._place(m, f"fire_{index}", fire)
                wiring.connect(m, integrate.potentials, fire.potentials)
                m.d.comb += fire.restart.eq(restart)
                events = fire.spikes
        wiring.connect(m, integrate.potentials, decide.potentials)
        wiring.connect(m, decide.result, wiring.flipped(self.result))
        return m

    def _folded(self, index):
        """The folded engine of hidden layer ``index``."""
        engine = self.config.engine(index)
        return folded.Folded(
            layer=self.network.layers[index],
            steps=self.network.steps,
            lanes=engine.lanes,
            copies=engine.copies,
            loaded=engine.loaded,
        )

    def _integrate(self, index):
        """The engine of layer ``index`` that is not folded."""
        layers, engine = self.network.layers, self.config.engine(index)
        what = {
            "layer": layers[index],
            "steps": self.network.steps,
            "margins": index == len(layers) - 1,
            "banks": engine.banks,
        }
        if isinstance(engine, Popcount):
            return popcount.Popcount(**what, flags=engine.flags)
        return Integrate(**what, most=self._most[index])

    def _source(self, m, decide, steps, banks):
        """What brings the input's events in time order."""
        units = self.network.sizes[0]
        if self._events:
            bypass = Bypass(units=units, steps=steps, most=self.config.most_events)
            bypass = self._place(m, "bypass", bypass)
            wiring.connect(m, wiring.flipped(self.source), bypass.source)
            m.d.comb += decide.fault.eq(bypass.fault)
            return bypass
        lanes = self.config.pixels
        encoder = LatencyEncoder(encoder=self.network.encoder, steps=steps, lanes=lanes)
        encoder = self._place(m, "encoder", encoder)
        orderer = BucketQueue(units=units, steps=steps, banks=banks, lanes=lanes)
        orderer = self._place(m, "orderer", orderer)
        wiring.connect(m, wiring.flipped(self.pixels), encoder.pixels)
        wiring.connect(m, encoder.arrivals, orderer.arrivals)
        if not isinstance(self.config.engine(0), Folded):
            m.d.comb += orderer.room.eq(1)
        return orderer
