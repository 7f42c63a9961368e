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
from hw.link.sender import Sender
from hw.link.uart import BitClock, Receiver
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
        Clock cycles, rounded up to bit times that are a power of two: a frame that is not continued
        for so long is dropped.
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
        self._link = Link(
            network, result=result, loads=words is not None, alone=config.whole is not None
        )
        self._receiver = Receiver(divisor=divisor, timeout=-(-timeout // divisor))
        self._sender = Sender(self._link.layout)
        self._bit_clock = BitClock(divisor=divisor)
        wires = {"flash": Out(SpiSignature())} if flash else {}
        super().__init__(
            {"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(LedsLayout()), **wires}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bit_clock, receiver, sender = self._bit_clock, self._receiver, self._sender
        core, link = self._core, self._link
        reset = Signal()
        m.d.sync += reset.eq(link.drop)
        reset_core = reset
        if self._loader:
            reset_core |= self._load(m, self._loader, reset)
        m.submodules.bit_clock = bit_clock
        m.submodules.receiver = receiver
        m.submodules.sender = sender
        m.submodules.core = ResetInserter(reset_core)(core)
        m.submodules.link = link
        port = core.config.input(core.network).port
        wiring.connect(m, receiver.bits, link.bits)
        wiring.connect(m, receiver.bytes, link.bytes)
        wiring.connect(m, getattr(link, port), getattr(core, port))
        wiring.connect(m, core.result, link.result)
        wiring.connect(m, link.reply, sender.reply)
        m.d.comb += [
            receiver.line.eq(self.rx),
            receiver.tick.eq(bit_clock.tick),
            sender.tick.eq(bit_clock.tick),
            link.broken.eq(receiver.broken),
            link.silent.eq(receiver.silent),
            self.tx.eq(sender.line),
            self.leds.eq(link.leds),
        ]
        return m

    def _load(self, m: Module, loader: Loader, reset: Signal) -> Signal:
        """Connects the loader; returns what resets the core and so drops an inference."""
        loading = self._link.loading
        # Weights that are there stay, and so does what is being read; otherwise the flash is read
        # again.
        again = reset & (loading.status != Status.READY) & ~loader.reading
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
