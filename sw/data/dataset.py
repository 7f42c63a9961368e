"""Data sets of images: what they hold, and how a part is held out for validation. NumPy only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sw.encoder import Encoder, LatencyEncoder

__all__ = ["Dataset", "split"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images with their labels, in two parts.

    Parameters
    ----------
    name : str
    train_images, test_images : uint8 [N, height, width]
        0 is background, 255 the brightest.
    train_labels, test_labels : int64 [N]
        Index into ``labels``.
    labels : tuple of str
        Names of the classes.
    maps : int
        An image is so many maps of the same height, one below the other: of brightness (1), of
        colours (3), or of orientations.
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
    oriented: bool = False
    train_groups: np.ndarray | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_mask(
        cls, images: np.ndarray, truth: np.ndarray, test: np.ndarray, **fields: Any
    ) -> "Dataset":
        """The data set of ``images`` uint8 [N, height, width] and their labels ``truth`` int64 [N],
        of which those that ``test`` bool [N] marks are for testing; ``fields`` are the others.
        """
        return cls(
            train_images=images[~test],
            train_labels=truth[~test],
            test_images=images[test],
            test_labels=truth[test],
            **fields,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of an image in pixels."""
        return self.train_images.shape[1:]

    @property
    def examples(self) -> str:
        """What it holds, as text; as ``examples`` of an encoder says what it takes."""
        return LatencyEncoder(shape=self.shape).examples

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
        return isinstance(encoder, LatencyEncoder) and encoder.shape == self.shape

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
