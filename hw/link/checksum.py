"""The checksum of frames, bit by bit as they are on the line."""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

__all__ = ["Checksum"]


class Checksum(wiring.Component):
    """The CRC-32 of the bits since reset, and then its own bits, one after the other.

    Members
    -------
    data : 1
        A bit of the frame, the lowest of each byte first.
    valid : 1
        Take it or, in the checksum, go on to the next bit.
    shift : 1
        The checksum has been reached: ``data`` does not count.
    bit : 1
        The bit of the checksum that is due.
    """

    def __init__(self):
        super().__init__({"data": In(1), "valid": In(1), "shift": In(1), "bit": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=1).create()
        m.d.comb += [
            self.bit.eq(crc.crc[0]),
            # It takes the difference of this bit and the one that leaves it: none, so it shifts.
            crc.data.eq(Mux(self.shift, ~crc.crc[0], self.data)),
            crc.valid.eq(self.valid),
        ]
        return m
