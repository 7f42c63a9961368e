"""The accelerator: the core behind a UART."""

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.link import weight_image
from hw.link.flash import FlashReader, SpiSignature
from hw.link.layouts import LedsLayout
from hw.link.link import Link
from hw.link.loader import Loader
from hw.link.protocol import Status
from hw.link.uart import Receiver, Transmitter
from hw.rtl.config import DEFAULT, Config
from hw.rtl.core import Core, loaded_words
from sw.cli import UserError
from sw.network import Network

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """Core, link and UART, and the loader where weights are loaded: all of a board's design but its
    clock and pins.

    Parameters
    ----------
    network : sw.network.Network
    divisor : int
        Clock cycles per bit on the line.
    timeout : int
        Clock cycles, rounded up to a power of two: an input that is not continued for so long is
        dropped, as by a break.
    config : Config
        How the core is made; it takes one pixel per cycle, as bytes come.
    flash : FlashReader, optional
        Where weights are loaded: brings the weight image after reset. Without it, the host does.

    Members
    -------
    rx, tx : 1
        Serial lines, idle high.
    leds : LedsLayout
    flash : SpiSignature
        If there is one.
    """

    def __init__(
        self,
        network: Network,
        *,
        divisor: int,
        timeout: int,
        config: Config = DEFAULT,
        flash: FlashReader | None = None,
    ):
        if config.pixels != 1:
            raise UserError(f"The link brings one pixel at a time, not {config.pixels}; take 1")
        self._core = Core(network, config=config)
        self._reader = flash
        self._loader = None
        words = loaded_words(network, config)
        if words is not None:
            self._loader = Loader(
                header=weight_image.header(network, words),
                layout=self._core.load.payload.shape(),
                flash=flash is not None,
            )
        result = self._core.result.payload.shape()
        self._link = Link(network, result=result, loads=words is not None)
        self._receiver = Receiver(divisor=divisor, timeout=timeout)
        self._transmitter = Transmitter(divisor=divisor)
        wires = {"flash": Out(SpiSignature())} if flash else {}
        super().__init__(
            {"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(LedsLayout()), **wires}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        receiver, transmitter = self._receiver, self._transmitter
        core, link = self._core, self._link
        # A break resets all but the receiver, which has to detect its end; so does a time-out
        # within an input, when its host is gone.
        reset = Signal()
        m.d.sync += reset.eq(receiver.broken | (receiver.silent & link.waiting))
        reset_core = reset
        if self._loader:
            reset_core |= self._load(m, self._loader, reset)
        source = core.config.input(core.network)
        if source.can_fault:
            reset_core |= link.overrun
        m.submodules.receiver = receiver
        m.submodules.transmitter = ResetInserter(reset)(transmitter)
        m.submodules.core = ResetInserter(reset_core)(core)
        m.submodules.link = ResetInserter(reset)(link)
        wiring.connect(m, receiver.bytes, link.received)
        wiring.connect(m, getattr(link, source.port), getattr(core, source.port))
        wiring.connect(m, core.result, link.result)
        wiring.connect(m, link.sent, transmitter.bytes)
        m.d.comb += [
            receiver.line.eq(self.rx),
            self.tx.eq(transmitter.line),
            self.leds.eq(link.leds),
        ]
        return m

    def _load(self, m: Module, loader: Loader, reset: Signal) -> Signal:
        """Connects the loader; returns what resets the core and so drops an inference."""
        loading = self._link.loading
        # A break leaves weights that are there, and has the flash read again otherwise.
        there = (loading.status == Status.READY) & ~loading.begin
        again = reset & ~there
        m.submodules.loader = ResetInserter(again)(loader)
        wiring.connect(m, loading, loader.host)
        wiring.connect(m, loader.words, self._core.load)
        if self._reader:
            reader = self._reader
            m.submodules.flash = ResetInserter(again | ~loader.reading)(reader)
            wiring.connect(m, reader.bytes, loader.flash)
            wiring.connect(m, wiring.flipped(self.flash), reader.wires)
        begun = Signal()
        m.d.sync += begun.eq(loading.begin)
        return begun
