"""The accelerator one can talk to: the core behind a UART (hw/protocol.py)."""

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw import protocol
from hw.config import DEFAULT, Config
from hw.core import Core, check_images
from hw.uart import Receiver, Transmitter
from sw.cli import UserError
from sw.network import Network

__all__ = ["Accelerator", "Link"]


class Link(wiring.Component):
    """Speaks the protocol: commands in, pixels to the core, answers out.

    Parameters
    ----------
    network : sw.network.Network
        At most 256 classes; margins of at most 32 bits.
    result : shape of the core's result

    Members
    -------
    received, sent : stream of 8
        Bytes from and to the host.
    pixels : stream of 8
        To the core.
    result : stream of ResultLayout
        From the core.
    label : 8
        The last answer's class, for the LEDs.
    """

    def __init__(self, network: Network, *, result):
        if len(network.labels) > 256 or result["margin"].shape.width > 32:
            raise UserError(
                f"network {network.name!r}: the link carries at most 256 classes and margins of "
                f"32 bits, not {len(network.labels)} and {result['margin'].shape.width}"
            )
        self._pixels = network.encoder.pixels
        self._identity = protocol.identity(network.sha256)
        super().__init__(
            {
                "received": In(stream.Signature(8)),
                "sent": Out(stream.Signature(8)),
                "pixels": Out(stream.Signature(8)),
                "result": In(stream.Signature(result)),
                "label": Out(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        command = self.received.payload
        left = Signal(range(self._pixels + 1))  # pixels of this image still to come
        asked = Signal()  # an identification is due
        last_pixel = Signal()
        identify = command == ord(protocol.IDENTIFY)
        m.d.comb += [
            self.pixels.payload.eq(command),
            self.pixels.valid.eq(self.received.valid & (left != 0)),
            self.received.ready.eq(Mux(left == 0, ~(asked & identify), self.pixels.ready)),
            last_pixel.eq(self.pixels.valid & self.pixels.ready & (left == 1)),
        ]
        with m.If(self.received.valid & self.received.ready):
            with m.If(left != 0):
                m.d.sync += left.eq(left - 1)
            with m.Elif(command == ord(protocol.IMAGE)):
                m.d.sync += left.eq(self._pixels)
            with m.Elif(identify):
                m.d.sync += asked.eq(1)

        # Counts in the cycle of the last pixel too, so it shows the cycles between the two.
        cycles = Signal(16)
        with m.If(last_pixel):
            m.d.sync += cycles.eq(1)
        with m.Elif(~cycles.all() & ~self.result.valid):
            m.d.sync += cycles.eq(cycles + 1)

        label, step, margin = Signal(8), Signal(8), Signal(signed(32))
        m.d.comb += [
            label.eq(self.result.payload.label),
            step.eq(self.result.payload.step),
            margin.eq(self.result.payload.margin),
        ]
        size = protocol.ANSWER.size
        shift = Signal(8 * size)
        count = Signal(range(size + 1))
        m.d.comb += [
            self.sent.payload.eq(shift[:8]),
            self.sent.valid.eq(count != 0),
            self.result.ready.eq((count == 0) & ~asked),
        ]
        with m.If(count != 0), m.If(self.sent.ready):
            m.d.sync += [shift.eq(shift[8:]), count.eq(count - 1)]
        with m.Elif(asked):
            identity = Const(int.from_bytes(self._identity, "little"), 8 * size)
            m.d.sync += [shift.eq(identity), count.eq(len(self._identity)), asked.eq(0)]
        with m.Elif(self.result.valid):
            m.d.sync += [
                shift.eq(Cat(label, step, cycles, margin)),  # as protocol.ANSWER
                count.eq(size),
                self.label.eq(label),
            ]
        return m


class Accelerator(wiring.Component):
    """Core, link and UART: all of a board's design but its clock and pins.

    Parameters
    ----------
    network : sw.network.Network
    divisor : int
        Clock cycles per bit on the line.
    config : Config
        How the core is made; it takes one pixel a cycle, as bytes come.

    Members
    -------
    rx, tx : 1
        Serial lines, idle high.
    label : 8
        The last answer's class.
    """

    def __init__(self, network: Network, *, divisor: int, config: Config = DEFAULT):
        check_images(network)
        if config.pixels != 1:
            raise UserError(f"The link brings one pixel at a time, not {config.pixels}; take 1")
        self._core = Core(network, config=config)
        self._link = Link(network, result=self._core.result.payload.shape())
        self._receiver = Receiver(divisor=divisor)
        self._transmitter = Transmitter(divisor=divisor)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "label": Out(8)})

    def elaborate(self, platform):
        m = Module()
        receiver, transmitter = self._receiver, self._transmitter
        core, link = self._core, self._link
        # A break resets all but the receiver, which has to see it end.
        reset = ResetInserter(receiver.broken)
        m.submodules.receiver = receiver
        m.submodules.transmitter = reset(transmitter)
        m.submodules.core = reset(core)
        m.submodules.link = reset(link)
        wiring.connect(m, receiver.bytes, link.received)
        wiring.connect(m, link.pixels, core.pixels)
        wiring.connect(m, core.result, link.result)
        wiring.connect(m, link.sent, transmitter.bytes)
        m.d.comb += [
            receiver.line.eq(self.rx),
            self.tx.eq(transmitter.line),
            self.label.eq(link.label),
        ]
        return m
