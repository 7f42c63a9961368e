"""The grid: banks of margins, and an adder for each of their lanes."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.tiles.layouts import AccessLayout
from hw.rtl.tiles.memories import rom_style
from hw.rtl.tiles.plan import TilesPlan

__all__ = ["Grid"]


class Grid(wiring.Component):
    """B_h × B_w banks of margins V − θ, P in a word, each with its own adder.

    In the cycle of an access the banks are read, in the next one the new margins are written; an
    addition to a place right after another one takes that one's sum from a register. A unit that
    has fired holds the least value of all, ``plan.fired``, which no margin is, and keeps it.

    Latency: what an access gives comes in the next cycle.
    Throughput: one access per cycle; between an addition and another kind of access there is a
    cycle without one.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    access : AccessLayout
    minus : B_h · B_w · P
        With an addition: the weights of entry (a, b) from bit (a · B_w + b) · P on, set for −1.
    start : range(len(plan.starts))
        With a preset: the word of margins that is written.
    advance : 1
        Without it all stays as it is.
    swept : 1
        The access before was a sweep.
    down, across : plan.row_bits
        Its row.
    fires : B_h · B_w · P
        The lanes that fire in it, bank by bank.
    margins : array of signed(W)
        What the access before has read, bank by bank, P lanes each; it stays until the next one.
    """

    def __init__(self, plan: TilesPlan):
        self._plan = plan
        lanes = plan.banks * plan.lanes
        down, across = plan.row_bits
        super().__init__(
            {
                "access": In(AccessLayout(plan)),
                "minus": In(lanes),
                "start": In(range(len(plan.starts))),
                "advance": In(1),
                "swept": Out(1),
                "down": Out(down),
                "across": Out(across),
                "fires": Out(lanes),
                "margins": Out(data.ArrayLayout(signed(plan.margin_bits), lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, access = self._plan, self.access
        down = _Axis(m, "down", access.down, access.bank_down, access.enable_down, self.advance)
        across = _Axis(
            m, "across", access.across, access.bank_across, access.enable_across, self.advance
        )
        add, sweep, preset = (Signal(name=name) for name in ("add", "sweep", "preset"))
        with m.If(self.advance):
            m.d.sync += [
                add.eq(access.valid & access.add),
                sweep.eq(access.valid & access.sweep),
                preset.eq(access.valid & access.preset),
            ]
        m.d.comb += [
            self.swept.eq(sweep),
            self.down.eq(down.written[0]),
            self.across.eq(across.written[0]),
        ]
        start = self._start(m, preset)

        # Weights turn until each is at the bank of its entry: whole rows of banks, then in a row.
        entries = _parts(self.minus, plan.grid[0])
        for i in range(plan.grid[0]):
            row = Signal(len(entries[0]), name=f"minus_{i}")
            m.d.comb += row.eq(down.of_entry(i, entries))
            for j in range(plan.grid[1]):
                bank, name = i * plan.grid[1] + j, f"{i}_{j}"
                minus = Signal(plan.lanes, name=f"minus_{name}")
                enable, repeats = Signal(name=f"enable_{name}"), Signal(name=f"repeats_{name}")
                with m.If(self.advance):
                    m.d.sync += [
                        minus.eq(across.of_entry(j, _parts(row, plan.grid[1]))),
                        enable.eq(down.enables[i] & across.enables[j]),
                        repeats.eq(add & enable & down.repeats[i] & across.repeats[j]),
                    ]
                read, write = self._bank(m, name)
                m.d.comb += [
                    read.addr.eq(Cat(across.rows[j], down.rows[i])),
                    read.en.eq(access.valid & self.advance),
                    write.addr.eq(Cat(across.written[j], down.written[i])),
                    write.en.eq(enable & (add | sweep | preset) & self.advance),
                ]
                for lane in range(plan.lanes):
                    at = bank * plan.lanes + lane
                    old, new = self.margins[at], write.data[lane]
                    fires = self.fires[at]
                    m.d.comb += [
                        old.eq(read.data[lane]),
                        fires.eq(sweep & enable & ~old[-1]),
                    ]
                    self._lane(
                        m,
                        f"{name}_{lane}",
                        old=old,
                        new=new,
                        start=start[lane],
                        # The register holds 0 but after an addition.
                        register=repeats | preset | fires,
                        fires=fires & ~preset,
                        add=add,
                        minus=minus[lane],
                        enable=enable,
                    )
        return m

    def _lane(self, m, name, *, old, new, start, register, fires, add, minus, enable):
        """The new margin of a lane: that which is in memory or the register, or that of a start, or
        ``plan.fired``; and to it ±1 is added.
        """
        width = self._plan.margin_bits
        last = Signal(signed(width), name=f"last_{name}")
        margin = Signal(signed(width), name=f"margin_{name}")
        adds = Signal(name=f"adds_{name}")
        fired = Const(self._plan.fired, signed(width))
        m.d.comb += [
            margin.eq(Mux(register, last, old) | start | (fires.replicate(width) & fired)),
            adds.eq(enable & add & (margin != fired)),
            new.eq(margin + (adds & minus).replicate(width) + (adds & ~minus)),
        ]
        with m.If(self.advance):
            m.d.sync += last.eq(Mux(add, new, 0))

    def _bank(self, m, name):
        """A memory of margins, and its ports."""
        plan = self._plan
        m.submodules[f"bank_{name}"] = bank = memory.Memory(
            shape=data.ArrayLayout(signed(plan.margin_bits), plan.lanes),
            depth=plan.bank_rows,
            init=[],
            # A row that is read while it is written is taken from a register.
            attrs={"ram_style": "block", "no_rw_check": 1},
        )
        return bank.read_port(), bank.write_port()

    def _start(self, m, preset):
        """The word of margins of a preset, 0 else."""
        plan = self._plan
        m.submodules.starts = starts = memory.Memory(
            shape=data.ArrayLayout(signed(plan.margin_bits), plan.lanes),
            depth=len(plan.starts),
            init=plan.starts.tolist(),
            attrs=rom_style(len(plan.starts)),
        )
        port = starts.read_port()
        m.d.comb += [port.addr.eq(self.start), port.en.eq(self.access.valid & self.advance)]
        start = Signal(starts.shape)
        with m.If(preset):
            m.d.comb += start.eq(port.data)
        return start


class _Axis:
    """Of one direction, for each bank along it, what an access does.

    Attributes
    ----------
    rows : list of Signal
        The row that is accessed.
    enables : list of Value
        Its entry is accessed.
    written : list of Signal
        The row of the access before.
    repeats : list of Value
        Both are the same.
    """

    def __init__(self, m, name, row, bank, enable, advance):
        self._bank, self._banks = bank, len(enable)
        self.rows = [Signal.like(row, name=f"{name}_{i}") for i in range(self._banks)]
        self.written = [Signal.like(row, name=f"{name}_{i}_written") for i in range(self._banks)]
        self.enables = [
            self.of_entry(i, [enable[a] for a in range(self._banks)]) for i in range(self._banks)
        ]
        self.repeats = [a == b for a, b in zip(self.rows, self.written, strict=True)]
        for i in range(self._banks):
            # Banks behind that of the last place have their entry a row before.
            m.d.comb += self.rows[i].eq(row - (i > bank))
            with m.If(advance):
                m.d.sync += self.written[i].eq(self.rows[i])

    def of_entry(self, i: int, values: Sequence[Value]) -> Value:
        """Of one value per entry that of the entry in bank ``i``."""
        turned = [values[(bank - i) % self._banks] for bank in range(self._banks)]
        return Array(turned)[self._bank]


def _parts(word: Value, count: int) -> list[Value]:
    size = len(word) // count
    return [word[k * size : (k + 1) * size] for k in range(count)]
