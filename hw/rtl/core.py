"""The core: an input in, class, decision step and margin out."""

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.config import DEFAULT, Config
from hw.rtl.decide import Decide, ResultLayout
from hw.rtl.fire import Fire
from hw.rtl.inputs.base import Place
from sw.network import Network

__all__ = ["Core", "loaded_words", "place"]


def loaded_words(network: Network, config: Config = DEFAULT) -> np.ndarray | None:
    """What is to be written by the core's ``load``, uint16 in ascending order of addresses; None if
    no weights are loaded.
    """
    index = config.loaded_layer(network)
    if index is None:
        return None
    return config.engine(index).load_words(network.layers[index])


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
        Consecutive images, row-major, without a gap or a mark.
    source : stream of SourceLayout
        In place of ``pixels`` where inputs are events: inferences, each with its end mark.
    load : stream of the engine's load layout
        Where the config has a loaded layer: its weights, before the first image.
    result : stream of ResultLayout
        One per image, in the order of the images; with ``fault`` where inputs are sensor events.

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
        self._loaded = config.loaded_layer(network)
        source = stream.Signature(self._input.stream_shape(network.steps))
        members = {self._input.port: In(source)}
        if self._loaded is not None:
            layout = config.engine(self._loaded).load_layout(network.layers[self._loaded])
            members["load"] = In(stream.Signature(layout, always_ready=True))
        result = ResultLayout(
            network.layers[-1],
            network.steps,
            can_fault=self._input.can_fault,
            most_spikes=self._most_spikes[-1],
        )
        super().__init__({**members, "result": Out(stream.Signature(result))})

    @property
    def loads(self) -> bool:
        """It has the member ``load``."""
        return self._loaded is not None

    def elaborate(self, platform):
        m = Module()
        network, steps = self.network, self.network.steps
        decide = Decide(
            layer=network.layers[-1],
            steps=steps,
            can_fault=self._input.can_fault,
            most_spikes=self._most_spikes[-1],
        )
        decide = self._place(m, "decide", decide)
        port = getattr(self, self._input.port)
        banks = self.config.engine(0).banks
        source = self._input.source(m, self._place, port, steps=steps, banks=banks)
        if self._input.can_fault:
            m.d.comb += decide.fault.eq(source.fault)

        # Potentials and weights are not reset state: the first cycle after reset presets them.
        started = Signal()
        restart = Signal()
        m.d.sync += started.eq(1)
        m.d.comb += [restart.eq(decide.decided | ~started), source.finish.eq(decide.decided)]

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
            if index == self._loaded:
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
        wiring.connect(m, decide.result, wiring.flipped(self.result))
        return m
