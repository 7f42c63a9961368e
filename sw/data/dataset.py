"""Data sets of images: what they hold, and how a part is held out for validation. NumPy only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sw.encoder import Encoder, ImageEncoder
from sw.structure import Map

__all__ = ["Dataset", "split"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images with their labels, in two parts.

    An image of several maps has two forms of the same bytes: its maps one below the other, for
    dense layers, or as channels of each pixel, for layers on maps. :meth:`stacked` and
    :meth:`on_maps` give one of the other.

    Parameters
    ----------
    name : str
    train_images, test_images : uint8 [N, height, width] or [N, height, width, channels]
        0 is background, 255 the brightest.
    train_labels, test_labels : int64 [N]
        Index into ``labels``.
    labels : tuple of str
        Names of the classes.
    maps : int
        An image is so many maps of the same height: of brightness (1), of colours (3), or of
        orientations.
    rows : bool
        An image is no picture: each row is a map of height 1 to layers on maps, such as a channel
        of a time series or a level of a table's features.
    oriented : bool
        The maps are orientations that divide 180° evenly, from the upright one on
        (``sw.features.edges``).
    train_groups : int64 [N], or None
        What must lie on one side of the split for validation, such as a person: 0 … G − 1.
    reading : mapping
        How one's own data were read (``sw.data.own``), for the provenance of a network.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    labels: tuple[str, ...]
    maps: int = 1
    rows: bool = False
    oriented: bool = False
    train_groups: np.ndarray | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_mask(
        cls, images: np.ndarray, truth: np.ndarray, test: np.ndarray, **fields: Any
    ) -> "Dataset":
        """The data set of ``images`` uint8 [N, …] and their labels ``truth`` int64 [N], of which
        those that ``test`` bool [N] marks are for testing; ``fields`` are the others.
        """
        return cls(
            train_images=images[~test],
            train_labels=truth[~test],
            test_images=images[test],
            test_labels=truth[test],
            **fields,
        )

    @property
    def shape(self) -> tuple[int, int] | Map:
        """Height and width of an image in pixels, channels before them where each pixel has some;
        as an encoder has it.
        """
        height, width, *channels = self.train_images.shape[1:]
        return (*channels, height, width)

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of a map in pixels."""
        maps = self.maps if len(self.shape) == 2 else 1
        return self.shape[-2] // maps, self.shape[-1]

    @property
    def off_channel(self) -> bool:
        """The second half of the maps is 255 less the first."""
        return self.reading.get("off_channel") is True

    @property
    def digest(self) -> str | None:
        """SHA-256 of one's own data, their split and labels; None of a named data set, which is
        always the same.
        """
        return self.reading.get("sha256")

    def on_maps(self) -> "Dataset":
        """With the maps of an image as channels [N, height, width, channels]; one map stays
        [N, height, width].
        """
        maps = self.shape[0] if self.rows else self.maps
        if len(self.shape) == 3 or maps == 1:
            return self

        def channels(images: np.ndarray) -> np.ndarray:
            count, rows, width = images.shape
            return np.moveaxis(images.reshape(count, maps, rows // maps, width), 1, 3).copy()

        return self._with(channels)

    def stacked(self) -> "Dataset":
        """With the maps of an image one below the other [N, height, width]."""
        if len(self.shape) == 2:
            return self

        def rows(images: np.ndarray) -> np.ndarray:
            return np.moveaxis(images, 3, 1).reshape(len(images), -1, images.shape[2])

        return self._with(rows)

    def like(self, encoder: Encoder) -> "Dataset":
        """In the form that ``encoder`` takes."""
        if not isinstance(encoder, ImageEncoder) or len(encoder.shape) == 2:
            return self.stacked()
        data = self.on_maps()
        return data if len(data.shape) == 3 else data._with(lambda images: images[..., None])

    def with_off_channel(self) -> "Dataset":
        """With a second map 255 − x for each map, after all of them."""
        data = self.stacked()

        def both(images: np.ndarray) -> np.ndarray:
            return np.concatenate([images, 255 - images], axis=1)

        return replace(
            data._with(both), maps=2 * self.maps, reading={**self.reading, "off_channel": True}
        )

    def _with(self, change: Callable[[np.ndarray], np.ndarray]) -> "Dataset":
        """With both parts changed."""
        return replace(
            self, train_images=change(self.train_images), test_images=change(self.test_images)
        )

    @property
    def examples(self) -> str:
        """What it holds, as text; as ``examples`` of an encoder says what it takes."""
        shape = self.map_size if self.maps == 1 else (self.maps, *self.map_size)
        return ImageEncoder(shape=shape).examples

    @property
    def train_inputs(self) -> np.ndarray:
        """``train_images``, by the name that data sets of both kinds have."""
        return self.train_images

    @property
    def test_inputs(self) -> np.ndarray:
        """``test_images``, likewise."""
        return self.test_images

    def fits(self, encoder: Encoder) -> bool:
        """Whether ``encoder`` takes these images."""
        return isinstance(encoder, ImageEncoder) and encoder.shape == self.shape

    def test_part(self, steps: int, count: int | None = None) -> np.ndarray:
        """The first ``count`` test images (all without it), as a network takes them; they are the
        same for any number of ``steps``.
        """
        return self.test_images[:count]


def split(labels: np.ndarray, fraction: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Splits a training set into a part to learn from and a part held out for validation.

    Parameters
    ----------
    labels : int [N]
    fraction : float, 0 … below 1
        Share of each class that is held out, rounded to whole images.
    seed : int
        The same seed always gives the same split.

    Returns
    -------
    (int64 [N − V], int64 [V])
        Indices of the two parts, ascending.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"Fraction must be in 0 … below 1, not {fraction!r}")
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        held_out[members[: round(fraction * len(members))]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
