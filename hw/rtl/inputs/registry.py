"""The inputs there are, each with a line, and which of them a network has."""

from hw.rtl.inputs.base import MOST_EVENTS, Input
from hw.rtl.inputs.events import Events
from hw.rtl.inputs.pixels import Pixels
from hw.rtl.inputs.values import Values
from sw.encoder import NetworkEncoder

__all__ = ["INPUTS", "find_input"]

INPUTS: tuple[type[Input], ...] = (
    Pixels,
    Values,
    Events,
)


def find_input(
    encoder: NetworkEncoder, *, pixels: int = 1, most_events: int = MOST_EVENTS
) -> Input:
    """What a network with that ``encoder`` takes; the rest as for :class:`Input`."""
    (kind,) = (kind for kind in INPUTS if kind.encodes is type(encoder))
    return kind(encoder=encoder, pixels=pixels, most_events=most_events)
