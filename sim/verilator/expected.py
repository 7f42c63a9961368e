"""What the golden model expects of a core's records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sim.verilator.simulator import UNSEEN
from sw.answer import Answer, BistableAnswer
from sw.network import Network
from sw.structure import Pooling

__all__ = ["Expected"]

_SHOWN = 4  # hidden units that differ


@dataclass(frozen=True, kw_only=True, eq=False)
class Expected:
    """The class of each of B inputs, and what is seen of hidden units.

    Parameters
    ----------
    label, step, margin : int [B]
    layers : tuple of int
        The hidden layers.
    hidden : tuple of int [B, N_l]
        Of each of these layers: the step in which its units fire, or of a bistable network their
        values.
    steps : int, or None
        T, where they are steps: T is never.
    unneeded : bool [units of these layers]
        Units that no window of the pooling behind has, so that they need not be computed.
    """

    label: np.ndarray
    step: np.ndarray
    margin: np.ndarray
    layers: tuple[int, ...]
    hidden: tuple[np.ndarray, ...]
    steps: int | None
    unneeded: np.ndarray

    @classmethod
    def of(
        cls,
        answer: Answer | BistableAnswer,
        layers: Sequence[int] | None = None,
        network: Network | None = None,
    ) -> "Expected":
        """That of an ``answer``, with these of its hidden layers; all if it is left out. With the
        ``network``, units that it does not need may be missing.
        """
        bistable = isinstance(answer, BistableAnswer)
        hidden = answer.values if isinstance(answer, BistableAnswer) else answer.times[:-1]
        layers = range(len(hidden)) if layers is None else layers
        unneeded = (
            _unneeded(network, index) if network else np.zeros(hidden[index].shape[1], bool)
            for index in layers
        )
        return cls(
            label=answer.label,
            step=answer.step,
            margin=answer.margin,
            layers=tuple(layers),
            hidden=tuple(hidden[index] for index in layers),
            steps=None if bistable else answer.steps,
            unneeded=np.concatenate([np.zeros(0, bool), *unneeded]),
        )

    def __getitem__(self, images: slice) -> "Expected":
        """Of a run of the inputs."""
        return Expected(
            label=self.label[images],
            step=self.step[images],
            margin=self.margin[images],
            layers=self.layers,
            hidden=tuple(layer[images] for layer in self.hidden),
            steps=self.steps,
            unneeded=self.unneeded,
        )

    def differs(self, records: np.ndarray) -> np.ndarray:
        """Bool [B]: which of the core's ``records`` [B] contradict it."""
        wrong = records["label"] != self.label
        wrong |= records["step"] != self.step
        wrong |= records["margin"] != self.margin
        if records["times"].size:
            return wrong | self._units_differ(records).any(axis=1)
        return wrong

    def differences(self, record: np.ndarray) -> Iterator[str]:
        """Which hidden units of the only input differ in its ``record``, as human-readable text."""
        if not record["times"].size:
            return
        units = np.flatnonzero(self._units_differ(record.reshape(1))[0])
        right = np.concatenate(self.hidden, axis=1)[0]
        first = [0, *np.cumsum([layer.shape[1] for layer in self.hidden])]
        for unit in units[:_SHOWN]:
            place = int(np.searchsorted(first, unit, side="right")) - 1
            yield (
                f"  hidden unit {unit - first[place]} of layer {self.layers[place]}: expected "
                f"{self._text(int(right[unit]))}, got {self._text(int(record['times'][unit]))}"
            )
        if len(units) > _SHOWN:
            yield f"  and {len(units) - _SHOWN} more hidden units"

    def _units_differ(self, records: np.ndarray) -> np.ndarray:
        """Bool [B, hidden units]. A spike after the decision, or of a unit that is not needed, need
        not come, but not be another.
        """
        right = np.concatenate(self.hidden, axis=1)
        may_miss = self.unneeded
        if self.steps is not None:
            may_miss = may_miss | (right > self.step[:, None])
        wrong: np.ndarray = (records["times"] != right) & ~(may_miss & (records["times"] == UNSEEN))
        return wrong

    def _text(self, seen: int) -> str:
        if self.steps is None:
            return {UNSEEN: "no value", UNSEEN - 1: "two values"}.get(seen, f"value {seen}")
        if seen == UNSEEN - 1:
            return "two spikes"
        return f"step {seen}" if seen < self.steps else "no spike"


def _unneeded(network: Network, index: int) -> np.ndarray:
    """Bool [units]: those of layer ``index`` that no window of the poolings behind it has."""
    channels, rows, columns = network.maps[index + 1]
    high = wide = 1
    behind = index
    while isinstance(kind := network.layers[behind + 1].kind, Pooling):
        high, wide, behind = high * kind.kernel[0], wide * kind.kernel[1], behind + 1
    _, down, across = network.maps[behind + 1]
    unneeded = np.ones((channels, rows, columns), bool)
    unneeded[:, : down * high, : across * wide] = False
    return unneeded.reshape(-1)
