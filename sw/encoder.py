"""Encoders: how an image, or a recording of events, becomes input spikes (docs/spec.md, rule 1).

NumPy only. The trainer and the golden model both call this; the hardware's encoder is compared with
it.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeAlias

import numpy as np

from sw import limits
from sw.structure import Map

__all__ = [
    "Encoder",
    "EventsEncoder",
    "ImageEncoder",
    "Inputs",
    "LatencyEncoder",
    "NetworkEncoder",
    "PhaseEncoder",
    "Spikes",
]


@dataclass(frozen=True, kw_only=True)
class Spikes:
    """Input spikes of a batch, sorted by image and, within an image, by step.

    Parameters
    ----------
    count : int
        Number of images in the batch, B.
    image : int array [E]
        The image each spike belongs to, 0 … B−1, non-decreasing.
    step : int array [E]
        The step of each spike, 0 … T−1, non-decreasing within an image.
    unit : int array [E]
        The input unit that fires, 0 … N_in−1. A unit may fire more than once in event data.
    """

    count: int
    image: np.ndarray
    step: np.ndarray
    unit: np.ndarray

    def __post_init__(self) -> None:
        image, step = np.asarray(self.image), np.asarray(self.step)
        same = image[1:] == image[:-1]
        if ((image[1:] < image[:-1]) | (same & (step[1:] < step[:-1]))).any():
            raise ValueError("Spikes must be sorted by image, then by step")

    def __len__(self) -> int:
        """Number of images, as for an array of images."""
        return self.count

    def __getitem__(self, images: slice) -> "Spikes":
        """The spikes of a run of images, which are then counted from 0."""
        start, end, stride = images.indices(self.count)
        if stride != 1:
            raise ValueError(f"Images must be a run, not with a stride of {stride}")
        end = max(start, end)
        first, last = np.searchsorted(self.image, (start, end))
        part = slice(first, last)
        return Spikes(
            count=end - start,
            image=self.image[part] - start,
            step=self.step[part],
            unit=self.unit[part],
        )

    @classmethod
    def from_times(cls, times: np.ndarray, steps: int) -> "Spikes":
        """From firing times int [B, N], where ``steps`` means never. Ties keep the order of the
        units.
        """
        image, unit = np.nonzero(times < steps)
        step = times[image, unit]
        order = np.argsort(image * steps + step, kind="stable")
        return cls(count=len(times), image=image[order], step=step[order], unit=unit[order])

    @classmethod
    def from_codes(cls, codes: np.ndarray, steps: int) -> "Spikes":
        """From values int [B, N], 0 … 2^``steps`` − 1: a unit fires in step k if its bit
        ``steps`` − 1 − k is set.
        """
        bits = (codes[:, None] >> np.arange(steps - 1, -1, -1)[:, None]) & 1  # [B, K, N]
        image, step, unit = np.nonzero(bits)
        return cls(count=len(codes), image=image, step=step, unit=unit)


Inputs = np.ndarray | Spikes
"""A batch as a network takes it: images uint8 [B, height, width] or [B, height, width, channels],
or spikes. Either has a length, and a run of it is a slice.
"""


class Encoder(Protocol):
    """What the rest of the project needs of an encoder."""

    @property
    def inputs(self) -> int:
        """Number of input units, N_in."""

    @property
    def map(self) -> Map:
        """Channels, height and width of the input units."""

    @property
    def examples(self) -> str:
        """What an example must be, as human-readable text."""

    def encode(self, inputs: Inputs, steps: int) -> Spikes:
        """The spikes of ``inputs`` in a window of T = ``steps``. Raises :class:`ValueError` for
        inputs that it does not take.
        """

    def most_spikes(self, inputs: Inputs) -> int:
        """Spikes that none of ``inputs`` has more of."""


@dataclass(frozen=True, kw_only=True)
class ImageEncoder:
    """Which pixels of an 8-bit image are input units; how they fire, each kind says.

    Parameters
    ----------
    shape : (int, int) or (int, int, int)
        Height and width of the image in pixels; channels before them, where it has several.
    pool : 1, 2 or 4
        Edge of the square that is averaged to one pixel, ``(sum + pool²/2) // pool²``.
    select : tuple of int, or None
        Indices into the pooled image, as units of its map (``sw.structure``), that are input units,
        in this order; None means all.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    shape: tuple[int, int] | Map
    pool: int = 1
    select: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.shape) not in (2, 3) or not all(_is_int(n) and n >= 1 for n in self.shape):
            raise ValueError(f"Shape must be two or three positive integers, not {self.shape!r}")
        if self.pixels > limits.UNITS:
            raise ValueError(f"Pixels must be at most {limits.UNITS:,}, not {self.pixels:,}")
        if not _is_int(self.pool) or self.pool not in (1, 2, 4):
            raise ValueError(f"Pool must be 1, 2 or 4, not {self.pool!r}")
        if any(n % self.pool for n in self.shape[-2:]):
            raise ValueError(f"Shape must be divisible by the pool {self.pool}, not {self.shape!r}")
        if self.select is not None:
            outside = (index for index in self.select if not 0 <= index < self.pooled)
            for index in outside:
                raise ValueError(f"Select index must be in 0 … {self.pooled - 1}, not {index!r}")

    @property
    def channels(self) -> int:
        """Of a pixel; 1 if the image is grey."""
        return self.shape[0] if len(self.shape) == 3 else 1

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Of an image's array: height, width and, where ``shape`` has them, channels."""
        return *self.shape[-2:], *self.shape[:-2]

    @property
    def pixels(self) -> int:
        """Values of an image before pooling: of each pixel, one per channel."""
        return math.prod(self.shape)

    @property
    def pooled(self) -> int:
        """Values of an image after pooling."""
        return self.pixels // self.pool**2

    @property
    def map(self) -> Map:
        if self.select is not None:
            return len(self.select), 1, 1
        height, width = (n // self.pool for n in self.shape[-2:])
        return self.channels, height, width

    @property
    def inputs(self) -> int:
        return self.pooled if self.select is None else len(self.select)

    @property
    def examples(self) -> str:
        height, width = self.shape[-2:]
        colour = f" and {self.channels} channels" if self.channels > 1 else ""
        return f"images of {height} × {width} pixels{colour}"

    @property
    def strictly_increasing(self) -> bool:
        """``select`` increases strictly, or every pixel is an input: what the hardware takes."""
        return self.select is None or all(a < b for a, b in pairwise(self.select))

    def values(self, images: Inputs) -> np.ndarray:
        """Pooled and selected pixels int32 [B, inputs], 0 … 255, of ``images`` uint8
        [B, height, width], or [B, height, width, channels] where ``shape`` has channels.
        """
        if isinstance(images, Spikes):
            raise ValueError("Images must be uint8, not Spikes")
        values = np.asarray(images)
        if values.dtype != np.uint8 or values.shape[1:] != self.image_shape:
            raise ValueError(
                f"Images must be uint8 [B, {', '.join(map(str, self.image_shape))}], "
                f"not {values.dtype} {list(values.shape)}"
            )
        count, (height, width) = len(values), self.shape[-2:]
        values = np.moveaxis(values.reshape(count, height, width, self.channels), 3, 1)
        if self.pool > 1:
            area, pool = self.pool**2, self.pool
            blocks = values.reshape(count, self.channels, height // pool, pool, width // pool, pool)
            values = (blocks.sum(axis=(3, 5), dtype=np.int32) + area // 2) // area
        pixels = values.reshape(count, self.pooled).astype(np.int32)
        return pixels if self.select is None else pixels[:, list(self.select)]

    def most_spikes(self, images: Inputs) -> int:
        """Spikes that none of ``images`` has more of: each input fires once at most."""
        return self.inputs


@dataclass(frozen=True, kw_only=True)
class LatencyEncoder(ImageEncoder):
    """Latency coding: the brighter the pixel, the earlier its one spike.

    Parameters
    ----------
    silent_below : int, 0 … 256
        A pooled pixel below this never fires.
    """

    silent_below: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _is_int(self.silent_below) or not 0 <= self.silent_below <= 256:
            raise ValueError(f"Silent_below must be in 0 … 256, not {self.silent_below!r}")

    def times(self, images: Inputs, steps: int) -> np.ndarray:
        """Firing steps int16 [B, inputs] of ``images`` as :meth:`values` takes them; ``steps``
        means never.
        """
        pixels = self.values(images)
        fired_at = ((255 - pixels) * steps) >> 8
        return np.where(pixels < self.silent_below, steps, fired_at).astype(np.int16)

    def encode(self, images: Inputs, steps: int) -> Spikes:
        """The same as sorted :class:`Spikes`."""
        return Spikes.from_times(self.times(images, steps), steps)


@dataclass(frozen=True, kw_only=True)
class PhaseEncoder(ImageEncoder):
    """Phase coding, of bistable networks: the K most significant bits of a pixel, the first of them
    in the first step. K is the number of steps, 1 … 8.
    """

    def codes(self, images: Inputs, steps: int) -> np.ndarray:
        """Values uint8 [B, inputs], 0 … 2^K − 1, of ``images`` as :meth:`values` takes them."""
        return (self.values(images) >> (8 - steps)).astype(np.uint8)

    def encode(self, images: Inputs, steps: int) -> Spikes:
        """The same as sorted :class:`Spikes`: in step k the units whose bit K − 1 − k is set."""
        return Spikes.from_codes(self.codes(images, steps), steps)

    def most_spikes(self, images: Inputs) -> int:
        """Each input fires in each of 8 steps at most."""
        return 8 * self.inputs


@dataclass(frozen=True, kw_only=True)
class EventsEncoder:
    """Sensor events (audio, event cameras), which are spikes already: each channel is an input unit
    and may fire more than once.

    Parameters
    ----------
    channels : int
        Input units; left out where ``shape`` tells.
    shape : Map, or None
        The map that they are; None means ``(channels, 1, 1)``.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    channels: int = 0
    shape: Map | None = None

    def __post_init__(self) -> None:
        if self.shape is not None:
            if (
                not isinstance(self.shape, tuple)
                or len(self.shape) != 3
                or not all(_is_int(n) and n >= 1 for n in self.shape)
            ):
                raise ValueError(f"Shape must be three positive integers, not {self.shape!r}")
            units = math.prod(self.shape)
            if self.channels not in (0, units):
                raise ValueError(f"Channels must be {units}, as the shape, not {self.channels!r}")
            object.__setattr__(self, "channels", units)
        if not _is_int(self.channels) or self.channels < 1:
            raise ValueError(f"Channels must be a positive integer, not {self.channels!r}")
        if self.channels > limits.UNITS:
            raise ValueError(f"Channels must be at most {limits.UNITS:,}, not {self.channels:,}")

    @property
    def map(self) -> Map:
        return self.shape or (self.channels, 1, 1)

    @property
    def inputs(self) -> int:
        return self.channels

    @property
    def examples(self) -> str:
        on_map = f" ({' × '.join(map(str, self.shape))})" if self.shape else ""
        return f"events of {self.channels} channels{on_map}"

    def encode(self, events: Inputs, steps: int) -> Spikes:
        """``events`` as they are. Raises :class:`ValueError` for images."""
        if not isinstance(events, Spikes):
            raise ValueError(f"Events must be Spikes, not {type(events).__name__}")
        return events

    def most_spikes(self, events: Inputs) -> int:
        """Of one recording."""
        return int(np.bincount(self.encode(events, 0).image, minlength=1).max())


NetworkEncoder: TypeAlias = LatencyEncoder | EventsEncoder | PhaseEncoder
"""What a network may have."""


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
