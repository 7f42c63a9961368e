"""Limits of the contract (docs/spec.md): of a window's steps, and of what a network and its file
may hold. Network and trainer, reader and hardware all take them from here.
"""

from collections.abc import Sequence
from itertools import pairwise

__all__ = [
    "DEPTH",
    "FILE",
    "HEADER",
    "LAYERS",
    "PHASES",
    "POTENTIAL",
    "STEPS",
    "TEXT",
    "UNITS",
    "WEIGHTS",
    "phases_fault",
    "sizes_fault",
    "steps_fault",
]

STEPS = 256  # T, at most
PHASES = 8  # K of a bistable network, at most
POTENTIAL = (1 << 31) - 1  # the largest potential of a bistable network, of either sign

UNITS = 1 << 20  # units of a layer, pixels of an image, channels of events, selected inputs
LAYERS = 64
WEIGHTS = 1 << 25  # of all layers together
TEXT = 255  # characters of a name or of a label
FILE = 1 << 25  # bytes
HEADER = 1 << 20  # bytes, of a file's header
DEPTH = 16  # JSON values within one another


def steps_fault(steps: object, *, pixels: bool) -> str | None:
    """What is wrong with ``steps`` as T, as a message; None if nothing is.

    Parameters
    ----------
    pixels : bool
        Pixels are encoded: then T is a power of two, so that the hardware's encoder is wires.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= STEPS:
        return f"Steps must be in 1 … {STEPS}, not {steps!r}"
    if pixels and steps & (steps - 1):
        return f"Steps must be a power of two where pixels are encoded, not {steps}"
    return None


def phases_fault(steps: object) -> str | None:
    """What is wrong with ``steps`` as K, as a message; None if nothing is."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= PHASES:
        return f"Steps of a bistable network must be in 1 … {PHASES}, not {steps!r}"
    return None


def sizes_fault(sizes: Sequence[int]) -> str | None:
    """What is too much of a network with these units per layer, the inputs first; None if nothing
    is.
    """
    weights = sum(inputs * outputs for inputs, outputs in pairwise(sizes))
    for what, count, most in (
        ("Layers", len(sizes) - 1, LAYERS),
        ("Units of a layer", max(sizes), UNITS),
        ("Weights", weights, WEIGHTS),
    ):
        if count > most:
            return f"{what} must be at most {most:,}, not {count:,}"
    return None
