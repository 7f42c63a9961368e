"""The cycles of hw.rtl.inputs.events: an inference whose items come without a pause."""

import numpy as np

from hw.rtl.engines.base import Engine
from hw.rtl.inputs.events import Events
from hw.rtl.tiles.locate import division
from sim.cycles.stage import Stage, Windows
from sw.encoder import Spikes

__all__ = ["stage", "start", "taken"]


def stage(
    source: Events, first: Engine, inputs: Spikes, total: np.ndarray, visited: np.ndarray
) -> Stage:
    """The first stage.

    Parameters
    ----------
    source : Events
    first : Engine
        That of the first layer.
    inputs : Spikes
    total : int [B, T]
        Beats of each step.
    visited : bool [B, T]
        Steps up to the decision that have beats.
    """
    return InTimeOrder(total, visited)


def start(source: Events, first: Engine) -> int:
    """Cycles from the first item to the first cycle of the stage."""
    return source.latency


def taken(
    source: Events, inputs: Spikes, steps: int, spike_cycles: int, busy_with: None = None
) -> np.ndarray:
    """Cycles from the first item until the last beat is taken by an engine of the whole network, in
    ``spike_cycles``, int64 [B] (hw.rtl.tiles.locate, hw.rtl.tiles.sort).
    """
    count = np.bincount(inputs.image, minlength=inputs.count)
    first, last = np.full(inputs.count, steps), np.full(inputs.count, -1)
    np.minimum.at(first, inputs.image, inputs.step)
    np.maximum.at(last, inputs.image, inputs.step)
    in_final = last == steps - 1
    # Step 0 and the final one have a beat in any case.
    beats = count + ((first != 0) & (steps > 1)) + ~in_final
    return spike_cycles * beats + len(division(source.encoder.map)) * count + 1 + in_final


class InTimeOrder(Windows):
    """One window after the other, from the first cycle on."""

    def __init__(self, total: np.ndarray, visited: np.ndarray) -> None:
        super().__init__(total, np.zeros_like(total), visited)
        self.load(np.ones(len(total), bool))

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return taken  # it is the first stage

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        self.load(self.send(taken))
