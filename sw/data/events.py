"""Recordings of events (audio, sensors): what they hold, and how they become input spikes.

NumPy only. An event is a time in seconds and the unit that it comes from, as the Spiking Heidelberg
Digits have it (Cramer et al., IEEE TNNLS 2020). Recordings are kept as events and not as steps,
since the number of steps belongs to the network, and a list of events is shorter than a table of
steps × units.

**Binning.** The first ``window`` seconds of a recording become T steps of equal length: an event at
time t falls into step ``floor(t · T / window)``, in float32. Later events are dropped. Every event
counts, also several of one unit in one step.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sw.encoder import Encoder, EventsEncoder, Spikes
from sw.structure import Map

__all__ = ["EventDataset", "Events"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """Recordings, one after another.

    Parameters
    ----------
    channels : int
        Input units, N.
    window : float, s
        Length of the part that counts.
    time : float32 [E], s
        Not below 0.
    unit : int16 [E], 0 … N−1
    start : int64 [R + 1], ascending
        Recording r is events start[r] … start[r + 1] − 1.
    stride : int
        Units this far apart are neighbours in pitch: 2 where units of two kinds alternate.
    shape : Map, or None
        The map that the units are (``sw.structure``): polarities, height and width of a camera.
        None where nobody says it.

    Raises
    ------
    ValueError
        A part is out of its range.
    """

    channels: int
    window: float
    time: np.ndarray
    unit: np.ndarray
    start: np.ndarray
    stride: int = 1
    shape: Map | None = None

    def __post_init__(self) -> None:
        if not self.window > 0:
            raise ValueError(f"Window must be above 0 s, not {self.window!r}")
        if self.channels % self.stride:
            raise ValueError(f"Channels must be divisible by {self.stride}, not {self.channels!r}")
        if self.shape is not None and math.prod(self.shape) != self.channels:
            raise ValueError(f"Shape must have {self.channels} units, not {self.shape!r}")
        if self.start[-1] != len(self.time) or len(self.unit) != len(self.time):
            raise ValueError(
                f"Events must be one time and one unit each, not {len(self.time)}, "
                f"{len(self.unit)} and {self.start[-1]}"
            )
        if len(self.time) and not (self.time.min() >= 0 and np.isfinite(self.time).all()):
            raise ValueError("Times must be finite and not below 0 s")
        if len(self.unit) and not 0 <= self.unit.min() <= self.unit.max() < self.channels:
            raise ValueError(f"Units must be in 0 … {self.channels - 1}")

    def __len__(self) -> int:
        """Number of recordings, R."""
        return len(self.start) - 1

    @classmethod
    def collect(
        cls,
        recordings: Iterable[tuple[np.ndarray, np.ndarray]],
        *,
        channels: int,
        window: float,
        stride: int = 1,
        shape: Map | None = None,
    ) -> "Events":
        """From the times and units of each recording."""
        times, units = zip(*recordings, strict=True)
        return cls(
            channels=channels,
            window=window,
            time=np.concatenate(times).astype(np.float32),
            unit=np.concatenate(units).astype(np.int16),
            start=np.cumsum([0, *map(len, times)]),
            stride=stride,
            shape=shape,
        )

    def __getitem__(self, index: np.ndarray) -> "Events":
        """The recordings ``index`` int [P], in this order."""
        rows = [slice(self.start[r], self.start[r + 1]) for r in index]
        return replace(
            self,
            time=np.concatenate([self.time[row] for row in rows] or [self.time[:0]]),
            unit=np.concatenate([self.unit[row] for row in rows] or [self.unit[:0]]),
            start=np.cumsum([0, *(row.stop - row.start for row in rows)]),
        )

    def placed_on(self, shape: Map) -> "Events":
        """The same places on a map that is no smaller."""
        assert self.shape is not None
        unit = np.ravel_multi_index(np.unravel_index(self.unit, self.shape), shape)
        return replace(
            self, channels=math.prod(shape), shape=shape, unit=unit.astype(self.unit.dtype)
        )

    def spikes(self, steps: int) -> Spikes:
        """The recordings as spikes of a window of ``steps`` steps."""
        recording = np.repeat(np.arange(len(self)), np.diff(self.start))
        position = self.time * np.float32(steps / self.window)
        in_window = np.flatnonzero(position < steps)
        step = np.zeros(len(position), np.int64)
        step[in_window] = position[in_window]  # floor; what is later may be too large for int64
        order = in_window[np.argsort(recording[in_window] * steps + step[in_window], kind="stable")]
        return Spikes(
            count=len(self), image=recording[order], step=step[order], unit=self.unit[order]
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class EventDataset:
    """Recordings with their labels, in two parts; what ``sw.data.dataset.Dataset`` is for images.

    Parameters
    ----------
    name : str
    train_events, test_events : Events
    train_labels, test_labels : int64 [R]
        Index into ``labels``.
    labels : tuple of str
        Names of the classes.
    train_groups : int64 [R], or None
        As :class:`sw.data.dataset.Dataset` has it.
    reading : mapping
        How one's own data were read (``sw.data.own``), for the provenance of a network.
    """

    name: str
    train_events: Events
    train_labels: np.ndarray
    test_events: Events
    test_labels: np.ndarray
    labels: tuple[str, ...]
    train_groups: np.ndarray | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_mask(
        cls, events: Events, truth: np.ndarray, test: np.ndarray, **fields: Any
    ) -> "EventDataset":
        """The data set of the recordings ``events`` and their labels ``truth`` int64 [R], of which
        those that ``test`` bool [R] marks are for testing; ``fields`` are the others.
        """
        return cls(
            train_events=events[np.flatnonzero(~test)],
            train_labels=truth[~test],
            test_events=events[np.flatnonzero(test)],
            test_labels=truth[test],
            **fields,
        )

    @property
    def channels(self) -> int:
        """Input units."""
        return self.train_events.channels

    @property
    def shape(self) -> Map | None:
        """The map that the units are, None where nobody says it."""
        return self.train_events.shape

    @property
    def digest(self) -> str | None:
        """SHA-256 of one's own data, their split and labels; None of a named data set, which is
        always the same.
        """
        return self.reading.get("sha256")

    def on_maps(self) -> "EventDataset":
        """As it is: units on a map are one anyway."""
        return self

    def stacked(self) -> "EventDataset":
        """Without a map, as dense layers take the units."""
        if self.shape is None:
            return self
        return replace(
            self,
            train_events=replace(self.train_events, shape=None),
            test_events=replace(self.test_events, shape=None),
        )

    def like(self, encoder: Encoder) -> "EventDataset":
        """In the form that ``encoder`` takes."""
        on_map = isinstance(encoder, EventsEncoder) and encoder.shape is not None
        return self.on_maps() if on_map else self.stacked()

    @property
    def train_inputs(self) -> Events:
        """``train_events``, by the name that data sets of both kinds have."""
        return self.train_events

    @property
    def test_inputs(self) -> Events:
        """``test_events``, likewise."""
        return self.test_events

    @property
    def examples(self) -> str:
        """What it holds, as text; as ``examples`` of an encoder says what it takes."""
        return EventsEncoder(channels=self.channels, shape=self.shape).examples

    def fits(self, encoder: Encoder) -> bool:
        """Whether ``encoder`` takes these recordings: units of its number, on its map where both
        say which.
        """
        return (
            isinstance(encoder, EventsEncoder)
            and encoder.channels == self.channels
            and (self.shape is None or encoder.shape in (None, self.shape))
        )

    def test_part(self, steps: int, count: int | None = None) -> Spikes:
        """The first ``count`` test recordings (all without it) as spikes of ``steps`` steps."""
        return self.test_events.spikes(steps)[: len(self.test_labels[:count])]
