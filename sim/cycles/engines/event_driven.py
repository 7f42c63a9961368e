"""The cycles of hw.rtl.engines.event_driven."""

import numpy as np

from hw.rtl.engines.event_driven import EventDriven
from sim.cycles.stage import Stage
from sw.network import Layer

__all__ = ["stage"]


def stage(
    engine: EventDriven, layer: Layer, times: np.ndarray | None, visited: np.ndarray
) -> Stage:
    """The stage of a layer.

    Parameters
    ----------
    engine : EventDriven
    layer : Layer
    times : int [B, N], or None for the output layer
        Steps in which its units fire; ``steps`` means never.
    visited : bool [B, T]
        Steps up to the decision that have beats.
    """
    return _Integrate(len(visited))


class _Integrate(Stage):
    """A beat in a register, then, if it was a step's last, the potentials."""

    state = ("valid", "last", "_beat", "_ends")

    def __init__(self, images: int) -> None:
        self.valid = np.zeros(images, bool)
        self.last = np.ones(images, bool)
        self._beat = np.zeros(images, bool)
        self._ends = np.zeros(images, bool)  # the beat is its step's last

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return ~self.valid | taken

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        self.valid = np.where(ready, self._beat & self._ends, self.valid)
        self._beat = np.where(ready, before.valid, self._beat)
        self._ends = np.where(ready, before.last, self._ends)
