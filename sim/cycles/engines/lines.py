"""The cycles of hw.rtl.engines.lines, which makes a whole network.

Nothing in it depends on the data: every image takes as long as any other. So the control of the
stages is stepped cycle by cycle for one image.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import numpy as np

from hw.rtl.engines.lines import Lines
from hw.rtl.lines.plan import ConvPlan, DensePlan, PoolPlan, Stage, plan_network
from sw.answer import Answer
from sw.encoder import Inputs, LatencyEncoder
from sw.network import Network

__all__ = ["cycles", "from_first_pixel", "traffic"]


def cycles(
    engine: Lines,
    network: Network,
    inputs: Inputs,
    taken: np.ndarray,
    answer: Answer,
    most_events: int | None,
) -> np.ndarray:
    """Cycles from the one that accepts an image's last pixel to the first with a valid result,
    int64 [B]; parameters as those of sim.cycles.engines.tiles. When pixels are taken follows from
    the stages, not from ``taken``.
    """
    encoder = cast(LatencyEncoder, network.encoder)
    return np.full(len(answer.step), _times(engine, network, encoder)[1], np.int64)


def from_first_pixel(engine: Lines, network: Network) -> int:
    """Cycles from the one that accepts an image's first pixel to the first with a valid result, if
    pixels are offered without a pause.
    """
    return _times(engine, network, cast(LatencyEncoder, network.encoder))[0]


def traffic(
    engine: Lines, network: Network, inputs: Inputs, answer: Answer, most_events: int | None
) -> tuple[np.ndarray, int]:
    """Weight bits that are needed up to each decision, int64 [B]: those of each unit that is
    evaluated, as often as it is; and the bits that all stages together see per cycle.
    """
    stages = plan_network(network)
    needed = sum(stage.evaluations * stage.taps for stage in stages)
    return np.full(len(answer.step), needed, np.int64), sum(stage.taps for stage in stages)


@lru_cache(maxsize=8)
def _times(engine: Lines, network: Network, encoder: LatencyEncoder) -> tuple[int, int]:
    """Cycles to the result of any image, from its first pixel and from its last one, if the core is
    idle before it.
    """
    stages = [_block(plan, loaded=engine.loaded) for plan in plan_network(network)]
    chain: list[_Block] = [*_front(encoder), *stages, _Decide(network)]
    for block in chain:  # what may be done before the first pixel is
        for _ in range(block.ahead):
            block.clock(False, False)
    left, cycle, accepted = encoder.pixels, 0, -1
    while not chain[-1].decided:
        offers = [left > 0]
        for block in chain:
            offers.append(block.offers(offers[-1]))
        readies = [True]
        for block, comes in zip(reversed(chain), offers[-2::-1], strict=True):
            readies.insert(0, block.ready(comes, readies[0]))
        moves = [offer and ready for offer, ready in zip(offers, readies, strict=True)]
        if moves[0]:
            left, accepted = left - 1, cycle
        for index, block in enumerate(chain):
            block.clock(moves[index], moves[index + 1])
        cycle += 1
    return cycle, cycle - accepted


class _Block(ABC):
    """The control of a block, which takes something and offers something.

    Attributes
    ----------
    ahead : int
        Cycles in which it does something before there is any input.
    decided : bool
    """

    ahead = 0
    decided = False

    @abstractmethod
    def offers(self, comes: bool) -> bool:
        """Something is offered in this cycle, in which something ``comes`` or not."""

    @abstractmethod
    def ready(self, comes: bool, following: bool) -> bool:
        """What comes is taken; what is offered is taken if ``following``."""

    @abstractmethod
    def clock(self, took: bool, gave: bool) -> None:
        """The cycle's end."""


def _front(encoder: LatencyEncoder) -> Sequence[_Block]:
    """hw.rtl.encoder."""
    return [*([_MeanPool(encoder)] if encoder.pool > 1 else []), _Register()]


class _Register(_Block):
    """A stream's register."""

    _held = False

    def offers(self, comes: bool) -> bool:
        return self._held

    def ready(self, comes: bool, following: bool) -> bool:
        return not self._held or following

    def clock(self, took: bool, gave: bool) -> None:
        self._held = self.keeps() if took else self._held and not gave

    def keeps(self) -> bool:
        """What was taken is passed on."""
        return True


class _MeanPool(_Register):
    """Passes on one value for each square."""

    def __init__(self, encoder: LatencyEncoder) -> None:
        self._pool, self._values = encoder.pool, encoder.channels
        self._columns = encoder.shape[-1]
        self._taken = 0

    def keeps(self) -> bool:
        row, column = divmod(self._taken // self._values, self._columns)
        self._taken += 1
        return row % self._pool == column % self._pool == self._pool - 1


class _Place:
    """Counts channels, columns and rows of places."""

    def __init__(self, channels: int, rows: int, columns: int) -> None:
        self._channels, self._rows, self._columns = channels, rows, columns
        self.row = self.column = self.channel = 0

    def step(self) -> bool:
        """Goes on by one; whether a place is complete."""
        self.channel = (self.channel + 1) % self._channels
        if self.channel:
            return False
        self.column = (self.column + 1) % self._columns
        if not self.column:
            self.row = (self.row + 1) % self._rows
        return True


class _Conv(_Block):
    """hw.rtl.lines.conv."""

    def __init__(self, plan: ConvPlan) -> None:
        self._plan = plan
        self._window = plan.window[0] * plan.window[1]
        self._at = _Place(plan.inputs[0], *plan.grid)
        self._left = 0  # units to evaluate
        self.ahead = plan.kind.padding[0] * plan.grid[1] * plan.inputs[0]

    @property
    def _silent(self) -> bool:
        _, height, width = self._plan.inputs
        row = self._at.row - self._plan.kind.padding[0]
        return self._at.column >= width or not 0 <= row < height

    def offers(self, comes: bool) -> bool:
        return self._left > 0 and (self._left - 1) % self._window == 0

    def ready(self, comes: bool, following: bool) -> bool:
        return not self._left and not self._silent

    def clock(self, took: bool, gave: bool) -> None:
        if self._left:
            self._left -= gave or not self.offers(False)
        elif took or self._silent:
            rows, columns = self._plan.due
            due = self._at.row in rows and self._at.column in columns
            if self._at.step() and due:
                self._left = self._plan.channels * self._window


class _Pool(_Block):
    """hw.rtl.lines.pool."""

    def __init__(self, plan: PoolPlan) -> None:
        self._plan = plan
        self._at = _Place(*plan.inputs)

    def _last(self) -> bool:
        """A window ends here."""
        down, across = self._plan.window
        return self._at.row % down == down - 1 and self._at.column % across == across - 1

    def offers(self, comes: bool) -> bool:
        return comes and self._last()

    def ready(self, comes: bool, following: bool) -> bool:
        return following or not self._last()

    def clock(self, took: bool, gave: bool) -> None:
        if took:
            self._at.step()


class _Dense(_Block):
    """hw.rtl.lines.dense."""

    def __init__(self, plan: DensePlan, *, loaded: bool) -> None:
        self._plan = plan
        self._runs = plan.places > 1 and not loaded
        self._channel = self._place = self._unit = 0
        self._full = self._begun = False

    @property
    def _busy(self) -> bool:
        return self._full and (not self._runs or self._begun or not self._unit)

    @property
    def _final(self) -> bool:
        return self._place == self._plan.places - 1

    def offers(self, comes: bool) -> bool:
        return self._busy and self._final

    def ready(self, comes: bool, following: bool) -> bool:
        return not self._full

    def clock(self, took: bool, gave: bool) -> None:
        last = self._unit == self._plan.units - 1
        advance = self._busy and (gave or not self._final)
        self._begun = self._busy and not last
        if advance or (self._runs and (self._full or self._place)):
            self._unit = 0 if last else self._unit + 1
        if advance and last:
            self._full = False
            self._place = 0 if self._final else self._place + 1
        if took:
            self._channel = (self._channel + 1) % self._plan.taps
            self._full = not self._channel


class _Decide(_Block):
    """hw.rtl.lines.decide."""

    def __init__(self, network: Network) -> None:
        self._left = len(network.labels)

    def offers(self, comes: bool) -> bool:
        return False

    def ready(self, comes: bool, following: bool) -> bool:
        return True

    def clock(self, took: bool, gave: bool) -> None:
        self._left -= took
        self.decided = not self._left


def _block(plan: Stage, *, loaded: bool) -> _Block:
    if isinstance(plan, ConvPlan):
        return _Conv(plan)
    return _Pool(plan) if isinstance(plan, PoolPlan) else _Dense(plan, loaded=loaded)
