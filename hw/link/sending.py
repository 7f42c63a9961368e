"""What a host sends for the inputs of a network: a command each (hw/link/protocol.py).

Plain Python and NumPy, so that the host needs no hardware library.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hw.link import protocol
from hw.link.protocol import Command, Kind, Reply
from sw.cli import UserError
from sw.encoder import EventsEncoder, ImageEncoder, Inputs, LatencyEncoder, PhaseEncoder, Spikes
from sw.network import Network

__all__ = ["commands", "strictly_right"]

_REMEDY = "name the data set it was trained on"


def commands(network: Network, inputs: Inputs) -> Iterator[Command]:
    """What is sent for each of ``inputs``: images uint8 [B, height, width], channels behind if any,
    or spikes.

    Raises
    ------
    UserError
        They are not what the network takes.
    """
    return _COMMANDS[type(network.encoder)](network, network.encoder, inputs)


def strictly_right(network: Network, replies: Sequence[Reply], labels: np.ndarray) -> np.ndarray:
    """Bool [B]: which of a board's ``replies`` count as right if the ``labels`` int [B] are true. A
    tie of a bistable network's potentials does not.
    """
    right = np.array([reply.label for reply in replies]) == labels
    if network.coding == "bistable":
        right &= np.array([reply.margin for reply in replies]) != 0
    return right


def _images(network: Network, encoder: ImageEncoder, images: Inputs) -> Iterator[Command]:
    if isinstance(images, Spikes):
        raise UserError(f"{network.name} takes images, not events; {_REMEDY}")
    if images.dtype != np.uint8 or images.shape[1:] != encoder.image_shape:
        raise UserError(
            f"{network.name} takes uint8 images {encoder.image_shape}, not {images.dtype} "
            f"{images.shape[1:]}; {_REMEDY}"
        )
    return (Command(Kind.IMAGE, image.tobytes()) for image in images)


def _recordings(network: Network, encoder: EventsEncoder, recordings: Inputs) -> Iterator[Command]:
    if not isinstance(recordings, Spikes):
        raise UserError(f"{network.name} takes events, not images; {_REMEDY}")
    unit, step = (int(values.max(initial=0)) for values in (recordings.unit, recordings.step))
    if unit >= encoder.channels or step >= network.steps:
        raise UserError(
            f"{network.name} takes events of {encoder.channels} channels in {network.steps} steps, "
            f"not of channel {unit} or in step {step}; {_REMEDY}"
        )
    parts = (recordings[index : index + 1] for index in range(len(recordings)))
    return (
        Command(
            Kind.EVENTS,
            protocol.events(zip(part.unit.tolist(), part.step.tolist(), strict=True)),
        )
        for part in parts
    )


_COMMANDS: dict[type, Callable[..., Iterator[Command]]] = {
    LatencyEncoder: _images,
    PhaseEncoder: _images,
    EventsEncoder: _recordings,
}
