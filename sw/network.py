"""The Network: what it holds, and the one reader and writer of its file (docs/spec.md, "The network
file").

Needs NumPy and safetensors only. ``sw.limits`` has the bounds; what comes from a file is shortened
and escaped in messages.
"""

import hashlib
import json
import os
import re
import unicodedata
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors.numpy import save

from sw import limits
from sw.cli import UserError, atomic_path, printable
from sw.container import parse_json, quoted, read, whole_number
from sw.encoder import EventsEncoder, LatencyEncoder

__all__ = [
    "FORMAT",
    "PROVENANCE",
    "ZOO",
    "Layer",
    "Network",
    "NetworkError",
    "file_name",
    "find",
    "zoo_names",
]

FORMAT = "ttfs-1bit/1"
ZOO = Path(__file__).parent / "zoo"
PROVENANCE = (
    "dataset",
    "rule",
    "seed",
    "epochs",
    "versions",
    "validation_accuracy",
    "test_accuracy",
    "command",
)
_Kind = TypeVar("_Kind")
_METADATA = ("format", "name", "layers", "steps", "encoder", "labels", "provenance")


class NetworkError(UserError):
    """A network that breaks the contract. The message is one line that names the file and the
    fault.
    """


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One fully connected layer of integrate-and-fire units.

    Parameters
    ----------
    weight : bool [N_out, N_in]
        True for +1, False for −1.
    threshold : int32 [N_out]
        A unit fires when its potential is >= its threshold.
    """

    weight: np.ndarray
    threshold: np.ndarray

    def __post_init__(self) -> None:
        if self.weight.dtype != bool or self.weight.ndim != 2 or 0 in self.weight.shape:
            raise NetworkError(
                f"Layer weight must be bool [N_out, N_in], not {_describe(self.weight)}"
            )
        if self.threshold.dtype != np.int32 or self.threshold.shape != (len(self.weight),):
            raise NetworkError(
                f"Layer threshold must be int32 [{len(self.weight)}], "
                f"not {_describe(self.threshold)}"
            )

    @property
    def inputs(self) -> int:
        return self.weight.shape[1]

    @property
    def outputs(self) -> int:
        return self.weight.shape[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A trained network, complete: everything that hardware, golden model and evaluation need.

    Parameters
    ----------
    name : str
    steps : int, 1 … 256
        T; a power of two where pixels are encoded.
    encoder : LatencyEncoder or EventsEncoder
    layers : tuple of Layer
        From the first hidden layer to the output layer.
    labels : tuple of str
        One per output unit.
    provenance : dict
        Where the network comes from: at least dataset, rule, seed, epochs, versions,
        validation_accuracy, test_accuracy (strict, 0 … 1) and command.

    Raises
    ------
    NetworkError
        The parts contradict the contract or one another.
    """

    name: str
    steps: int
    encoder: LatencyEncoder | EventsEncoder
    layers: tuple[Layer, ...]
    labels: tuple[str, ...]
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pixels = isinstance(self.encoder, LatencyEncoder)
        if fault := limits.steps_fault(self.steps, pixels=pixels):
            raise NetworkError(fault)
        for what, text in (("Name", self.name), *(("Label", label) for label in self.labels)):
            if len(text) > limits.TEXT:
                raise NetworkError(
                    f"{what} must have at most {limits.TEXT} characters, not {quoted(text)}"
                )
        if not self.layers:
            raise NetworkError("Layers must be at least one, not none")
        if fault := limits.sizes_fault(self.sizes):
            raise NetworkError(fault)
        if self.layers[0].inputs != self.encoder.inputs:
            raise NetworkError(
                f"Layer sizes must chain: the encoder gives {self.encoder.inputs} inputs, "
                f"layer 0 takes {self.layers[0].inputs}"
            )
        for index, (before, after) in enumerate(pairwise(self.layers)):
            if before.outputs != after.inputs:
                raise NetworkError(
                    f"Layer sizes must chain: layer {index} has {before.outputs} outputs, "
                    f"layer {index + 1} takes {after.inputs}"
                )
        if len(self.labels) != self.layers[-1].outputs:
            raise NetworkError(
                f"Labels must be one per output unit ({self.layers[-1].outputs}), "
                f"not {len(self.labels)}"
            )
        missing = [key for key in PROVENANCE if key not in self.provenance]
        if missing:
            raise NetworkError(f"Provenance must name {missing[0]!r}")

    @property
    def title(self) -> str:
        """The name for people: shortened, on one line, with all that is not printable escaped."""
        return printable(self.name, 60)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units per layer, from the inputs to the outputs, such as (784, 600, 10)."""
        return (self.encoder.inputs, *(layer.outputs for layer in self.layers))

    @property
    def structure(self) -> str:
        """The sizes as text, such as "784-600-10"."""
        return "-".join(map(str, self.sizes))

    @property
    def file_name(self) -> str:
        """The name where it names a file or folder, see :func:`file_name`."""
        return file_name(self.name)

    @property
    def weight_bits(self) -> int:
        """Number of weights, one bit each."""
        return sum(layer.weight.size for layer in self.layers)

    def to_bytes(self) -> bytes:
        """The network as the content of its file; the same network always gives the same bytes."""
        tensors = {}
        for index, layer in enumerate(self.layers):
            tensors[f"layer.{index}.weight"] = np.packbits(layer.weight, axis=1, bitorder="little")
            tensors[f"layer.{index}.threshold"] = layer.threshold
        if isinstance(self.encoder, LatencyEncoder):
            encoder = {
                "kind": "latency",
                "shape": list(self.encoder.shape),
                "pool": self.encoder.pool,
                "silent_below": self.encoder.silent_below,
            }
            if self.encoder.select is not None:
                tensors["encoder.select"] = np.array(self.encoder.select, np.int32)
        else:
            encoder = {"kind": "events", "channels": self.encoder.channels}
        metadata = {
            "format": FORMAT,
            "name": self.name,
            "layers": self.structure,
            "steps": str(self.steps),
            "encoder": json.dumps(encoder),
            "labels": json.dumps(list(self.labels)),
            "provenance": json.dumps(self.provenance),
        }
        content = save(tensors, metadata=metadata)
        # safetensors writes the metadata in hash order, which changes from run to run: sort the
        # header.
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)
        if len(text) > limits.HEADER:
            raise NetworkError(
                f"Labels and provenance must have at most {limits.HEADER:,} bytes as JSON, "
                f"not {len(text):,}"
            )
        return len(text).to_bytes(8, "little") + text + content[8 + length :]

    @property
    def sha256(self) -> str:
        """Digest of the file's content, hexadecimal; the network's identity in reports and on the
        wire.
        """
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        with atomic_path(Path(path)) as temporary:
            temporary.write_bytes(self.to_bytes())

    @classmethod
    def from_bytes(cls, content: bytes) -> "Network":
        """The reverse of :meth:`to_bytes`. Raises :class:`NetworkError` for every breach of the
        contract.
        """
        try:
            tensors, metadata = read(content)
        except ValueError as error:
            raise NetworkError(str(error)) from None
        if metadata.get("format") != FORMAT:
            raise NetworkError(f"format must be {FORMAT!r}, not {quoted(metadata.get('format'))}")
        for key in _METADATA:
            if key not in metadata:
                raise NetworkError(f"metadata {key!r} is missing")
        text = metadata["layers"]
        sizes = _sizes(text)
        steps = _steps(metadata["steps"])

        expected = {
            f"layer.{i}.{part}" for i in range(len(sizes) - 1) for part in ("weight", "threshold")
        }
        for name in sorted(expected - set(tensors)):
            raise NetworkError(f"tensor {name!r} is missing")
        for name in sorted(set(tensors) - expected - {"encoder.select"}):
            raise NetworkError(
                f"tensor {quoted(name)} is not expected in a network {printable(text, 60)}"
            )

        layers = []
        for index, (inputs, outputs) in enumerate(pairwise(sizes)):
            packed = _tensor(tensors, f"layer.{index}.weight", np.uint8, (outputs, -(-inputs // 8)))
            threshold = _tensor(tensors, f"layer.{index}.threshold", np.int32, (outputs,))
            if inputs % 8 and (packed[:, -1] >> inputs % 8).any():
                raise NetworkError(f"tensor 'layer.{index}.weight': pad bits must be 0")
            bits = np.unpackbits(packed, axis=1, count=inputs, bitorder="little")
            layers.append(Layer(weight=bits.view(bool), threshold=threshold.astype(np.int32)))

        labels = _json(metadata, "labels", list)
        if not all(isinstance(label, str) for label in labels):
            raise NetworkError(
                f"metadata 'labels' must be a list of strings, not {quoted(metadata['labels'])}"
            )
        return cls(
            name=metadata["name"],
            steps=steps,
            encoder=_encoder(tensors, metadata),
            layers=tuple(layers),
            labels=tuple(labels),
            provenance=_json(metadata, "provenance", dict),
        )

    @classmethod
    def load(cls, path: Path) -> "Network":
        """Reads a file. Raises :class:`NetworkError` with the path and the fault in one line."""
        try:
            with Path(path).open("rb") as file:
                content = file.read(limits.FILE + 1)  # no more, whatever it is
        except OSError as error:
            raise NetworkError(
                f"{path}: cannot be read ({error.strerror}); name a .safetensors file or one of "
                f"the zoo: {', '.join(zoo_names())}"
            ) from None
        try:
            return cls.from_bytes(content)
        except NetworkError as error:
            raise NetworkError(f"{path}: {error}") from None


def file_name(name: str) -> str:
    """``name`` as it can name a file or folder on every system: ASCII letters, digits and . _ + -,
    64 of them at most; accents are dropped, anything else becomes a dash.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w.+-]+", "-", plain)[:64].strip(".-") or "network"


def zoo_names() -> list[str]:
    """Names of the networks that ship with the project."""
    return sorted(path.stem for path in ZOO.glob("*.safetensors"))


def find(name: str | Path) -> Network:
    """The network that ``name`` means: a path to a file, or a name in the zoo."""
    in_zoo = ZOO / f"{name}.safetensors"
    return Network.load(in_zoo if os.path.isfile(in_zoo) else Path(name))


def _sizes(text: str) -> list[int]:
    """Units per layer from text such as "784-600-10"."""
    if text.count("-") <= limits.LAYERS:
        try:
            sizes = [whole_number(field) for field in text.split("-")]
        except ValueError:
            sizes = []
        if len(sizes) >= 2 and min(sizes) >= 1:
            if fault := limits.sizes_fault(sizes):
                raise NetworkError(fault)
            return sizes
    raise NetworkError(
        f"metadata 'layers' must be sizes such as '784-600-10', of at most {limits.LAYERS} layers, "
        f"not {quoted(text)}"
    )


def _steps(text: str) -> int:
    try:
        steps = whole_number(text)
    except ValueError:
        steps = 0
    if limits.steps_fault(steps, pixels=False):
        raise NetworkError(f"steps must be in 1 … {limits.STEPS}, not {quoted(text)}")
    return steps


def _tensor(
    tensors: dict[str, np.ndarray], name: str, dtype: type, shape: tuple[int, ...]
) -> np.ndarray:
    tensor = tensors[name]
    if tensor.dtype != dtype or tensor.shape != shape:
        raise NetworkError(
            f"tensor {name!r} must be {np.dtype(dtype)} {list(shape)}, not {_describe(tensor)}"
        )
    return tensor


def _json(metadata: dict[str, str], key: str, kind: type[_Kind]) -> _Kind:
    try:
        value, fault = parse_json(metadata[key]), ""
    except ValueError as error:
        value, fault = None, f" ({error})"
    if not isinstance(value, kind):
        raise NetworkError(
            f"metadata {key!r} must be a JSON {kind.__name__}, not {quoted(metadata[key])}{fault}"
        )
    return value


def _encoder(
    tensors: dict[str, np.ndarray], metadata: dict[str, str]
) -> LatencyEncoder | EventsEncoder:
    fields = _json(metadata, "encoder", dict)
    select = None
    if "encoder.select" in tensors:
        count = min(tensors["encoder.select"].size, limits.UNITS)
        select = tuple(_tensor(tensors, "encoder.select", np.int32, (count,)).tolist())
    keys = {"latency": {"kind", "shape", "pool", "silent_below"}, "events": {"kind", "channels"}}
    kind = fields.get("kind")
    if not isinstance(kind, str) or set(fields) != keys.get(kind):
        raise NetworkError(
            f"metadata 'encoder' must be a latency or an events encoder, "
            f"not {quoted(metadata['encoder'])}"
        )
    try:
        if kind == "latency":
            shape = fields["shape"]
            return LatencyEncoder(
                shape=tuple(shape) if isinstance(shape, list) else shape,
                pool=fields["pool"],
                silent_below=fields["silent_below"],
                select=select,
            )
        if select is not None:
            raise ValueError("Select must not be given with an events encoder")
        return EventsEncoder(channels=fields["channels"])
    except (TypeError, ValueError) as error:
        raise NetworkError(f"encoder: {printable(str(error), 200)}") from None


def _describe(array: np.ndarray) -> str:
    return f"{array.dtype} {list(array.shape)}"
