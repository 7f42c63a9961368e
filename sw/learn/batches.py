"""Batches on the training device, by PyTorch: images and their latency coding, events and their
binning, and augmentation of both.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from sw.data.events import Events
from sw.encoder import ImageEncoder, LatencyEncoder
from sw.rules.draws import draw
from sw.rules.settings import check, settings_of
from sw.structure import Map

__all__ = [
    "Augmentation",
    "EventAugmentation",
    "EventInputs",
    "ImageInputs",
    "Inputs",
    "augmentation_of",
    "augmented",
    "encode",
    "encode_events",
    "informative_inputs",
]

_CONTROL = 7  # pixels between the control points of an elastic change


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random affine changes of images, drawn anew for each image of each batch.

    Parameters
    ----------
    degrees : float, 0 … 180
        Rotation by up to this, either way.
    scale : float, 0 … below 1
        Size changed by up to this share, either way.
    shift : float, pixels, at least 0
        Moved by up to this, either way, down and across.
    elastic : float, pixels, at least 0
        Bent: every control point of a square grid, 7 pixels apart, is moved by normal noise of
        this deviation, and the image between them smoothly with it (after Simard et al. 2003).
    flip : bool
        Mirrored left to right, half of the images.
    crop : int, pixels, at least 0
        Moved by up to so many whole pixels, either way, down and across: a random crop of the image
        with so wide a border.
    cutout : int, pixels, at least 0
        A square with this edge around a random pixel is 0 (DeVries and Taylor 2017).
    light : float, 0 … 1
        Contrast, about the middle grey, changed by up to this share, and brightness by up to this
        share of half the range, either way.
    """

    degrees: float = 10.0
    scale: float = 0.1
    shift: float = 0.7
    elastic: float = 0.0
    flip: bool = False
    crop: int = 0
    cutout: int = 0
    light: float = 0.0

    def __post_init__(self) -> None:
        check("Augmentation", settings_of(type(self)), asdict(self))

    def __call__(self, images: Tensor, maps: int = 1, oriented: bool = False) -> Tensor:
        """Changed ``images``, uint8 [B, height, width] or [B, height, width, channels] in and out;
        what comes in from outside is 0. ``maps`` and ``oriented`` as :class:`Dataset` has them: all
        maps of an image change alike. Random numbers come from the default generator.
        """
        channels_last = images.ndim == 4
        stacked = images.movedim(3, 1) if channels_last else images.unflatten(1, (maps, -1))
        count, _, height, width = stacked.shape
        drawn = draw(lambda n: torch.rand(n, 4, device=images.device), count)
        angle, scale, down, across = (2 * drawn - 1).T
        level = float(height > 1)  # a single row stays in its row
        angle, down = level * angle, level * down
        angle = angle * (self.degrees * torch.pi / 180)
        scale = 1 + self.scale * scale
        cosine, sine = angle.cos() * scale, angle.sin() * scale
        # affine_grid measures in half edges: 2 / width of them are one pixel
        rows = (
            torch.stack([cosine, -sine, across * (2 * self.shift / width)], dim=1),
            torch.stack([sine, cosine, down * (2 * self.shift / height)], dim=1),
        )
        grid = affine_grid(torch.stack(rows, dim=1), [count, 1, height, width], align_corners=False)
        if self.elastic:
            points = [1 + -(-edge // _CONTROL) for edge in (height, width)]
            noise = draw(lambda n: torch.randn(n, 2, *points, device=images.device), count)
            bend = interpolate(noise, (height, width), mode="bicubic", align_corners=True)
            across, down = 2 * self.elastic / width, level * 2 * self.elastic / height
            grid = grid + torch.stack([bend[:, 0] * across, bend[:, 1] * down], dim=3)
        if self.flip:
            drawn = draw(lambda n: torch.rand(n, 1, 1, device=images.device), count)
            flipped = drawn < 0.5
            grid = torch.stack([grid[..., 0] * (1 - 2 * flipped.float()), grid[..., 1]], dim=3)
            if oriented:  # the mirror image of o is −o: the first stays, the others change places
                mirrored = stacked.flip(1).roll(1, dims=1)
                stacked = torch.where(flipped[..., None], mirrored, stacked)
        if self.crop:
            drawn = draw(lambda n: torch.rand(n, 2, 1, 1, device=images.device), count)
            moves = ((2 * self.crop + 1) * drawn).floor() - self.crop
            right, below = moves[:, 0] * (2 / width), moves[:, 1] * (level * 2 / height)
            grid = grid + torch.stack([right, below], dim=3)
        moved = grid_sample(stacked.float(), grid, align_corners=False)
        if self.light:
            drawn = draw(lambda n: torch.rand(n, 2, 1, 1, device=images.device), count)
            contrast, brightness = (self.light * (2 * drawn - 1)).unbind(dim=1)
            moved = 128 + (1 + contrast[:, None]) * (moved - 128) + 128 * brightness[:, None]
        if self.cutout:
            drawn = draw(lambda n: torch.rand(n, 2, 1, 1, device=images.device), count)
            line = torch.arange(height, device=images.device)[:, None]
            column = torch.arange(width, device=images.device)
            down = line - (drawn[:, :1] * height).floor() + self.cutout // 2
            across = column - (drawn[:, 1:] * width).floor() + self.cutout // 2
            hidden = (down >= 0) & (down < self.cutout) & (across >= 0) & (across < self.cutout)
            moved = moved.masked_fill(hidden, 0)
        moved = moved.round().clamp(0, 255).to(torch.uint8)
        return moved.movedim(1, 3) if channels_last else moved.flatten(1, 2)


def augmentation_of(
    given: Iterable[tuple[str, object]] | None, start: Augmentation | None = None
) -> Augmentation | None:
    """What ``--augment`` asks for: none without the flag, else ``start``, or the usual, with the
    settings that were ``given``. Raises UserError for one that there is not.
    """
    if given is None:
        return None
    settings = dict(given)
    check("Augmentation", settings_of(Augmentation), settings)
    return replace(start or Augmentation(), **settings)  # type: ignore[arg-type]  # checked above


@dataclass(frozen=True, kw_only=True)
class EventAugmentation:
    """Random changes of recordings of events, drawn anew for each recording of each batch.

    Parameters
    ----------
    stretch : float, 0 … below 1
        Slower or faster by up to this share.
    shift : float, s, at least 0
        Moved in time by up to this, either way; what comes before time 0 is lost.
    pitch : float, units, at least 0
        Moved to higher or lower units by up to this many neighbours, on a map across; what leaves
        them, or its row, is lost.
    drop : float, 0 … 1
        Share of the events that is lost.
    """

    stretch: float = 0.1
    shift: float = 0.02
    pitch: float = 10.0
    drop: float = 0.0

    def __post_init__(self) -> None:
        check("Augmentation", settings_of(type(self)), asdict(self))

    def __call__(
        self, time: Tensor, unit: Tensor, valid: Tensor, stride: int, width: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Changed ``time`` and ``unit`` of events, and which of them are ``valid``; all [B, E].
        ``stride`` as :class:`Events` has it, ``width`` of their map if they lie on one. Random
        numbers come from the default generator.
        """
        drawn = draw(lambda n: torch.rand(n, 3, device=time.device), len(time))
        stretch, shift, pitch = (2 * drawn - 1).T[:, :, None]
        time = time * (1 + self.stretch * stretch) + self.shift * shift
        moved = unit + stride * (self.pitch * pitch).round().long()
        if width is not None:
            valid = valid & (moved // width == unit // width)
        if self.drop:
            drawn = draw(lambda n: torch.rand(n, time.shape[1], device=time.device), len(time))
            valid = valid & (drawn >= self.drop)
        return time, moved, valid


class Inputs(Protocol):
    """Examples on the training device, and what a rule takes of them."""

    steps: int
    """T; may be set."""

    def __len__(self) -> int: ...

    def take(self, index: Tensor, augment: Callable[..., Any] | None = None) -> Tensor:
        """Of the examples ``index`` [B], changed by ``augment`` before: what
        :func:`sw.rules.neuron.spiked` takes.
        """


class ImageInputs:
    """Images on the training device, and what a rule takes of them.

    Parameters
    ----------
    images : uint8 [R, height, width] or [R, height, width, channels]
    encoder : LatencyEncoder or PhaseEncoder
    steps : int
        T.
    device : torch.device
    maps : int
    oriented, off_channel : bool
        As :class:`Dataset` has them.
    """

    def __init__(
        self,
        images: np.ndarray,
        encoder: ImageEncoder,
        steps: int,
        device: torch.device,
        maps: int = 1,
        oriented: bool = False,
        off_channel: bool = False,
    ) -> None:
        self._images = torch.from_numpy(images).to(device)
        self.steps = steps
        self._encoder, self._maps, self._off_channel = encoder, (maps, oriented), off_channel
        chosen = encoder.select
        self._select = None if chosen is None else torch.tensor(chosen, device=device)

    def __len__(self) -> int:
        return len(self._images)

    @property
    def shape(self) -> Map:
        """Channels, height and width of an image."""
        return self._encoder.channels, *self._encoder.shape[-2:]

    def take(self, index: Tensor, augment: Callable[..., Any] | None = None) -> Tensor:
        """Firing steps, or values, int16 [B, inputs] of the images ``index`` [B], as :func:`encode`
        has them, changed by ``augment`` (an :class:`Augmentation`) before.
        """
        return self.encoded(self.images(index, augment))

    def images(self, index: Tensor, augment: Callable[..., Any] | None = None) -> Tensor:
        """The images ``index`` [B] themselves, uint8, changed by ``augment``."""
        images = self._images[index]
        if augment is None:
            return images
        return augmented(images, augment, *self._maps, off_channel=self._off_channel)

    def encoded(self, images: Tensor) -> Tensor:
        """What :func:`encode` makes of ``images``, as :meth:`images` gives them."""
        return encode(images, self._encoder, self._select, self.steps)


def augmented(
    images: Tensor,
    augment: Callable[..., Any],
    maps: int,
    oriented: bool,
    *,
    off_channel: bool,
) -> Tensor:
    """``images`` changed by ``augment``, an :class:`Augmentation` or what is called like one; with
    ``off_channel`` the second half of the maps stays 255 less the first. The others as
    :class:`Augmentation` has them.
    """
    if not off_channel:
        return augment(images, maps, oriented)
    axis = 3 if images.ndim == 4 else 1
    changed = augment(images.chunk(2, axis)[0], maps // 2, oriented)
    return torch.cat([changed, 255 - changed], dim=axis)


class EventInputs:
    """Recordings of events on the training device, and what a rule takes of them.

    Parameters
    ----------
    events : Events
    steps : int
        T.
    device : torch.device
    """

    def __init__(self, events: Events, steps: int, device: torch.device) -> None:
        self._events, self.steps = events, steps
        # One event more, of no recording, so that there always is one to look at
        self._time = torch.from_numpy(np.append(events.time, np.float32(0))).to(device)
        self._unit = torch.from_numpy(np.append(events.unit, np.int16(0))).to(device)
        self._start = torch.from_numpy(events.start).to(device)
        self._most = torch.arange(int(np.diff(events.start).max(initial=1)), device=device)

    def __len__(self) -> int:
        return len(self._events)

    def take(self, index: Tensor, augment: Callable[..., Any] | None = None) -> Tensor:
        """Spikes in each step int16 [B, T, N] of the recordings ``index`` [B], as
        :func:`encode_events` has them, changed by ``augment`` (an :class:`EventAugmentation`)
        before.
        """
        # As many events of each as the longest recording has: on a GPU shapes must not change
        place = self._start[index][:, None] + self._most
        valid = place < self._start[index + 1][:, None]
        place = place.clamp(max=len(self._time) - 1)
        events = self._time[place], self._unit[place].long(), valid
        if augment is not None:
            shape = self._events.shape
            events = augment(*events, self._events.stride, shape and shape[2])
        return encode_events(*events, self._events, self.steps)


def encode_events(time: Tensor, unit: Tensor, valid: Tensor, form: Events, steps: int) -> Tensor:
    """Spikes of each unit in each step, int16 [B, T, N]. Equals ``Events.spikes``.

    Parameters
    ----------
    time : float32 [B, E], s
    unit : int64 [B, E]
    valid : bool [B, E]
        Events that count, unless they lie outside the window or the units.
    form : Events
        What names window and channels.
    steps : int
        T.
    """
    step = (time * (steps / form.window)).floor().long()
    valid = valid & (step >= 0) & (step < steps) & (unit >= 0) & (unit < form.channels)
    row = torch.arange(len(time), device=time.device)[:, None]
    size = len(time) * steps * form.channels
    slot = ((row * steps + step) * form.channels + unit).clamp(0, size - 1)
    counts = torch.zeros(size, dtype=torch.int16, device=time.device)
    counts.scatter_add_(0, slot.flatten(), valid.flatten().to(torch.int16))
    return counts.view(len(time), steps, form.channels)


def encode(images: Tensor, encoder: ImageEncoder, select: Tensor | None, steps: int) -> Tensor:
    """What a rule takes of ``images`` uint8 [B, height, width] or [B, height, width, channels],
    int16 [B, inputs]: firing steps, where T means never, or values, as ``encoder.times`` or
    ``encoder.codes`` has them. ``select`` is ``encoder.select`` as a tensor on the device of the
    images.
    """
    height, width = encoder.shape[-2:]
    pixels = images.int().reshape(-1, height, width, encoder.channels).movedim(3, 1)
    if encoder.pool > 1:
        pool = encoder.pool
        blocks = pixels.reshape(*pixels.shape[:2], height // pool, pool, width // pool, pool)
        pixels = (blocks.sum(dim=(3, 5)) + pool**2 // 2) // pool**2
    pixels = pixels.flatten(1)
    if select is not None:
        pixels = pixels[:, select]
    if not isinstance(encoder, LatencyEncoder):
        return (pixels >> (8 - steps)).short()
    times = ((255 - pixels) * steps) >> 8
    return times.masked_fill(pixels < encoder.silent_below, steps).short()


def informative_inputs(times: np.ndarray, labels: np.ndarray, count: int) -> tuple[int, ...]:
    """The ``count`` inputs whose firing step, or value, alone is most informative about the class,
    ascending.

    Measured by the mutual information of firing step and label over a training set.

    Parameters
    ----------
    times : int [B, N]
        Firing steps, T for never; or values.
    labels : int [B]
    count : int, 1 … N
    """
    if not 1 <= count <= times.shape[1]:
        raise ValueError(f"Inputs must be in 1 … {times.shape[1]}, not {count!r}")
    classes = labels[:, None] == np.unique(labels)
    joint = np.stack(
        [(times == step).T.astype(np.float64) @ classes for step in np.unique(times)], axis=1
    )  # [N, steps, classes]
    joint /= len(times)
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=2, keepdims=True)
    ratio = np.divide(joint, independent, out=np.ones_like(joint), where=joint > 0)
    information = (joint * np.log2(ratio)).sum(axis=(1, 2))
    chosen = np.argsort(-information, kind="stable")[:count]
    return tuple(sorted(chosen.tolist()))
