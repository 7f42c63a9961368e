"""The loader: writes a weight image into the core's memory, and reports the outcome."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from hw.link import weight_image
from hw.link.protocol import Status

__all__ = ["Loader", "LoadingSignature"]


class _Part(enum.Enum, shape=2):  # type: ignore[call-arg]  # as Amaranth takes it
    """Of a weight image: what comes next."""

    HEADER = 0
    WORDS = 1
    CHECKSUM = 2
    VERDICT = 3


class LoadingSignature(wiring.Signature):
    """How the host loads weights, from the side of the link.

    Members
    -------
    begin : 1
        A weight image comes from the next cycle on, whatever came before.
    content : stream of 8, always ready
        Its bytes.
    last : 1
        The byte of this cycle is its last.
    rejected : 1
        The byte of the cycle before is wrong, and the rest is not listened to.
    verdict : Status
        Why.
    drop : 1
        The rest does not come.
    status : Status
        Weights count only while this is READY. It stays so until a header was right.
    """

    def __init__(self):
        super().__init__(
            {
                "begin": Out(1),
                "content": Out(stream.Signature(8, always_ready=True)),
                "last": In(1),
                "rejected": In(1),
                "verdict": In(Status),
                "drop": Out(1),
                "status": In(Status),
            }
        )


class Loader(wiring.Component):
    """Takes a weight image (hw/link/weight_image.py) byte by byte, from the flash after reset
    or from the host on request, and writes its words.

    It knows the expected header and stops at the first byte that differs. Words are
    written before the checksum is known: weights count only while the status is READY.

    Latency: a word is written in the cycle after that of its second byte; the status shows the
    result of the checksum two cycles after its last byte was taken.
    Throughput: one byte per cycle.

    Parameters
    ----------
    header : bytes
        Of a weight image for this network and this hardware.
    layout : structure of ``address`` and ``data`` of 16 bits
        What the memory takes.
    flash : bool
        There is a flash to be read after reset. Without, the status is NO_IMAGE until the host
        brings one.

    Members
    -------
    flash : stream of 8
        From the image's first byte on.
    reading : 1
        The flash is to be read.
    host : LoadingSignature
    words : stream of layout, always ready
        In ascending order of addresses.
    """

    def __init__(self, *, header: bytes, layout, flash: bool = True):
        self._header = header
        *_, self._words = weight_image.HEADER.unpack(header)
        self._has_flash = flash
        super().__init__(
            {
                "flash": In(stream.Signature(8)),
                "reading": Out(1),
                "host": In(LoadingSignature()),
                "words": Out(stream.Signature(layout, always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.checksum = checksum = CRC32_ISO_HDLC().create()
        host = self.host
        status = Signal(Status, init=Status.LOADING if self._has_flash else Status.NO_IMAGE)
        part = Signal(_Part)
        taking = Signal(init=self._has_flash)  # a weight image is on its way
        from_host = Signal(init=not self._has_flash)
        byte, accept = Signal(8), Signal()
        m.d.comb += [
            self.reading.eq(taking & ~from_host),
            self.flash.ready.eq(1),
            host.status.eq(status),
            byte.eq(Mux(from_host, host.content.payload, self.flash.payload)),
            accept.eq(taking & Mux(from_host, host.content.valid, self.flash.valid)),
            checksum.start.eq(host.begin),
            checksum.valid.eq(accept),
            checksum.data.eq(byte),
        ]

        position = Signal(range(weight_image.HEADER.size))  # in the header or in the checksum
        expected = Array(Const(each, 8) for each in self._header)[position]
        address = Signal(range(self._words))
        ready = status == Status.READY
        word, odd = Signal(16), Signal()  # the last two bytes, and whether the upper one is due
        complete = Signal()  # from a register, so that no memory's address waits for the bytes
        m.d.sync += complete.eq(accept & (part == _Part.WORDS) & odd)
        m.d.comb += [
            self.words.valid.eq(complete),
            self.words.payload.address.eq(address),
            self.words.payload.data.eq(word),
        ]
        with m.If(accept):
            m.d.sync += word.eq(Cat(word[8:], byte))
        with m.If(complete):
            m.d.sync += address.eq(address + 1)
        m.d.sync += host.rejected.eq(0)
        with m.If(part == _Part.VERDICT):
            m.d.sync += [
                part.eq(_Part.HEADER),
                status.eq(Mux(checksum.match_detected, Status.READY, Status.DAMAGED)),
            ]
        with m.Elif(accept):
            m.d.sync += position.eq(position + 1)
            with m.Switch(part):
                with m.Case(_Part.HEADER):
                    with m.If(byte != expected):
                        m.d.sync += [
                            taking.eq(0),
                            host.rejected.eq(from_host),
                            host.verdict.eq(_fault(position)),
                        ]
                        with m.If(~ready):
                            m.d.sync += status.eq(_fault(position))
                    with m.Elif(position == weight_image.HEADER.size - 1):
                        m.d.sync += [part.eq(_Part.WORDS), address.eq(0), odd.eq(0)]
                        m.d.sync += status.eq(Status.LOADING)
                with m.Case(_Part.WORDS):
                    m.d.sync += odd.eq(~odd)
                    with m.If(odd & (address == self._words - 1)):
                        m.d.sync += [part.eq(_Part.CHECKSUM), position.eq(0)]
                with m.Case(_Part.CHECKSUM), m.If(position == weight_image.CHECKSUM.size - 1):
                    m.d.comb += host.last.eq(from_host)
                    m.d.sync += [part.eq(_Part.VERDICT), taking.eq(0)]
        with m.If(host.drop & from_host):
            m.d.sync += taking.eq(0)
        with m.If(host.begin):
            m.d.sync += [part.eq(_Part.HEADER), position.eq(0), taking.eq(1), from_host.eq(1)]
            with m.If(~ready):
                m.d.sync += status.eq(Status.LOADING)
        return m


def _fault(position: Signal):
    """What is wrong if the header's byte at ``position`` is."""
    identity = weight_image.IDENTITY
    known = Mux(position < identity.stop, Status.OTHER_NETWORK, Status.DAMAGED)
    return Mux(position < identity.start, Status.NO_IMAGE, known)
