"""Single-port memory of 16-bit columns: SPRAM on an iCE40 UP5K, a plain memory elsewhere."""

from amaranth.hdl import Array, Cat, ClockSignal, Instance, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.memories import COLUMN

__all__ = ["COLUMN", "SPRAM_DEPTH", "SinglePortMemory", "spram_blocks"]

SPRAM_DEPTH = 1 << 14  # words of an SPRAM
_PART = "iCE40UP5K"


def spram_blocks(depth: int, columns: int) -> int:
    """SPRAMs of a memory of ``depth`` rows of ``columns`` words."""
    return -(-depth // SPRAM_DEPTH) * columns


class SinglePortMemory(wiring.Component):
    """Rows of 16-bit columns; in a cycle a row is read or some columns of one are written.

    What it holds at power-up is not known. On an iCE40 UP5K it is made of SB_SPRAM256KA, which are
    16,384 words deep (Lattice FPGA-TN-02022), elsewhere of a memory that synthesis chooses.

    Latency: 1 cycle.

    Parameters
    ----------
    depth : int
        Rows.
    columns : int
    width : int, optional
        Bits of a row that are kept; without it all. The last column may be narrower.

    Members
    -------
    address : range(depth)
    enable : 1
        Read or write; without it ``data`` stays.
    write : columns
        The columns that are written; with any of them ``data`` has no meaning until the next read.
    word : 16
        What is written.
    data : width
        The row that was read, its first column in the lowest bits.
    """

    def __init__(self, *, depth: int, columns: int, width: int | None = None):
        if depth < 1 or columns < 1:
            raise ValueError(f"Depth and columns must be at least 1, not {depth!r}, {columns!r}")
        self._depth = depth
        self._columns = columns
        self._width = COLUMN * columns if width is None else width
        if not COLUMN * (columns - 1) < self._width <= COLUMN * columns:
            raise ValueError(f"Width must need {columns} columns, not {width!r}")
        super().__init__(
            {
                "address": In(range(depth)),
                "enable": In(1),
                "write": In(columns),
                "word": In(COLUMN),
                "data": Out(self._width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if getattr(platform, "device", None) == _PART:
            self._of_spram(m)
        else:
            self._plain(m)
        return m

    def _plain(self, m):
        whole, rest = divmod(self._width, COLUMN)
        data = []
        if whole:
            data.append(self._memory(m, "memory", COLUMN, whole, self.write[:whole]))
        if rest:
            data.append(self._memory(m, "last", rest, 1, self.write[whole:]))
        m.d.comb += self.data.eq(Cat(data))

    def _memory(self, m, name, width, columns, written):
        """What is read of a memory of so many columns of ``width`` bits."""
        m.submodules[name] = plain = memory.Memory(
            shape=width * columns, depth=self._depth, init=[], attrs={"single_port": True}
        )
        write, read = plain.write_port(granularity=width), plain.read_port()
        m.d.comb += [
            write.addr.eq(self.address),
            write.data.eq(self.word[:width].replicate(columns)),
            write.en.eq(written & self.enable.replicate(columns)),
            read.addr.eq(self.address),
            read.en.eq(self.enable & ~self.write.any()),
        ]
        return read.data

    def _of_spram(self, m):
        """A block for every column of every 16,384 rows."""
        low, high = Signal(14), self.address[14:]
        m.d.comb += low.eq(self.address)
        part, parts = Signal.like(high), []
        with m.If(self.enable):
            m.d.sync += part.eq(high)
        for number in range(-(-self._depth // SPRAM_DEPTH)):
            row = Signal(COLUMN * self._columns, name=f"row_{number}")
            parts.append(row)
            for column in range(self._columns):
                m.submodules[f"block_{number}_{column}"] = Instance(
                    "SB_SPRAM256KA",
                    i_ADDRESS=low,
                    i_DATAIN=self.word,
                    i_MASKWREN=0b1111,
                    i_WREN=self.write[column],
                    i_CHIPSELECT=self.enable & (high == number),
                    i_CLOCK=ClockSignal(),
                    i_STANDBY=0,
                    i_SLEEP=0,
                    i_POWEROFF=1,  # low is off
                    o_DATAOUT=row[COLUMN * column : COLUMN * (column + 1)],
                )
        m.d.comb += self.data.eq(Array(parts)[part])
