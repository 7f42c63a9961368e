"""What the provenance of a network says of the data of one's own that it was trained on."""

from collections.abc import Mapping
from typing import Any

from sw.cli import UserError
from sw.data.raw import Kind
from sw.encoder import EventsEncoder
from sw.features.quantiser import Quantiser
from sw.network import Network

__all__ = ["MADE_OF", "kind_of", "quantiser_of", "reading_of"]

# What becomes bytes by more than scaling, in words
MADE_OF = {Kind.TABLE: "rows of a table", Kind.SERIES: "time series"}


def reading_of(network: Network) -> Mapping[str, Any]:
    """How the data were read (``sw.data.own``); empty where they have a name."""
    reading = network.provenance.get("data")
    return reading if isinstance(reading, dict) else {}


def quantiser_of(network: Network) -> Quantiser | None:
    """How values became the bytes that ``network`` takes; None where they are bytes, or events.
    Raises UserError for a quantiser that is none.
    """
    reading = reading_of(network)
    kept = reading.get("quantiser")
    if kept is None:
        return Quantiser.of_bytes(complement=True) if reading.get("off_channel") else None
    try:
        return Quantiser.from_dict(kept)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"network {network.name!r}: its provenance is damaged: {error}; train it anew"
        ) from None


def kind_of(network: Network) -> Kind:
    """What an example was before it became an input: events, one of :data:`MADE_OF`, or else an
    image.
    """
    if isinstance(network.encoder, EventsEncoder):
        return Kind.EVENTS
    told = reading_of(network).get("kind")
    return next((kind for kind in MADE_OF if kind.value == told), Kind.IMAGES)
