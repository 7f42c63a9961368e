"""The accelerator one can talk to: the core behind a UART (hw/link/protocol.py)."""

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol, weight_image
from hw.link.flash import FlashReader, SpiSignature
from hw.link.intake import event_intake, pixel_intake
from hw.link.loader import Loader, LoadingSignature
from hw.link.protocol import Fault, Status
from hw.link.uart import Receiver, Transmitter
from hw.rtl.bypass import SourceLayout
from hw.rtl.config import DEFAULT, Config
from hw.rtl.core import Core, loaded_words
from sw.cli import UserError
from sw.encoder import EventsEncoder
from sw.network import Network

__all__ = ["Accelerator", "Link"]


class LedsLayout(data.StructLayout):
    """What LEDs may show, since the last reset.

    Members
    -------
    label : 8
        The last class.
    answers : 1
        Changes with each class.
    no_class : 1
        The last input got none, or the weights are not there.
    """

    def __init__(self):
        super().__init__({"label": 8, "answers": 1, "no_class": 1})


class Link(wiring.Component):
    """Speaks the protocol: commands in, pixels or events to the core, answers out.

    Parameters
    ----------
    network : sw.network.Network
        At most 256 classes; margins of at most 32 bits; at most 65,535 inputs if they are events.
    result : shape of the core's result
    loads : bool
        Weights are loaded: inputs get no class before that, and the host may load them.

    Members
    -------
    received, sent : stream of 8
        Bytes from and to the host.
    pixels : stream of 8
        To the core, if it takes images.
    source : stream of SourceLayout
        To the core, if it takes events.
    lost : 1
        In place of ``pixels``, too: events came faster than the core took them, so it must be reset
        until this link is.
    result : stream of ResultLayout
        From the core.
    waiting : 1
        Within an input or a weight image: if no byte follows, all must be reset.
    leds : LedsLayout
    loading : LoadingSignature
        To the loader, if ``loads``. What the core was computing when it begins must be dropped.
    """

    def __init__(self, network: Network, *, result, loads: bool = False):
        if len(network.labels) > 256 or result["margin"].shape.width > 32:
            raise UserError(
                f"network {network.name!r}: the link carries at most 256 classes and margins of "
                f"32 bits, not {len(network.labels)} and {result['margin'].shape.width}"
            )
        self._network = network
        self._events = isinstance(network.encoder, EventsEncoder)
        if self._events and network.sizes[0] > protocol.END:
            raise UserError(
                f"network {network.name!r}: the link carries events of at most {protocol.END} "
                f"inputs, not {network.sizes[0]}"
            )
        self._identity = protocol.identity(network.sha256)
        self._loads = loads
        if self._events:
            layout = SourceLayout(network.sizes[0], network.steps)
            into = {"source": Out(stream.Signature(layout)), "lost": Out(1)}
        else:
            into = {"pixels": Out(stream.Signature(8))}
        super().__init__(
            {
                "received": In(stream.Signature(8)),
                "sent": Out(stream.Signature(8)),
                **into,
                "result": In(stream.Signature(result)),
                "waiting": Out(1),
                "leds": Out(LedsLayout()),
                **({"loading": Out(LoadingSignature())} if loads else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Without weights to load, these signals keep what they begin with: all is ready.
        loading = self.loading if self._loads else LoadingSignature().flip().create()
        known = Signal()  # what became of the weights
        command, accept = self.received.payload, Signal()
        dropped = Signal()  # this input came before the weights
        asked = Signal()  # an identification is due
        refused, loaded = Signal(), Signal()  # a status is due, at once or once it is known
        into = self._intake(m, accept, dropped, loading.begin)
        identify = command == ord(protocol.IDENTIFY)
        m.d.comb += [
            known.eq(loading.status != Status.LOADING),
            loading.image.payload.eq(command),
            loading.image.valid.eq(self.received.valid & loading.hearing),
            *into.offer,
            accept.eq(self.received.valid & self.received.ready),
            self.waiting.eq(into.busy | loading.hearing),
            into.end.eq(into.ended),
        ]
        with m.If(loading.hearing):
            m.d.comb += self.received.ready.eq(1)
        with m.Elif(into.idle):
            m.d.comb += self.received.ready.eq(~(asked & identify))
        with m.Else():
            m.d.comb += self.received.ready.eq(Mux(dropped, ~refused, into.ready))
        with m.If(accept & ~loading.hearing):
            with m.If(into.busy):
                m.d.sync += into.take
                with m.If(dropped & into.last):
                    m.d.sync += refused.eq(1)
            with m.Elif(command == ord(into.command)):
                m.d.sync += into.begin
                m.d.sync += dropped.eq(loading.status != Status.READY)
            with m.Elif(identify):
                m.d.sync += asked.eq(1)
        if self._loads:
            here = self.received.valid & ~loading.hearing & into.idle
            m.d.comb += loading.begin.eq(here & (command == ord(protocol.LOAD)))
        with m.If(loading.begin):
            m.d.sync += loaded.eq(1)

        # Counts in the cycle of the input's end too, so it shows the cycles between the two.
        cycles = Signal(16)
        with m.If(into.end):
            m.d.sync += cycles.eq(1)
        with m.Elif(~cycles.all() & ~self.result.valid):
            m.d.sync += cycles.eq(cycles + 1)

        label, step, margin = Signal(8), Signal(8), Signal(signed(32))
        m.d.comb += [
            label.eq(self.result.payload.label),
            step.eq(self.result.payload.step),
            margin.eq(self.result.payload.margin),
        ]
        no_class = Signal()
        m.d.comb += self.leds.no_class.eq(no_class | (loading.status != Status.READY))
        size = protocol.ANSWER.size
        shift = Signal(8 * size)
        count = Signal(range(size + 1))
        m.d.comb += [
            self.sent.payload.eq(shift[:8]),
            self.sent.valid.eq(count != 0),
            self.result.ready.eq((count == 0) & ~asked & ~refused & ~loaded),
        ]
        with m.If(count != 0), m.If(self.sent.ready):
            m.d.sync += [shift.eq(shift[8:]), count.eq(count - 1)]
        with m.Elif(asked & known):
            identity = Const(int.from_bytes(self._identity, "little"), 8 * size)
            m.d.sync += [shift.eq(identity), count.eq(len(self._identity)), asked.eq(0)]
        with m.Elif(refused | (loaded & known)):
            m.d.sync += [shift.eq(into.status(loading.status)), count.eq(size), refused.eq(0)]
            m.d.sync += no_class.eq(1)
            with m.If(~refused):
                m.d.sync += loaded.eq(0)
        with m.Elif(self.result.valid):
            m.d.sync += [
                shift.eq(Cat(label, step, into.cycles(cycles), margin)),  # as protocol.ANSWER
                count.eq(size),
                self.leds.label.eq(label),
                self.leds.answers.eq(~self.leds.answers),
                no_class.eq(0),
            ]
            if self._events:
                with m.If(self.result.payload.fault):
                    m.d.sync += [shift.eq(Fault.RULES), no_class.eq(1)]
                    m.d.sync += [each.eq(each) for each in (self.leds.label, self.leds.answers)]
        if self._events:
            told = Signal()
            m.d.comb += self.lost.eq(into.lost)
            m.d.sync += told.eq(self.lost)
            with m.If(self.lost & ~told):
                m.d.sync += refused.eq(1)
        return m

    def _intake(self, m, accept, dropped, again):
        network = self._network
        if not self._events:
            return pixel_intake(self, pixels=network.encoder.pixels, dropped=dropped)
        return event_intake(
            m,
            self,
            units=network.sizes[0],
            steps=network.steps,
            accept=accept,
            dropped=dropped,
            again=again,
        )


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
        How the core is made; it takes one pixel a cycle, as bytes come.
    flash : FlashReader, optional
        Where weights are loaded: brings their image after reset. Without, the host brings it.

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
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(LedsLayout()), **wires})

    def elaborate(self, platform):
        m = Module()
        receiver, transmitter = self._receiver, self._transmitter
        core, link = self._core, self._link
        # A break resets all but the receiver, which has to see it end; so does silence within an
        # input, when its host is gone.
        begin_anew = Signal()
        m.d.sync += begin_anew.eq(receiver.broken | (receiver.silent & link.waiting))
        reset = ResetInserter(begin_anew)
        restart = begin_anew
        if self._loader:
            restart |= self._load(m, begin_anew)
        events = "source" in core.signature.members
        if events:
            restart |= link.lost
        m.submodules.receiver = receiver
        m.submodules.transmitter = reset(transmitter)
        m.submodules.core = ResetInserter(restart)(core)
        m.submodules.link = reset(link)
        wiring.connect(m, receiver.bytes, link.received)
        if events:
            wiring.connect(m, link.source, core.source)
        else:
            wiring.connect(m, link.pixels, core.pixels)
        wiring.connect(m, core.result, link.result)
        wiring.connect(m, link.sent, transmitter.bytes)
        m.d.comb += [
            receiver.line.eq(self.rx),
            self.tx.eq(transmitter.line),
            self.leds.eq(link.leds),
        ]
        return m

    def _load(self, m, begin_anew):
        """Connects the loader; returns what resets the core: what it computes is not to be used."""
        loader, loading = self._loader, self._link.loading
        # A break leaves weights that are there, and has the flash read again otherwise.
        there = (loading.status == Status.READY) & ~loading.begin
        again = begin_anew & ~there
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
