"""The grid: banks of margins, and an adder for each of their lanes."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.tiles.layouts import AccessLayout
from hw.rtl.tiles.memories import TABLES
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
        With an addition: the weights of target (a, b) from bit (a · B_w + b) · P on, set for −1.
    start : range(len(plan.starts))
        With a preset: the word of margins that is written.
    advance : 1
        Without it all stays as it is.
    firing : 1
        The access before had ``fire``.
    down, across : plan.row_bits
        Its row.
    fires : B_h · B_w · P
        The lanes that fire in it, bank by bank.
    margins : B_h · B_w · P · W
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
                "firing": Out(1),
                "down": Out(down),
                "across": Out(across),
                "fires": Out(lanes),
                # Plain bits: an array would come with a wire ``margins[3]`` per lane, which Yosys
                # 0.70, where it hands over to ABC9, mistakes for a bit of ``margins``.
                "margins": Out(lanes * plan.margin_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, access = self._plan, self.access
        down = _Axis(m, "down", access.down, access.bank_down, access.enable_down, self.advance)
        across = _Axis(
            m, "across", access.across, access.bank_across, access.enable_across, self.advance
        )
        add, fire, preset = (Signal(name=name) for name in ("add", "fire", "preset"))
        with m.If(self.advance):
            m.d.sync += [
                add.eq(access.valid & access.add),
                fire.eq(access.valid & access.fire),
                preset.eq(access.valid & access.preset),
            ]
        m.d.comb += [
            self.firing.eq(fire),
            self.down.eq(down.written[0]),
            self.across.eq(across.written[0]),
        ]
        start = self._start(m, preset)

        # Weights turn until each is at the bank of its target: whole rows of banks, then in a row.
        targets = _parts(self.minus, plan.grid[0])
        for i in range(plan.grid[0]):
            row = Signal(len(targets[0]), name=f"minus_{i}")
            m.d.comb += row.eq(down.of_target(i, targets))
            for j in range(plan.grid[1]):
                bank, name = i * plan.grid[1] + j, f"{i}_{j}"
                read, write = self._memory(m, name)
                m.d.comb += [
                    read.addr.eq(Cat(across.rows[j], down.rows[i])),
                    write.addr.eq(Cat(across.written[j], down.written[i])),
                ]
                self._bank(
                    m,
                    name,
                    enable=down.enables[i] & across.enables[j],
                    repeats=add & down.repeats[i] & across.repeats[j],
                    minus=across.of_target(j, _parts(row, plan.grid[1])),
                    read=read.data,
                    add=add,
                    preset=preset,
                    start=start,
                    fires=_parts(self.fires, plan.banks)[bank],
                    margins=_parts(self.margins, plan.banks)[bank],
                    write=write,
                )
        return m

    def _bank(
        self, m, name, *, enable, repeats, minus, read, add, preset, start, fires, margins, write
    ):
        """A bank: in the first cycle ``enable``, ``repeats`` (the addition before went to the same
        row), ``minus`` and what the memory has; in the second one all else.
        """
        lanes, access = self._plan.lanes, self.access
        increments, decrements, stored = (
            Signal(width, name=f"{what}_{name}", reset_less=True)
            for what, width in (("increments", lanes), ("decrements", lanes), ("stored", len(read)))
        )
        writes, may_fire, register, enabled = (
            Signal(name=f"{what}_{name}", reset_less=True)
            for what in ("writes", "may_fire", "register", "enabled")
        )
        adds = access.valid & access.add & enable
        with m.If(self.advance):
            m.d.sync += [
                increments.eq(~minus & adds.replicate(lanes)),
                decrements.eq(minus & adds.replicate(lanes)),
                writes.eq(access.valid & enable & (access.add | access.fire | access.preset)),
                may_fire.eq(access.valid & enable & access.fire),
                # After another addition the register holds its sum, else 0.
                register.eq(access.preset | (repeats & enabled)),
                enabled.eq(enable),
            ]
        with m.If(access.valid & self.advance):
            m.d.sync += stored.eq(read)
        new = [
            self._lane(
                m,
                f"{name}_{lane}",
                old=old,
                start=_parts(start, lanes)[lane],
                register=register,
                fires=fires[lane],
                add=add,
                preset=preset,
                increment=increments[lane],
                decrement=decrements[lane],
            )
            for lane, old in enumerate(_parts(stored, lanes))
        ]
        m.d.comb += [
            fires.eq(Cat(may_fire & ~old[-1] for old in _parts(stored, lanes))),
            margins.eq(stored),
            write.data.eq(Cat(new)),
            write.en.eq(writes & self.advance),
        ]

    def _lane(self, m, name, *, old, start, register, fires, add, preset, increment, decrement):
        """The new margin of a lane: that in memory or in the register, that of a start, or
        ``plan.fired``; and to it ±1 is added, unless it has fired.
        """
        width, top = self._plan.margin_bits, self._plan.fired_bits
        fired = Const(self._plan.fired, width)
        margin, new, last = (
            Signal(width, name=f"{what}_{name}", reset_less=True)
            for what in ("margin", "new", "last")
        )
        # That it has fired is told from both, not from what is chosen of them: it is needed soon.
        has_fired, last_has_fired = (
            Signal(name=f"{what}_{name}", reset_less=True) for what in ("has_fired", "last_fired")
        )
        m.d.comb += [
            margin.eq(Mux(register | fires, last, old) | start | Mux(fires & ~preset, fired, 0)),
            has_fired.eq(Mux(register, last_has_fired, old[-top:] == fired[-top:])),
            new.eq(margin + (decrement & ~has_fired).replicate(width) + (increment & ~has_fired)),
        ]
        m.d.sync += [last.eq(Mux(add, new, 0)), last_has_fired.eq(has_fired)]
        return new

    def _memory(self, m, name):
        """The memory of a bank's margins: its ports."""
        plan = self._plan
        m.submodules[f"bank_{name}"] = bank = memory.Memory(
            shape=plan.lanes * plan.margin_bits,
            depth=plan.bank_rows,
            init=[],
            attrs={"ram_style": "distributed" if plan.distributed else "block", "no_rw_check": 1},
        )
        # With a register behind an asynchronous port, synthesis believes that what is read in the
        # cycle in which it is written does not matter: it is taken from the lanes' registers.
        return bank.read_port(domain="comb"), bank.write_port()

    def _start(self, m, preset):
        """The word of margins of a preset, 0 else."""
        plan = self._plan
        mask = (1 << plan.margin_bits) - 1
        m.submodules.starts = starts = memory.Memory(
            shape=plan.lanes * plan.margin_bits,
            depth=len(plan.starts),
            init=[
                sum((margin & mask) << lane * plan.margin_bits for lane, margin in enumerate(word))
                for word in plan.starts.tolist()
            ],
            attrs=TABLES.attrs(len(plan.starts)),
        )
        port = starts.read_port()
        m.d.comb += [port.addr.eq(self.start), port.en.eq(self.access.valid & self.advance)]
        start = Signal(len(port.data))
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
        Its target is accessed.
    written : list of Signal
        The row of the access before.
    repeats : list of Value
        Both are the same.
    """

    def __init__(self, m, name, row, bank, enable, advance):
        self._bank, self._banks = bank, len(enable)
        self.rows = [Signal.like(row, name=f"{name}_{i}") for i in range(self._banks)]
        self.written = [
            Signal.like(row, name=f"{name}_{i}_written", reset_less=True)
            for i in range(self._banks)
        ]
        self.enables = [
            self.of_target(i, [enable[a] for a in range(self._banks)]) for i in range(self._banks)
        ]
        self.repeats = [a == b for a, b in zip(self.rows, self.written, strict=True)]
        for i in range(self._banks):
            # Banks behind that of the last place have their target a row before.
            m.d.comb += self.rows[i].eq(row - (i > bank))
            with m.If(advance):
                m.d.sync += self.written[i].eq(self.rows[i])

    def of_target(self, i: int, values: Sequence[Value]) -> Value:
        """Of one value per target that of the target in bank ``i``."""
        turned = [values[(bank - i) % self._banks] for bank in range(self._banks)]
        return Array(turned)[self._bank]


def _parts(word: Value, count: int) -> list[Value]:
    """``word`` in ``count`` parts of equal size, the lowest bits first."""
    size = len(word) // count
    return [word[k * size : (k + 1) * size] for k in range(count)]
