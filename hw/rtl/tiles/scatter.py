"""Scatter: from entries of lists to accesses of the banks, one spike per cycle."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.by_layer import by_layer
from hw.rtl.priority import LowestBit
from hw.rtl.tiles.layouts import AccessLayout, EntryLayout
from hw.rtl.tiles.memories import TABLES
from hw.rtl.tiles.plan import TilesPlan

__all__ = ["Scatter"]


class Scatter(wiring.Component):
    """Takes the spikes of an entry one by one and says what each reaches: which rows of the banks,
    and which row of weights. Tables have that for every row and column of the layers' inputs.

    Latency: ``latency`` = 3 cycles from an entry to the access of its first spike.
    Throughput: one spike per cycle.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    entries : stream of EntryLayout
    layer : range(layers)
        Whose inputs the entries are; it stays while ``busy``.
    weight : range(plan.weight_rows)
        In the cycle before the access: the row of weights.
    read : 1
        It is to be read.
    access : AccessLayout
    busy : 1
        Spikes are on their way.
    """

    latency = 3

    def __init__(self, plan: TilesPlan):
        self._plan = plan
        super().__init__(
            {
                "entries": In(stream.Signature(EntryLayout(plan))),
                "layer": In(range(len(plan.layers))),
                "weight": Out(range(plan.weight_rows)),
                "read": Out(1),
                "access": Out(AccessLayout(plan)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self._plan

        # The first cycle takes a spike from the entry and looks up what it reaches.
        entry = Signal(EntryLayout(plan))
        m.submodules.lane = lane = LowestBit(plan.lanes)
        m.d.comb += [lane.i.eq(entry.mask), self.entries.ready.eq(~lane.several)]
        m.d.sync += entry.mask.eq(lane.rest)
        with m.If(self.entries.valid & self.entries.ready):
            m.d.sync += entry.eq(self.entries.payload)
        down = self._table(m, "down", entry.y, 0)
        across = self._table(m, "across", entry.x, 1)

        # The second one has the row of weights, the third one the access.
        base = Signal.like(entry.base, reset_less=True)
        m.d.sync += [self.read.eq(lane.any), base.eq(entry.base + lane.index)]
        access = self.access
        m.d.comb += self.weight.eq(base + plan.position_rows * (down.position + across.position))
        m.d.sync += [
            access.valid.eq(self.read),
            access.add.eq(1),
            access.down.eq(down.row),
            access.across.eq(across.row),
            access.bank_down.eq(down.bank),
            access.bank_across.eq(across.bank),
            access.enable_down.eq(down.enable),
            access.enable_across.eq(across.enable),
        ]
        m.d.comb += self.busy.eq(lane.any | self.read | access.valid)
        return m

    def _table(self, m, name, coordinate, way):
        """What a spike at ``coordinate`` reaches; comes in the next cycle."""
        axes, own = self._plan.axes(way)
        layout = data.StructLayout(
            {
                field: range(1 + max(max(getattr(axis, field)) for axis in axes))
                for field in ("row", "bank", "enable", "position")
            }
        )
        depth = 1 << len(coordinate)
        init: list[dict[str, int]] = []
        for axis in axes:
            init += [
                {field: getattr(axis, field)[at] for field in layout.members}
                for at in range(len(axis.row))
            ]
            init += [{}] * (-len(init) % depth)
        m.submodules[f"{name}_rows"] = table = memory.Memory(
            shape=layout, depth=len(init), init=init, attrs=TABLES.attrs(len(init))
        )
        port = table.read_port()
        m.d.comb += port.addr.eq(Cat(coordinate, by_layer(m, self.layer, own)))
        return port.data
