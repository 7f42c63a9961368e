"""The file of an ANN that was trained here: its tensors, and what it is, in one safetensors file.

Metadata are ``format`` = ``ann/1`` and ``description``, a JSON object with the fields of
:class:`Description`. Nothing in it is executed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from sw import container
from sw.ann.architectures import activation_of, build
from sw.ann.modules import Normalise
from sw.cli import UserError, atomic_path, printable, to_json
from sw.foreign import check_file
from sw.record import Record

__all__ = ["Ann", "Description", "empty", "read", "write"]

_FORMAT = "ann/1"
_REMEDY = "train one with sw.train_ann"


@dataclass(frozen=True, kw_only=True)
class Description(Record):
    """What an ANN is, and where it comes from.

    Parameters
    ----------
    layers : str
        Of its hidden layers, as :mod:`sw.ann.architectures` has it.
    levels : int
        Of its QCFS activations, 0 for ReLU.
    shape : tuple of 3 int
        Channels, height and width of an image.
    labels : tuple of str
    dataset : str
    off_channel : bool
        The second half of the channels is 255 less the first.
    validation : float
        Share of the training set that was held out, by ``sw.data.partition.hold_out``.
    seed, epochs : int
    validation_accuracy : float, 0 … 1, or None
        Of the last epoch.
    test_accuracy : float, 0 … 1, or None
    command : str
    versions : dict of str
    """

    layers: str
    levels: int
    shape: tuple[int, ...]
    labels: tuple[str, ...]
    dataset: str
    off_channel: bool = False
    validation: float
    seed: int
    epochs: int
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    command: str = ""
    versions: dict[str, str] = field(default_factory=dict)


class Ann(NamedTuple):
    """A module, and what it is."""

    module: nn.Module
    description: Description


def empty(description: Description, normalise: Normalise | None = None) -> nn.Sequential:
    """The module that ``description`` is about, before it has learnt anything."""
    channels, height, width = description.shape
    return build(
        description.layers,
        (channels, height, width),
        len(description.labels),
        activation_of(description.levels),
        normalise or Normalise([0.0] * channels, [1.0] * channels),
    )


def write(path: Path, ann: Ann) -> None:
    """Writes the file, whole or not at all."""
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in ann.module.state_dict().items()
    }
    metadata = {"format": _FORMAT, "description": to_json(ann.description)}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save_tensors(tensors, metadata))


def read(path: Path) -> Ann:
    """The ANN of a file, in evaluation.

    Raises
    ------
    UserError
        It cannot be read, holds none, or is damaged. One line.
    """
    metadata = _metadata(path)
    if metadata.get("format") != _FORMAT:
        raise UserError(f"{path}: holds no ANN (format {_FORMAT}); {_REMEDY}")
    try:
        description = Description.from_dict(container.parse_json(metadata.get("description", "")))
        if len(description.shape) != 3 or min(description.shape) < 1:
            raise ValueError(f"shape must be three numbers, not {description.shape}")
        if description.levels < 0:
            raise ValueError(f"levels must be at least 0, not {description.levels}")
        if not 0 <= description.validation < 1:
            raise ValueError(f"validation must be in 0 … below 1, not {description.validation}")
        with torch.device("meta"):  # sizes are compared before anything of them is allocated
            module = empty(description)
        module.load_state_dict(load_tensors(path.read_bytes()), assign=True)
    except (ValueError, RuntimeError, SafetensorError, UserError) as error:
        reason = printable(" ".join(str(error).split()), 200)
        raise UserError(f"{path}: damaged or not an ANN ({reason}); {_REMEDY}") from None
    return Ann(module.eval(), description)


def _metadata(path: Path) -> Mapping[str, str]:
    """Of a safetensors file; empty of any other. Raises UserError for what cannot be read."""
    check_file(path)
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except SafetensorError:
        return {}
