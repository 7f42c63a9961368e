"""The top level on a board: clock, pins and the accelerator."""

from amaranth.build import ResourceError
from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import io

from hw import protocol
from hw.boards import Board
from hw.clock import ClockGenerator
from hw.config import DEFAULT, Config
from hw.link import Accelerator
from sw.network import Network

__all__ = ["BoardTop"]


class BoardTop(Elaboratable):
    """A network on a board at ``clock`` Hz: UART in, class out, the class in binary on the LEDs."""

    def __init__(self, network: Network, board: Board, *, clock: int, config: Config = DEFAULT):
        self._board = board
        self._clock = clock
        self._accelerator = Accelerator(
            network, divisor=round(clock / protocol.BAUD), config=config
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
        for name in self._board.idle:
            m.submodules[name] = io.Buffer("o", platform.request(name, dir="-"))
        for bit in range(8):
            try:
                port = platform.request("led", bit, dir="-")
            except ResourceError:
                break  # boards have from two LEDs to eight
            m.submodules[f"led_{bit}"] = led = io.Buffer("o", port)
            m.d.comb += led.o.eq(accelerator.label[bit])
        return m
