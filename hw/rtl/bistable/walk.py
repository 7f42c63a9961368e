"""Walk: the places that each job listens to, in order, and where their values and weights are."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.bistable.layouts import PlaceLayout
from hw.rtl.bistable.memories import TABLES
from hw.rtl.bistable.plan import BistablePlan, Level, PlannedLayer, Steps
from hw.rtl.by_layer import by_layer

__all__ = ["Walk"]


class Walk(wiring.Component):
    """Goes through the loops of a layer: places of the pooled output, tiles, places of the window
    of the pooling, places of the kernel.

    All that depends on the position goes on by what the level of the loop adds that continues, so
    each takes one adder and a column of a table, whatever the kernel, stride, padding or window.

    Latency: 3 cycles from ``go`` to the first place.
    Throughput: one place per cycle.

    Parameters
    ----------
    plan : BistablePlan

    Members
    -------
    layer : range(layers)
        It may change when all places of the one before were taken, two cycles before ``go``.
    go : 1
        The layer begins.
    places : stream of PlaceLayout
    """

    def __init__(self, plan: BistablePlan):
        self._plan = plan
        super().__init__(
            {
                "layer": In(range(len(plan.layers))),
                "go": In(1),
                "places": Out(stream.Signature(PlaceLayout(plan))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, layers = self._plan, self._plan.layers
        step = Signal()
        m.d.comb += step.eq(~self.places.valid | self.places.ready)

        # First the loops' counters: which level goes on.
        active, level = Signal(), Signal(range(len(Level)))
        last_tile = Signal()
        counters = []
        for each in list(Level)[:-1]:
            last = [plan.counts(layer)[each] - 1 for layer in layers]
            counter = Signal(range(max(last) + 1), name=f"count_{each.name.lower()}")
            counters.append((each, counter, counter == by_layer(m, self.layer, last)))
            if each == Level.TILE:
                m.d.comb += last_tile.eq(counters[-1][-1])
        m.d.comb += level.eq(Level.LAYER)
        for each, _, at_last in reversed(counters):
            with m.If(~at_last):
                m.d.comb += level.eq(each)
        with m.If(step & active):
            for each, counter, at_last in counters:
                with m.If(level >= each):
                    m.d.sync += counter.eq(counter + 1)
                    with m.If(at_last):
                        m.d.sync += counter.eq(0)
            with m.If(level == Level.LAYER):
                m.d.sync += active.eq(0)
        with m.If(self.go):
            m.d.sync += active.eq(1)

        # Then the position, and what the level adds to it.
        shape = data.StructLayout(plan.position_bits)
        m.submodules.steps = steps = memory.Memory(
            shape=shape,
            depth=len(Level) * len(layers),
            init=_table(plan),
            attrs=TABLES.attrs(len(Level) * len(layers)),
        )
        added = steps.read_port()
        position = Signal(shape, init=_start(plan, layers[0]))
        # A position, the level that goes on behind it, and whether it is of the last tile.
        valid, left, of_last_tile = Signal(), Signal(range(len(Level))), Signal()
        m.d.comb += [added.addr.eq(Cat(level, self.layer)), added.en.eq(step)]
        inputs = [layer.inputs for layer in layers]
        height = by_layer(m, self.layer, [each.height for each in inputs])
        width = by_layer(m, self.layer, [each.width for each in inputs])
        place = self.places.payload
        with m.If(step):
            m.d.sync += [
                valid.eq(active),
                left.eq(level),
                of_last_tile.eq(last_tile),
                self.places.valid.eq(valid),
            ]
            with m.If(valid):
                m.d.sync += [
                    *(
                        position[name].eq(position[name] + added.data[name])
                        for name in plan.position_bits
                    ),
                    place.address.eq(position.address),
                    place.row.eq(position.row),
                    place.inside.eq((position.y < height) & (position.x < width)),
                    place.ends.eq(left >= Level.WINDOW_X),
                    place.job.window_ends.eq(left >= Level.TILE),
                    place.job.tile_ends.eq(of_last_tile),
                    place.job.layer_ends.eq(left == Level.LAYER),
                ]
                if plan.held_words:
                    m.d.sync += place.job.past.eq(position.past)
        return m


def _of(plan: BistablePlan, layer: PlannedLayer) -> dict[str, Steps]:
    return {name: getattr(plan, name)(layer) for name in plan.position_bits}


def _start(plan: BistablePlan, layer: PlannedLayer) -> dict[str, int]:
    return _wrapped(plan, {name: each.start for name, each in _of(plan, layer).items()})


def _table(plan: BistablePlan) -> list[dict[str, int]]:
    """What each level of each layer adds; behind the last layer the first one begins again."""
    rows = []
    for number, layer in enumerate(plan.layers):
        own = _of(plan, layer)
        following = _of(plan, plan.layers[(number + 1) % len(plan.layers)])
        for level in list(Level)[:-1]:
            rows.append({name: each.add[level] for name, each in own.items()})
        rows.append({name: following[name].start - each.end for name, each in own.items()})
    return [_wrapped(plan, row) for row in rows]


def _wrapped(plan: BistablePlan, values: dict[str, int]) -> dict[str, int]:
    bits = plan.position_bits
    return {name: value % (1 << bits[name]) for name, value in values.items()}
