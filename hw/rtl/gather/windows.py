"""Windows: which one is read, and which word of a map its units are written to."""

from collections.abc import Callable

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.by_layer import by_layer
from hw.rtl.gather.plan import GatheredLayer, GatherPlan

__all__ = ["Windows"]


class Windows(wiring.Component):
    """Counts in stages: stage 0 takes the inputs, stage l makes layer l of the plan, and after the
    last one comes stage 1 of the next step.

    In a stage, the words of a map are gone through in order: rows, places, groups; for each word
    the windows of its pooling. What depends on the stage is right two cycles after it changed:
    ``begin`` then is its first cycle.

    Parameters
    ----------
    plan : GatherPlan

    Members
    -------
    take : 1
        In stage 0: an input comes.
    next : 1
        In the others: the next window.
    end : 1
        With ``take`` or ``next``: it is the stage's last.
    begin : 1
    stage : range(layers + 1)
    step : range(steps)
    row, column : range
        Of the window's first word, counted from the padding on.
    out_row, out_column : range
        Of the word that is written.
    group : range(plan.groups)
        Of all groups of all layers.
    first_group, last_group : 1
        It is the first or the last one of the layer.
    first_window : 1
        It is the word's first window.
    """

    def __init__(self, plan: GatherPlan):
        self._plan = plan
        rows = [plan.layers[0].size[0], *(layer.places[0] for layer in plan.layers)]
        columns = [plan.layers[0].size[1], *(layer.columns for layer in plan.layers)]
        self._ends = rows, columns
        super().__init__(
            {
                "take": In(1),
                "next": In(1),
                "end": Out(1),
                "begin": Out(1),
                "stage": Out(range(len(plan.layers) + 1)),
                "step": Out(range(plan.steps)),
                "row": Out(range(plan.most_begin(0) + 1)),
                "column": Out(range(plan.most_begin(1) + 1)),
                "out_row": Out(range(max(rows))),
                "out_column": Out(range(max(columns))),
                "group": Out(range(plan.groups)),
                "first_group": Out(1),
                "last_group": Out(1),
                "first_window": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self._plan

        def constant(of: Callable[[GatheredLayer], int]):
            values = [of(layer) for layer in plan.layers]
            return by_layer(m, self.stage, [values[0], *values])  # in stage 0 any will do

        (last_row, last_column) = (
            by_layer(m, self.stage, [end - 1 for end in ends]) for ends in self._ends
        )
        last_group = constant(lambda layer: layer.first_group + layer.groups - 1)
        first_group = constant(lambda layer: layer.first_group)
        down, across = (self._within_pool(way) for way in (0, 1))
        end_down, end_across = Signal(), Signal()
        end_column, end_row = Signal(), Signal()
        word, place, line, stage = (Signal(name=f"next_{name}") for name in _LEVELS)
        changed = Signal()
        m.d.comb += [
            self.first_window.eq((down == 0) & (across == 0)),
            self.first_group.eq(self.group == first_group),
            self.last_group.eq(self.group == last_group),
            end_down.eq(down == constant(lambda layer: layer.pool[0] - 1)),
            end_across.eq(across == constant(lambda layer: layer.pool[1] - 1)),
            end_column.eq(self.out_column == last_column),
            end_row.eq(self.out_row == last_row),
            word.eq(self.next & end_down & end_across),
            place.eq(word & self.last_group),
            line.eq(place & end_column),
            stage.eq((line | (self.take & end_column)) & end_row),
            self.end.eq(stage),
        ]
        m.d.sync += [changed.eq(stage), self.begin.eq(changed)]

        with m.If(word | self.take):
            m.d.sync += self.out_column.eq(Mux(end_column, 0, self.out_column + 1))
            with m.If(end_column):
                m.d.sync += self.out_row.eq(Mux(end_row, 0, self.out_row + 1))
        with m.If(word):
            m.d.sync += self.group.eq(
                Mux(self.last_group & ~(end_column & end_row), first_group, self.group + 1)
            )
        with m.If(stage):
            m.d.sync += self.stage.eq(self.stage + 1)
            with m.If(self.stage == len(plan.layers)):
                m.d.sync += [self.stage.eq(1), self.group.eq(0), self.step.eq(self.step + 1)]

        # From the last window of a place the next place's first one is a stride away.
        move_down = self._move(0, constant, end_down & ~line)
        move_across = self._move(1, constant, end_across & ~place)
        with m.If(self.next):
            m.d.sync += [
                across.eq(Mux(end_across, 0, across + 1)),
                self.column.eq(self.column + move_across),
            ]
        with m.If(self.next & end_across):
            m.d.sync += [
                down.eq(Mux(end_down, 0, down + 1)),
                self.row.eq(self.row + move_down),
            ]
        with m.If(line):
            m.d.sync += self.column.eq(0)
        with m.If(stage):
            m.d.sync += self.row.eq(0)
        return m

    def _within_pool(self, way):
        """The number of a window in its pooling, down or across."""
        most = max(layer.pool[way] for layer in self._plan.layers)
        return Signal(range(most), name=("pool_row", "pool_column")[way])

    def _move(self, way, constant, back):
        """To the next window, or ``back`` to the first one of the pooling."""
        return Mux(
            back,
            constant(lambda layer: -(layer.pool[way] - 1) * layer.stride[way]),
            constant(lambda layer: layer.stride[way]),
        )


_LEVELS = ("word", "place", "line", "stage")
