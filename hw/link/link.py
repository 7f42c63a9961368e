"""The link: commands from a host to the core, and its answers back (hw/link/protocol.py)."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol
from hw.link.intake import check_units, intake
from hw.link.layouts import ANSWER, LedsLayout
from hw.link.loader import LoadingSignature
from hw.link.protocol import Fault, Status
from hw.rtl.inputs.registry import find_input
from sw.cli import UserError
from sw.network import Network

__all__ = ["Link"]


class Link(wiring.Component):
    """Speaks the protocol: commands in, pixels or events to the core, answers out.

    Parameters
    ----------
    network : sw.network.Network
        At most 256 classes; margins of at most 32 bits; at most 65,535 inputs if they are events.
    result : shape of the core's result
    loads : bool
        Weights are loaded at start-up: until then inputs get no class; the host may load them too.

    Members
    -------
    received, sent : stream of 8
        Bytes from and to the host.
    pixels : stream of 8
        To the core, if it takes images.
    source : stream of hw.rtl.bypass.SourceLayout
        To the core, if it takes events.
    overrun : 1
        With ``source``: events came faster than the core took them, so it must be reset
        until this link is.
    result : stream of ResultLayout
        From the core.
    waiting : 1
        Within an input or a weight image: if no byte follows in time, all must be reset.
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
        self._input = find_input(network.encoder)
        check_units(network, self._input)
        self._identity = protocol.identity(network.sha256)
        self._loads = loads
        to_core = {
            self._input.port: Out(stream.Signature(self._input.stream_shape(network.steps))),
            **({"overrun": Out(1)} if self._input.can_fault else {}),
        }
        super().__init__(
            {
                "received": In(stream.Signature(8)),
                "sent": Out(stream.Signature(8)),
                **to_core,
                "result": In(stream.Signature(result)),
                "waiting": Out(1),
                "leds": Out(LedsLayout()),
                **({"loading": Out(LoadingSignature())} if loads else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Without weights to load, these signals keep their initial values: always ready.
        weights = self.loading if self._loads else LoadingSignature().flip().create()
        settled = weights.status != Status.LOADING
        byte, taken = self.received.payload, Signal()
        too_early = Signal()  # this input began before the weights were there
        source = intake(
            m,
            self,
            self._input,
            network=self._network,
            taken=taken,
            too_early=too_early,
            restart=weights.begin,
        )
        cycles = self._cycles_from(m, source.end)
        # Answers due to the host besides classes: an identification, a status in place of a class,
        # the status of the weights that it loads.
        identity_due, refusal_due, verdict_due = Signal(), Signal(), Signal()

        def is_command(command):
            return byte == ord(command)

        m.d.comb += [
            taken.eq(self.received.valid & self.received.ready),
            self.waiting.eq(source.busy | weights.listening),
            weights.content.payload.eq(byte),
            weights.content.valid.eq(self.received.valid & weights.listening),
        ]
        with m.If(weights.listening):
            m.d.comb += self.received.ready.eq(1)
        with m.Elif(source.busy):
            m.d.comb += self.received.ready.eq(Mux(too_early, ~refusal_due, source.ready))
            with m.If(taken):
                m.d.sync += source.take
                with m.If(too_early & source.last):
                    m.d.sync += refusal_due.eq(1)
        with m.Else():
            m.d.comb += self.received.ready.eq(~(identity_due & is_command(protocol.IDENTIFY)))
            with m.If(taken & is_command(source.command)):
                m.d.sync += [source.begin, too_early.eq(weights.status != Status.READY)]
            with m.If(taken & is_command(protocol.IDENTIFY)):
                m.d.sync += identity_due.eq(1)
            if self._loads:
                with m.If(taken & is_command(protocol.LOAD)):
                    m.d.comb += weights.begin.eq(1)
                    m.d.sync += verdict_due.eq(1)

        result = self.result.payload
        fault = result.fault if self._input.can_fault else Const(0)
        reply, refusal = Signal(ANSWER), Signal(ANSWER)
        shift, left = Signal(ANSWER.size), Signal(range(protocol.ANSWER.size + 1))
        refused = Signal()  # the last input was
        m.d.comb += [
            reply.label.eq(result.label),
            reply.step.eq(result.step),
            reply.cycles.eq(source.cycles(cycles)),
            reply.margin.eq(result.margin),
            refusal.label.eq(source.refusal(weights.status)),
            self.sent.payload.eq(shift[:8]),
            self.sent.valid.eq(left != 0),
            self.result.ready.eq((left == 0) & ~identity_due & ~refusal_due & ~verdict_due),
            self.leds.no_class.eq(refused | (weights.status != Status.READY)),
        ]

        def send(content, size=protocol.ANSWER.size):
            return [shift.eq(content), left.eq(size)]

        with m.If(left != 0), m.If(self.sent.ready):
            m.d.sync += [shift.eq(shift[8:]), left.eq(left - 1)]
        with m.Elif(identity_due & settled):
            identity = Const(int.from_bytes(self._identity, "little"), ANSWER.size)
            m.d.sync += [*send(identity, len(self._identity)), identity_due.eq(0)]
        with m.Elif(refusal_due | (verdict_due & settled)):
            m.d.sync += [*send(refusal), refusal_due.eq(0), refused.eq(refusal_due)]
            with m.If(~refusal_due):
                m.d.sync += verdict_due.eq(0)
        with m.Elif(self.result.valid & fault):
            m.d.sync += [*send(int(Fault.RULES)), refused.eq(1)]
        with m.Elif(self.result.valid):
            m.d.sync += [
                *send(reply),
                refused.eq(0),
                self.leds.label.eq(result.label),
                self.leds.answers.eq(~self.leds.answers),
            ]
        if self._input.can_fault:
            reported = Signal()
            m.d.comb += self.overrun.eq(source.overrun)
            m.d.sync += reported.eq(self.overrun)
            with m.If(self.overrun & ~reported):
                m.d.sync += refusal_due.eq(1)
        return m

    def _cycles_from(self, m, end):
        """Counts in the cycle of the input's end too, so it shows the cycles between the two."""
        cycles = Signal(16)
        with m.If(end):
            m.d.sync += cycles.eq(1)
        with m.Elif(~cycles.all() & ~self.result.valid):
            m.d.sync += cycles.eq(cycles + 1)
        return cycles
