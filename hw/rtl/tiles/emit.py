"""Emit: the units that fire go through first-spike pooling and into a list, a place per cycle."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.by_layer import by_layer
from hw.rtl.priority import LowestBit, several
from hw.rtl.tiles.plan import TilesPlan

__all__ = ["Emit"]


class Emit(wiring.Component):
    """Takes the units of a row of the banks that fire, and writes an entry of a list for each place
    that has any.

    Where a layer is pooled, a memory has a flag per lane of each window that has fired, with the
    number of the tile that they are of: of its later spikes nothing is written. The memory is
    cleared after a reset; until then all tiles have different numbers.

    Latency: ``latency`` = 3 cycles from a row to the entry of its first place.
    Throughput: one place per cycle, or one row without any.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    layer : range(layers)
    firing : 1
        A row is offered.
    down, across : plan.row_bits
        Which.
    fires : B_h · B_w · P
        Of each bank, P lanes each.
    advance : 1
        The row is taken, if one is offered.
    next_tile : 1
        A tile begins: its windows have not fired.
    next_list : 1
        A list begins.
    first : range(plan.list_words + 1)
        With ``next_list``: the index of its first entry.
    taken : range(plan.list_words + 1)
        Entries of the other list, which shares the memory; only where ``plan.can_overflow``.
    write : 1
        Of an entry.
    count : range(plan.list_words + 1)
        Entries of the list; the index of the one that is written.
    y, x : plan.coordinate_bits
    mask : P
    busy : 1
        Entries may follow, or the memory is being cleared.
    fault : 1
        There was no room for an entry; only where ``plan.can_overflow``.
    """

    latency = 3

    def __init__(self, plan: TilesPlan):
        self._plan = plan
        (down, across), (y, x) = plan.row_bits, plan.coordinate_bits
        count = range(plan.list_words + 1)
        super().__init__(
            {
                "layer": In(range(len(plan.layers))),
                "firing": In(1),
                "down": In(down),
                "across": In(across),
                "fires": In(plan.banks * plan.lanes),
                "advance": Out(1),
                "next_tile": In(1),
                "next_list": In(1),
                "first": In(count),
                **({"taken": In(count), "fault": Out(1)} if plan.can_overflow else {}),
                "write": Out(1),
                "count": Out(count),
                "y": Out(y),
                "x": Out(x),
                "mask": Out(plan.lanes),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        valid, y, x, mask = self._places(m)
        self._pool(m, valid, y, x, mask)
        writes = self.mask.any()
        if self._plan.can_overflow:
            full = Signal()
            # A word stays free, so that the end of a list is never its begin.
            m.d.comb += full.eq(self.count + self.taken == self._plan.list_words - 1)
            with m.If(full & writes):
                m.d.sync += self.fault.eq(1)
            writes = writes & ~full
        m.d.comb += self.write.eq(writes)
        with m.If(self.write):
            m.d.sync += self.count.eq(self.count + 1)
        with m.If(self.next_list):
            m.d.sync += self.count.eq(self.first)
        return m

    def _places(self, m):
        """The places of a row whose units fire, one per cycle, with a mask of their lanes."""
        plan, lanes = self._plan, self._plan.lanes
        waiting = Signal(plan.banks * lanes)
        down, across = Signal.like(self.down), Signal.like(self.across)
        m.submodules.bank = bank = LowestBit(plan.banks)
        masks = [waiting[k * lanes : (k + 1) * lanes] for k in range(plan.banks)]
        chosen = [mask & bank.onehot[k].replicate(lanes) for k, mask in enumerate(masks)]
        # All that comes before waits for ``advance``: it is known from registers.
        following, more = Signal(plan.banks), Signal()
        m.d.comb += [following.eq(bank.rest), self.advance.eq(~(self.firing & more))]
        m.d.sync += [bank.i.eq(following), more.eq(several(following))]
        with m.If(self.firing & self.advance):
            fires = (self.fires.word_select(k, lanes) for k in range(plan.banks))
            m.d.comb += following.eq(Cat(each.any() for each in fires))
            m.d.sync += [waiting.eq(self.fires), down.eq(self.down), across.eq(self.across)]

        # Of the map before pooling, which may be larger than what lists hold.
        y = Signal(range(max(layer.height for layer in plan.layers)))
        x = Signal(range(max(layer.width for layer in plan.layers)))
        valid, pooling, mask = Signal(), Signal(), Signal(lanes)
        i = Array(k // plan.grid[1] for k in range(plan.banks))[bank.index]
        j = Array(k % plan.grid[1] for k in range(plan.banks))[bank.index]
        m.d.sync += [
            valid.eq(bank.any),
            pooling.eq(valid),
            mask.eq(_any_of(chosen)),
            y.eq(down * plan.grid[0] + i),
            x.eq(across * plan.grid[1] + j),
        ]
        m.d.comb += self.busy.eq(bank.any | valid | pooling)
        return valid, y, x, mask

    def _pool(self, m, valid, y, x, mask):
        """The window of a place, and its lanes that have not fired before."""
        plan = self._plan
        window_y, inside_y = self._divided(m, "y", y, 0)
        window_x, inside_x = self._divided(m, "x", x, 1)
        present = Signal(plan.lanes)
        m.d.sync += [
            present.eq(mask & (valid & inside_y & inside_x).replicate(plan.lanes)),
            self.y.eq(window_y),
            self.x.eq(window_x),
        ]
        windows = [(size - 1).bit_length() for size in plan.windows]
        if not any(plan.windows):
            m.d.comb += self.mask.eq(present)
            return
        # Tiles are numbered from 1 on; what is cleared has number 0.
        tile = Signal(range(plan.tiles + 1))
        layout = data.StructLayout({"flags": plan.lanes, "tile": tile.shape()})
        m.submodules.windows = memories = memory.Memory(
            shape=layout.size,
            depth=1 << sum(windows),
            init=[],
            attrs={"ram_style": "block", "no_rw_check": 1},
        )
        read, write = memories.read_port(domain="comb"), memories.write_port()
        found = Signal(layout, name="stored_window", reset_less=True)
        written = Signal(layout)
        # What was written in the cycle before is not in the memory's answer.
        repeats, before = Signal(), Signal(plan.lanes)
        known, address = Signal(plan.lanes), Signal(sum(windows))
        clearing, cleared = Signal(init=1), Signal(sum(windows))
        pools = by_layer(m, self.layer, [int(layer.pools) for layer in plan.layers])
        with m.If(repeats):
            m.d.comb += known.eq(before)
        with m.Elif(found.tile == tile):
            m.d.comb += known.eq(found.flags)
        m.d.comb += [
            read.addr.eq(Cat(window_x[: windows[1]], window_y[: windows[0]])),
            self.mask.eq(present & ~(known & pools.replicate(plan.lanes))),
            written.flags.eq(known | present),
            written.tile.eq(tile),
            write.addr.eq(Mux(clearing, cleared, address)),
            write.data.eq(Mux(clearing, 0, written)),
            write.en.eq(clearing | (present.any() & pools)),
        ]
        m.d.sync += [
            found.eq(read.data),
            address.eq(read.addr),
            before.eq(written.flags),
            repeats.eq((read.addr == address) & present.any()),
        ]
        with m.If(clearing):
            m.d.sync += [cleared.eq(cleared + 1), clearing.eq(~cleared.all())]
            m.d.comb += self.busy.eq(1)
        with m.If(self.next_tile):
            m.d.sync += tile.eq(tile + 1)

    def _divided(self, m, name, value, way):
        """``value`` by the height or width of the layer's window; whether that window is whole."""
        plan = self._plan
        most = max((layer.outputs.height, layer.outputs.width)[way] for layer in plan.layers)
        result, inside = Signal(range(max(most, 1) + 1), name=f"window_{name}"), Signal()
        with m.Switch(self.layer):
            for index, layer in enumerate(plan.layers):
                size, window = (layer.height, layer.width)[way], layer.pool[way]
                with m.Case(index):
                    if window & window - 1:
                        m.d.comb += result.eq(Array(at // window for at in range(size))[value])
                    else:
                        m.d.comb += result.eq(value >> window.bit_length() - 1)
                    whole = size // window
                    m.d.comb += inside.eq(1 if whole * window == size else result < whole)
        return result, inside


def _any_of(values):
    result = Const(0)
    for value in values:
        result = result | value
    return result
