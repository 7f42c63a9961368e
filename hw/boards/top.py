"""The top level on a board: clock, pins and the accelerator."""

from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import io

from hw.boards.clock import ClockGenerator
from hw.boards.table import Board
from hw.link import protocol
from hw.link.accelerator import Accelerator
from hw.link.flash import FlashReader
from hw.rtl.config import DEFAULT, Config
from sw.network import Network

__all__ = ["BoardTop"]


class BoardTop(Elaboratable):
    """A network on a board at ``clock`` Hz: UART in, class out, and its LEDs."""

    def __init__(self, network: Network, board: Board, *, clock: int, config: Config = DEFAULT):
        self._board = board
        self._clock = clock
        flash = None
        if board.weights_at is not None and config.loads(network):
            flash = FlashReader(address=board.weights_at, clock=clock)
        self._accelerator = Accelerator(
            network,
            divisor=round(clock / protocol.BAUD),
            timeout=round(clock * protocol.TIMEOUT),
            config=config,
            flash=flash,
        )

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = domain = ClockDomain("sync")
        m.submodules.clock = ClockGenerator(self._board, domain, clock=self._clock)
        m.submodules.accelerator = accelerator = self._accelerator
        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [accelerator.rx.eq(rx.i), tx.o.eq(accelerator.tx)]
        if "flash" in accelerator.signature.members:
            self._flash(m, platform, accelerator.flash)
        for name in self._board.idle:
            m.submodules[name] = io.Buffer("o", platform.request(name, dir="-"))
        for bit, value in enumerate(self._shown(accelerator.leds)):
            m.submodules[f"led_{bit}"] = led = io.Buffer("o", platform.request("led", bit, dir="-"))
            m.d.comb += led.o.eq(value)
        return m

    def _shown(self, leds):
        """What each of the board's LEDs shows."""
        if self._board.shows_class:
            return [leds.label[bit] for bit in range(len(self._board.leds))]
        return [leds.no_class, leds.answers]

    def _flash(self, m, platform, wires):
        """The flash's pins; those for write protection and hold stay inactive."""
        port = platform.request("spi_flash_1x", 0, dir="-")
        for name, value in (
            ("cs", wires.select),
            ("clk", wires.clock),
            ("copi", wires.copi),
            ("wp", 0),
            ("hold", 0),
        ):
            m.submodules[f"flash_{name}"] = buffer = io.Buffer("o", getattr(port, name))
            m.d.comb += buffer.o.eq(value)
        m.submodules.flash_cipo = buffer = io.Buffer("i", port.cipo)
        m.d.comb += wires.cipo.eq(buffer.i)
