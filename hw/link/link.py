"""The link: frames from a host to the core, and its replies (hw/link/protocol.py)."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol
from hw.link.frames import Frames
from hw.link.intake import check_units, intake, kind_of
from hw.link.layouts import CLASS, LedsLayout, ReplyLayout
from hw.link.loader import LoadingSignature
from hw.link.protocol import Fault, Kind, Status
from hw.rtl.inputs.registry import find_input
from sw.cli import UserError
from sw.network import Network

__all__ = ["Link"]


class Link(wiring.Component):
    """Speaks the protocol: frames in, pixels or events to the core, replies out.

    What a frame brings reaches the core before its checksum is known, so its result is taken only
    when the checksum was right. Otherwise all that is in flight is dropped, the core is reset, and
    nothing is heard until the line has been idle: where the next frame begins is not known.

    Parameters
    ----------
    network : sw.network.Network
        At most 256 classes and steps; margins of at most 32 bits; at most 65,535 inputs if they are
        events.
    result : shape of the core's result
    loads : bool
        Weights are loaded at start-up: until then inputs get no class; the host may load them too.
    alone : bool
        The core takes no input while it computes: one at a time.

    Members
    -------
    bits, bytes : stream of 1 and of 8, always ready
        From the host: each byte follows its bits.
    broken, silent : 1
        As the receiver has them (hw/link/uart.py).
    pixels : stream of 8
        To the core, if it takes images.
    source : stream of hw.rtl.bypass.SourceLayout
        To the core, if it takes events.
    result : stream of ResultLayout
        From the core.
    drop : 1
        All in flight is dropped: the core must be reset in the next cycle.
    reply : stream of ReplyLayout
        To the host.
    leds : LedsLayout
    loading : LoadingSignature
        To the loader, if ``loads``.
    """

    def __init__(self, network: Network, *, result, loads: bool = False, alone: bool = False):
        if len(network.labels) > 256 or result["margin"].shape.width > 32:
            raise UserError(
                f"network {network.name!r}: the link carries at most 256 classes and margins of "
                f"32 bits, not {len(network.labels)} and {result['margin'].shape.width}"
            )
        if network.latency > 256:
            raise UserError(
                f"network {network.name!r}: the link carries at most 256 steps, not "
                f"{network.latency}"
            )
        self._network = network
        self._can_fault = "fault" in dict(result)
        self._input = find_input(network.encoder)
        check_units(network, self._input)
        self._kind = kind_of(self._input)
        size = self._input.load_cycles or None
        sizes = {Kind.QUERY: 0, self._kind: size, **({Kind.LOAD: None} if loads else {})}
        self._frames = Frames(sizes, drops=frozenset({Kind.QUERY, Kind.LOAD} & sizes.keys()))
        self._alone = alone
        identity = protocol.identity(network.sha256, loads=loads, alone=alone)
        self._identity = int.from_bytes(identity, "little")
        self._loads = loads
        self.layout = ReplyLayout(margin=result["margin"].shape.width, identity=self._identity)
        to_core = stream.Signature(self._input.stream_shape(network.steps))
        super().__init__(
            {
                "bits": In(stream.Signature(1, always_ready=True)),
                "bytes": In(stream.Signature(8, always_ready=True)),
                "broken": In(1),
                "silent": In(1),
                self._input.port: Out(to_core),
                "result": In(stream.Signature(result)),
                "drop": Out(1),
                "reply": Out(stream.Signature(self.layout)),
                "leds": Out(LedsLayout()),
                **({"loading": Out(LoadingSignature())} if loads else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Without weights to load, these signals keep their initial values: always ready.
        weights = self.loading if self._loads else LoadingSignature().flip().create()
        m.submodules.frames = frames = self._frames
        of_query, of_input = frames.is_kind(Kind.QUERY), frames.is_kind(self._kind)
        of_load = frames.is_kind(Kind.LOAD) if self._loads else Const(0)
        too_early = Signal()  # this input began before the weights were there
        source = intake(
            m,
            self,
            self._input,
            network=self._network,
            taken=frames.payload.valid & of_input,
            left=frames.left,
            too_early=too_early,
            waits=self._alone,
            restart=self.drop | weights.begin,
        )
        wiring.connect(m, wiring.flipped(self.bits), frames.bits)
        wiring.connect(m, wiring.flipped(self.bytes), frames.bytes)
        m.d.comb += [
            frames.broken.eq(self.broken),
            frames.silent.eq(self.silent),
            frames.abort.eq(source.overrun | weights.rejected),
            frames.last.eq(Mux(of_load, weights.last, source.last)),
            weights.begin.eq(frames.begins & of_load),
            weights.content.payload.eq(self.bytes.payload),
            weights.content.valid.eq(frames.payload.valid & of_load),
            weights.drop.eq(self.drop),
            self.drop.eq(frames.damaged | (frames.accepted & of_query)),
        ]

        result = self.result.payload
        fault = result.fault if self._can_fault else Const(0)
        reply, body, sends = self.reply.payload, Signal(CLASS), Signal()
        # What is due: a report of a damaged frame, or the reply to the oldest frame that has none.
        report_due, identity_due = Signal(), Signal()
        status_due = Signal() if self._loads else Const(0)
        class_due = frames.waiting & ~(report_due | identity_due | status_due)
        report, refused = Signal(8), Signal()
        m.d.comb += [
            body.label.eq(result.label),
            body.step.eq(result.step),
            body.cycles.eq(self._cycles_from(m, source.end)),
            body.margin.eq(result.margin),
            sends.eq(self.reply.valid & self.reply.ready),
            frames.answered.eq(sends & ~report_due),
            self.result.ready.eq(class_due & self.reply.ready),
            reply.sequence.eq(frames.oldest),
            self.leds.no_class.eq(refused | (weights.status != Status.READY)),
        ]

        def status(value):
            return [reply.kind.eq(Kind.STATUS), reply.body.eq(value)]

        with m.If(report_due | identity_due):  # with the same body, which costs less
            m.d.comb += [
                self.reply.valid.eq(report_due | (weights.status != Status.LOADING)),
                reply.kind.eq(Mux(report_due, Kind.DAMAGED, Kind.IDENTITY)),
                reply.body.eq(self._identity),
            ]
            with m.If(report_due & (report != 0)):
                m.d.comb += [reply.kind.eq(Kind.REFUSED), reply.body.eq(report)]
            with m.If(sends):
                m.d.sync += [report_due.eq(0), identity_due.eq(identity_due & report_due)]
        if self._loads:
            with m.Elif(status_due):
                m.d.comb += [self.reply.valid.eq(1), *status(weights.status)]
                with m.If(sends):
                    m.d.sync += status_due.eq(0)
        with m.Else():
            m.d.comb += [
                self.reply.valid.eq(self.result.valid & frames.waiting),
                reply.kind.eq(Kind.CLASS),
                reply.body.eq(body),
            ]
            with m.If(fault):
                m.d.comb += status(Fault.RULES)
            with m.If(sends):
                m.d.sync += refused.eq(fault)
                with m.If(~fault):
                    m.d.sync += [
                        self.leds.label.eq(result.label),
                        self.leds.answers.eq(~self.leds.answers),
                    ]

        if self._loads:
            with m.If(frames.begins):
                m.d.sync += too_early.eq(of_input & (weights.status != Status.READY))
        with m.If(self.drop):
            m.d.sync += identity_due.eq(0)
            if self._loads:
                m.d.sync += status_due.eq(0)
        with m.If(frames.accepted):
            m.d.sync += identity_due.eq(of_query)
            if self._loads:
                with m.If(of_load | too_early):
                    m.d.sync += status_due.eq(1)
                with m.If(too_early):
                    m.d.sync += refused.eq(1)
        with m.If(frames.damaged):
            m.d.sync += [report_due.eq(1), report.eq(0)]
            with m.If(source.overrun):
                m.d.sync += report.eq(Fault.OVERRUN)
            with m.If(weights.rejected):
                m.d.sync += report.eq(weights.verdict)
        return m

    def _cycles_from(self, m, end):
        """Counts in the cycle of the input's end too, so it shows the cycles between the two."""
        cycles = Signal(16, reset_less=True)
        with m.If(end):
            m.d.sync += cycles.eq(1)
        with m.Elif(~cycles.all() & ~self.result.valid):
            m.d.sync += cycles.eq(cycles + 1)
        return cycles
