"""The core: pixels in, class, decision step and margin out."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import DEFAULT, Config
from hw.decide import Decide, ResultLayout
from hw.encoder import LatencyEncoder
from hw.fire import Fire
from hw.integrate import Integrate
from hw.orderer import BucketQueue
from sw.cli import UserError
from sw.encoder import LatencyEncoder as Encoder
from sw.network import Network

__all__ = ["Core", "check_network", "place"]


def check_network(network: Network) -> None:
    """Raises :class:`UserError` if the network asks for something that the hardware does not do."""
    encoder = network.encoder
    if not isinstance(encoder, Encoder):
        raise UserError(
            f"network {network.name!r} takes events; the hardware so far takes images only: "
            "train with a latency encoder"
        )
    if not encoder.rises:
        raise UserError(
            f"network {network.name!r}: Select must rise strictly; sort it and the weights"
        )


def place(m: Module, name: str, component: wiring.Component) -> wiring.PureInterface:
    """Puts ``component`` into ``m`` as submodule ``name`` and returns the interface to connect."""
    m.submodules[name] = component
    return component


class Core(wiring.Component):
    """A network as hardware: encoder → bucket queue → (integrate → fire) per layer → decide.

    The next image is encoded and ordered while this one is computed. The decision ends an
    inference at once, and the next one begins in the following cycle if its image is loaded.

    Parameters
    ----------
    network : sw.network.Network
        With a latency encoder whose ``select`` rises strictly.
    config : Config
        How it is made.
    place : function
        Puts a block into a module, see :func:`place`; the Verilog export brings its own.

    Members
    -------
    pixels : stream of 8 · config.pixels
        Images, row-major, one after the other, without a gap or a mark.
    result : stream of ResultLayout
        One answer per image, in the order of the images.

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
        super().__init__(
            {
                "pixels": In(stream.Signature(8 * self.config.pixels)),
                "result": Out(stream.Signature(ResultLayout(network.layers[-1], network.steps))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        network, steps, lanes = self.network, self.network.steps, self.config.pixels
        banks = [self.config.engine(index).banks for index in range(len(network.layers))]

        encoder = LatencyEncoder(encoder=network.encoder, steps=steps, lanes=lanes)
        encoder = self._place(m, "encoder", encoder)
        units = network.encoder.inputs
        orderer = BucketQueue(units=units, steps=steps, banks=banks[0], lanes=lanes)
        orderer = self._place(m, "orderer", orderer)
        decide = self._place(m, "decide", Decide(layer=network.layers[-1], steps=steps))

        # Potentials and weights are not reset state: the first cycle after reset presets them.
        started = Signal()
        restart = Signal()
        m.d.sync += started.eq(1)
        m.d.comb += [restart.eq(decide.decided | ~started), orderer.finish.eq(decide.decided)]

        wiring.connect(m, wiring.flipped(self.pixels), encoder.pixels)
        wiring.connect(m, encoder.arrivals, orderer.arrivals)
        events = orderer.events
        for index, layer in enumerate(network.layers):
            last = index == len(network.layers) - 1
            integrate = Integrate(layer=layer, steps=steps, margins=last, banks=banks[index])
            integrate = self._place(m, f"integrate_{index}", integrate)
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
