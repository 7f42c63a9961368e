"""What a network answers to a batch, and the figures that follow from it. NumPy only.

The golden model and the trainer's integer mode both return an :class:`Answer`, or of a bistable
network a :class:`BistableAnswer`, so that equal means equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sw.record import Record

__all__ = ["Answer", "BistableAnswer", "ClassFigures", "Decisions", "Figures"]


@dataclass(frozen=True, kw_only=True)
class Figures(Record):
    """What ``sw.evaluate`` prints.

    Parameters
    ----------
    images : int
    accuracy : float, 0 … 1
        Strict: the class by rule 5 is the label. Of a bistable network: its potential is larger
        than every other.
    lenient_accuracy : float, 0 … 1
        As published first-spike code often counts: the label is among the units that fire first.
        Where no output fires, the strict class counts. Of a bistable network: no potential is
        larger than the label's.
    decision_step_mean : float, steps
        Steps taken until the decision; a decision in the first step counts 1. Of a bistable
        network K for each layer with weights.
    hidden_spikes_mean : float
        Hidden spikes per image if the window runs to its end. A pooling passes spikes on and has
        none of its own.
    hidden_spikes_before_decision_mean : float
        Hidden spikes per image up to and including the decision step: those the answer may depend
        on.
    layer_spikes_mean, layer_spikes_before_decision_mean : tuple of float
        The same of each layer, the first one first, poolings (what they pass on) and outputs, too.
    tie_share : float, 0 … 1
        Share of images where several output units fire in the decision step, or of a bistable
        network have the largest potential.
    silent_share : float, 0 … 1
        Share of images where no output unit fires. 0 of a bistable network, whose outputs do not.
    certain_step_mean : float, steps
        Of a bistable network: steps until no input that still comes can change the class.
    """

    images: int
    accuracy: float
    lenient_accuracy: float
    decision_step_mean: float
    hidden_spikes_mean: float
    hidden_spikes_before_decision_mean: float
    tie_share: float
    silent_share: float
    layer_spikes_mean: tuple[float, ...] = ()
    layer_spikes_before_decision_mean: tuple[float, ...] = ()
    certain_step_mean: float | None = None


@dataclass(frozen=True, kw_only=True)
class ClassFigures(Record):
    """What ``sw.evaluate --classes`` prints of one class.

    Parameters
    ----------
    examples : int
        Those that have this label.
    sensitivity : float, 0 … 1, or None
        Share of them that get this class; None if there are none.
    positive_predictivity : float, 0 … 1, or None
        Share of those that get this class which have this label; None if none gets it.
    """

    examples: int
    sensitivity: float | None
    positive_predictivity: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Decisions:
    """The classes of a batch of B inputs.

    Parameters
    ----------
    steps : int
        T of the network; K of a bistable one.
    label : int [B]
        Index of the class (rule 5, or of a bistable network rule 6).
    """

    steps: int
    label: np.ndarray

    def correct(self, labels: np.ndarray) -> np.ndarray:
        """Bool [B]: which inputs count as right, strictly, if the ``labels`` int [B] are true."""
        return self.label == labels

    def classes(self, labels: np.ndarray, names: Sequence[str]) -> dict[str, ClassFigures]:
        """Figures of each class by its name in ``names``, against the true ``labels`` int [B]."""
        result = {}
        for index, name in enumerate(names):
            is_it, said = np.asarray(labels) == index, self.label == index
            both = int((is_it & said).sum())
            result[name] = ClassFigures(
                examples=int(is_it.sum()),
                sensitivity=both / int(is_it.sum()) if is_it.any() else None,
                positive_predictivity=both / int(said.sum()) if said.any() else None,
            )
        return result


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer(Decisions):
    """The answer of a first-spike network.

    Parameters
    ----------
    times : tuple of int [B, N_l]
        Step in which each unit of layer l fires, first hidden layer to output layer; T means never.
        The window runs to its end for this.
    step : int [B]
        Decision step, 0 … T−1.
    margin : int [B]
        ``V − θ`` of the winning unit at the end of the decision step.
    pooling : frozenset of int
        Indices of the layers that are poolings.
    """

    times: tuple[np.ndarray, ...]
    step: np.ndarray
    margin: np.ndarray
    pooling: frozenset[int] = frozenset()

    def __getitem__(self, images: slice) -> "Answer":
        """The answer to a run of the inputs."""
        return replace(
            self,
            times=tuple(times[images] for times in self.times),
            label=self.label[images],
            step=self.step[images],
            margin=self.margin[images],
        )

    def figures(self, labels: np.ndarray) -> Figures:
        """Figures of this answer against the true ``labels`` int [B]."""
        labels = np.asarray(labels)
        rows = np.arange(len(labels))
        outputs = self.times[-1]
        first = (outputs == self.step[:, None]) & (outputs < self.steps)
        silent = ~first.any(axis=1)
        correct = self.correct(labels)
        spikes = [int((times < self.steps).sum()) for times in self.times]
        early = [int((times <= self.step[:, None]).sum()) for times in self.times]
        hidden = [layer for layer in range(len(spikes) - 1) if layer not in self.pooling]
        return Figures(
            images=len(labels),
            accuracy=float(correct.mean()),
            lenient_accuracy=float(np.where(silent, correct, first[rows, labels]).mean()),
            decision_step_mean=float((self.step + 1).mean()),
            hidden_spikes_mean=sum(spikes[layer] for layer in hidden) / len(labels),
            hidden_spikes_before_decision_mean=sum(early[layer] for layer in hidden) / len(labels),
            tie_share=float((first.sum(axis=1) > 1).mean()),
            silent_share=float(silent.mean()),
            layer_spikes_mean=tuple(count / len(labels) for count in spikes),
            layer_spikes_before_decision_mean=tuple(count / len(labels) for count in early),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class BistableAnswer(Decisions):
    """The answer of a bistable network.

    Parameters
    ----------
    values : tuple of uint8 [B, N_l]
        Value of each unit of each layer but the last, poolings too.
    potential : int32 [B, N_out]
        U of the output units after they have listened.
    certain : int [B]
        The step, counted from 0 with the first step of the input, from whose end on nothing that
        still comes can change the class (``sw.early``).
    pooling : frozenset of int
        Indices of the layers that are poolings.
    """

    values: tuple[np.ndarray, ...]
    potential: np.ndarray
    certain: np.ndarray
    pooling: frozenset[int] = frozenset()

    def __getitem__(self, images: slice) -> "BistableAnswer":
        """The answer to a run of the inputs."""
        return replace(
            self,
            values=tuple(values[images] for values in self.values),
            potential=self.potential[images],
            label=self.label[images],
            certain=self.certain[images],
        )

    @property
    def latency(self) -> int:
        """Steps from the first one of the input to the decision: K for each layer with weights."""
        return self.steps * (len(self.values) + 1 - len(self.pooling))

    @property
    def step(self) -> np.ndarray:
        """Decision step int [B], counted from 0: that of all inputs, the last one."""
        return np.full(len(self.label), self.latency - 1)

    @property
    def margin(self) -> np.ndarray:
        """What the class's potential has over the next largest one, int64 [B]; 0 is a tie."""
        largest = np.sort(self.potential.astype(np.int64), axis=1)[:, -2:]
        return largest[:, -1] - largest[:, 0]

    @property
    def tied(self) -> np.ndarray:
        """Bool [B]: several output units have the largest potential."""
        largest = self.potential == self.potential.max(axis=1, keepdims=True)
        return largest.sum(axis=1) > 1

    def correct(self, labels: np.ndarray) -> np.ndarray:
        """As for every answer; a tie, which the lowest index decides, is never right."""
        return super().correct(labels) & ~self.tied

    def figures(self, labels: np.ndarray) -> Figures:
        """Figures of this answer against the true ``labels`` int [B]."""
        labels = np.asarray(labels)
        own = self.potential[np.arange(len(labels)), labels]
        bits = 1 << np.arange(self.steps, dtype=np.uint8)  # each is a spike
        counts = (sum(np.count_nonzero(values & bit) for bit in bits) for values in self.values)
        spikes = tuple(int(count) / len(labels) for count in counts)
        hidden = sum(count for layer, count in enumerate(spikes) if layer not in self.pooling)
        return Figures(
            images=len(labels),
            accuracy=float(self.correct(labels).mean()),
            lenient_accuracy=float((own == self.potential.max(axis=1)).mean()),
            decision_step_mean=float(self.latency),
            hidden_spikes_mean=hidden,
            hidden_spikes_before_decision_mean=hidden,
            tie_share=float(self.tied.mean()),
            silent_share=0.0,
            layer_spikes_mean=spikes,
            layer_spikes_before_decision_mean=spikes,
            certain_step_mean=float((self.certain + 1).mean()),
        )
