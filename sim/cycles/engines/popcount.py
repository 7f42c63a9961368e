"""The cycles of hw.rtl.engines.popcount."""

import numpy as np

from hw.rtl.engines.popcount import Popcount, rounds
from sim.cycles.stage import Stage
from sw.network import Layer

__all__ = ["stage"]


def stage(engine: Popcount, layer: Layer, times: np.ndarray | None, visited: np.ndarray) -> Stage:
    """The stage of a layer.

    Parameters
    ----------
    engine : Popcount
    layer : Layer
    times : int [B, N], or None for the output layer
        Steps in which its units fire; ``steps`` means never.
    visited : bool [B, T]
        Steps up to the decision that have beats.
    """
    return _Rounds(len(visited), rounds(layer.inputs, engine.flags))


class _Rounds(Stage):
    """After a step's last beat the rounds, then the potentials."""

    state = ("valid", "last", "_left")

    def __init__(self, images: int, rounds: int) -> None:
        self.valid = np.zeros(images, bool)
        self.last = np.ones(images, bool)
        self._left = np.zeros(images, np.int64)  # rounds still to do
        self._rounds = rounds

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return (self._left == 0) & (~self.valid | taken)

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        self.valid = (self.valid & ~taken) | (self._left == 1)
        self._left = np.maximum(self._left - 1, 0)
        self._left = np.where(ready & before.valid & before.last, self._rounds, self._left)
