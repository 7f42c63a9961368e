"""The core: an input in, class, decision step and margin out."""

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.config import DEFAULT, Config
from hw.rtl.fire import Fire
from hw.rtl.inputs.base import Place
from sw.network import Network

__all__ = ["Core", "loaded_words", "place"]


def loaded_words(network: Network, config: Config = DEFAULT) -> np.ndarray | None:
    """What is to be written by the core's ``load``, uint16 in ascending order of addresses; None if
    no weights are loaded.
    """
    return config.load_words(network) if config.loads(network) else None


def place(m: Module, name: str, component: wiring.Component) -> wiring.PureInterface:
    """Puts ``component`` into ``m`` as submodule ``name`` and returns the interface to connect."""
    m.submodules[name] = component
    return component


class Core(wiring.Component):
    """A network as hardware: its input, then the engine of each layer, then decide.

    Pixels go through an encoder and a bucket queue, events through a bypass. An engine that does
    not fire itself has a fire block behind it, but for the output layer.

    The next image is encoded and ordered while this one is computed. The decision ends an
    inference at once, and the next one begins in the following cycle if its image has come.

    Or one engine makes the whole network: it takes the encoder's arrivals, or the events, and gives
    the margins of the output layer, or of a bistable network its potentials.

    Parameters
    ----------
    network : sw.network.Network
    config : Config
        How it is made.
    place : function
        Puts a block into a module, see :func:`place`; the Verilog export brings its own.

    Members
    -------
    pixels : stream of 8 · config.pixels
        Consecutive images, row-major, of each pixel channel by channel, without a gap or a mark.
    source : stream of SourceLayout
        In place of ``pixels`` where inputs are events: inferences, each with its end mark.
    load : stream of the engine's load layout
        Where weights are loaded: all of them, before the first image.
    result : stream of the result of ``config.decision``
        One per image, in the order of the images; with ``fault`` where ``config.can_fault``.

    Raises
    ------
    UserError
        The network needs something that the hardware does not support, or contradicts the config.
    """

    def __init__(self, network: Network, *, config: Config = DEFAULT, place: Place = place):
        config.check(network)
        self.network = network
        self.config = config
        self._place = place
        self._input = config.input(network)
        self._most_spikes = config.most_spikes(network)
        self._can_fault = config.can_fault(network)
        source = stream.Signature(self._input.stream_shape(network.steps))
        members = {self._input.port: In(source)}
        if self.loads:
            layout = config.load_layout(network)
            members["load"] = In(stream.Signature(layout, always_ready=True))
        self._decide = config.decision(network)
        super().__init__({**members, "result": Out(self._decide.result.signature)})

    @property
    def loads(self) -> bool:
        """It has the member ``load``."""
        return self.config.loads(self.network)

    def elaborate(self, platform):
        m = Module()
        decide = self._place(m, "decide", self._decide)
        port = getattr(self, self._input.port)
        if self.config.whole:
            self._whole(m, self.config.whole, decide, port)
        else:
            self._layers(m, decide, port)
        wiring.connect(m, decide.result, wiring.flipped(self.result))
        return m

    def _started(self, m):
        """Clear in the first cycle after reset."""
        started = Signal()
        m.d.sync += started.eq(1)
        return started

    def _restart(self, m, decide):
        """A new inference begins. Potentials and weights are not reset state: the first cycle after
        reset presets them.
        """
        restart = Signal()
        m.d.comb += restart.eq(decide.decided | ~self._started(m))
        return restart

    def _whole(self, m, engine, decide, port):
        """One engine for all layers."""
        network, source = self.network, self._input
        front = source.front(m, self._place, port, steps=network.steps)
        block = engine.component(network, source.most_spikes)
        block = self._place(m, engine.block, block)
        wiring.connect(m, getattr(front, source.brings), getattr(block, source.brings))
        engine.join(m, block, decide, started=self._started(m))
        if source.can_fault:
            m.d.comb += front.finish.eq(decide.decided)
        if self._can_fault:
            of_front = front.fault if source.can_fault else 0
            of_engine = block.fault if engine.can_fault(network, source.most_spikes) else 0
            m.d.comb += decide.fault.eq(of_front | of_engine)
        if self.loads:
            wiring.connect(m, wiring.flipped(self.load), block.load)

    def _layers(self, m, decide, port):
        """An engine for each layer."""
        network, steps = self.network, self.network.steps
        banks = self.config.engine(0).banks
        source = self._input.source(m, self._place, port, steps=steps, banks=banks)
        if self._can_fault:
            m.d.comb += decide.fault.eq(source.fault)
        restart = self._restart(m, decide)
        m.d.comb += source.finish.eq(decide.decided)

        beats = source.beats
        for index, layer in enumerate(network.layers):
            engine, last = self.config.engine(index), index == len(network.layers) - 1
            block = engine.component(
                layer=layer, steps=steps, margins=last, most_spikes=self._most_spikes[index]
            )
            block = self._place(m, f"{engine.block}_{index}", block)
            wiring.connect(m, beats, block.beats)
            m.d.comb += block.restart.eq(restart)
            if index == 0:
                can_accept = 1 if engine.always_accepts else block.can_accept
                m.d.comb += self._input.accept_when(source, can_accept)
            if self.config.loads_layer(network, index):
                wiring.connect(m, wiring.flipped(self.load), block.load)
            if engine.fires:
                beats = block.spikes
            elif not last:
                fire = Fire(layer=layer, steps=steps, banks=self.config.engine(index + 1).banks)
                fire = self._place(m, f"fire_{index}", fire)
                wiring.connect(m, block.potentials, fire.potentials)
                m.d.comb += fire.restart.eq(restart)
                beats = fire.spikes
        wiring.connect(m, block.potentials, decide.potentials)
