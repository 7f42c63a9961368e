"""The Network: what it holds, and how it is found. ``sw.network_file`` has its file.

Needs NumPy and safetensors only.
"""

import hashlib
import math
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sw import bistable, limits
from sw.cli import UserError, atomic_path, printable
from sw.container import quoted
from sw.encoder import LatencyEncoder, NetworkEncoder, PhaseEncoder
from sw.network_file import LayerParts, Parts, decode, describe, encode, maps_of
from sw.structure import Coding, Dense, Kind, Map, Pooling, coding_fault, write

__all__ = [
    "CODINGS",
    "PROVENANCE",
    "ZOO",
    "Layer",
    "Network",
    "NetworkError",
    "coding_of",
    "file_name",
    "find",
    "zoo_names",
]

ZOO = Path(__file__).parent / "zoo"
CODINGS: tuple[Coding, ...] = ("first-spike", "bistable")
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


class NetworkError(UserError):
    """A network that breaks the contract. The message is one line that names the file and the
    fault.
    """


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One layer of integrate-and-fire units, or a pooling of spikes or values.

    Parameters
    ----------
    weight : bool [rows, columns]
        True for +1, False for −1. Dense: [N_out, N_in]; convolution: [C_out, C_in · kh · kw], see
        :class:`sw.structure.Conv`; empty for pooling.
    threshold : int32 [rows]
        A unit fires when its potential is >= its threshold; of a convolution, one per channel.
    kind : Kind
        Dense if it is left out.
    bias, gain : int32 [rows]
        c and g of a bistable network: a potential is ``c + g · Σ b a``. 0 and 1 if they are left
        out, and in a first-spike network.
    """

    weight: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))
    threshold: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    kind: Kind = None  # type: ignore[assignment]  # known when the weight is
    bias: np.ndarray = None  # type: ignore[assignment]  # likewise
    gain: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        pooling, shape = isinstance(self.kind, Pooling), self.weight.shape
        if self.weight.dtype != bool or len(shape) != 2 or (0 in shape) != pooling:
            wanted = "empty" if pooling else "bool [N_out, N_in]"
            raise NetworkError(f"Layer weight must be {wanted}, not {describe(self.weight)}")
        for name, otherwise in (("bias", np.zeros), ("gain", np.ones)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, otherwise(len(self.weight), np.int32))
        for name in ("threshold", "bias", "gain"):
            values = getattr(self, name)
            if values.dtype != np.int32 or values.shape != (len(self.weight),):
                raise NetworkError(
                    f"Layer {name} must be int32 [{len(self.weight)}], not {describe(values)}"
                )
        if self.kind is None:
            object.__setattr__(self, "kind", Dense(units=len(self.weight)))

    @property
    def inputs(self) -> int:
        """Weights of each row: of a dense layer, the units before it."""
        return self.weight.shape[1]

    @property
    def outputs(self) -> int:
        """Rows of weights: of a dense layer, its units."""
        return self.weight.shape[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A trained network, complete: everything that hardware, golden model and evaluation need.

    Parameters
    ----------
    name : str
    steps : int, 1 … 256
        T; a power of two where pixels are encoded. Of a bistable network K, 1 … 8.
    encoder : LatencyEncoder, EventsEncoder or PhaseEncoder
        With a PhaseEncoder the network is a bistable one.
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
    encoder: NetworkEncoder
    layers: tuple[Layer, ...]
    labels: tuple[str, ...]
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if fault := self._steps_fault():
            raise NetworkError(fault)
        for what, text in (("Name", self.name), *(("Label", label) for label in self.labels)):
            if len(text) > limits.TEXT:
                raise NetworkError(
                    f"{what} must have at most {limits.TEXT} characters, not {quoted(text)}"
                )
        for index, (layer, before) in enumerate(zip(self.layers, self.maps, strict=False)):
            wanted = layer.kind.weights(before) or (0, 0)
            if layer.weight.shape != wanted:
                raise NetworkError(
                    f"Layer sizes must chain: {_source(index, before)}, "
                    f"{_taken(index, layer, wanted)}"
                )
        if fault := self._coding_fault():
            raise NetworkError(fault)
        if len(self.labels) != self.layers[-1].outputs:
            raise NetworkError(
                f"Labels must be one per output unit ({self.layers[-1].outputs}), "
                f"not {len(self.labels)}"
            )
        missing = [key for key in PROVENANCE if key not in self.provenance]
        if missing:
            raise NetworkError(f"Provenance must name {missing[0]!r}")

    @property
    def coding(self) -> Coding:
        """What its spikes mean: ``first-spike``, or ``bistable``."""
        return coding_of(self.encoder)

    @property
    def latency(self) -> int:
        """Steps from the first one of the input to the latest decision: T, or of a bistable network
        K for each layer with weights.
        """
        periods = len(self.layers) - len(self.pooling) if self.coding == "bistable" else 1
        return self.steps * periods

    @property
    def title(self) -> str:
        """The name for display: shortened, on one line, with all that is not printable escaped."""
        return printable(self.name, 60)

    @cached_property
    def maps(self) -> list[Map]:
        """Channels, height and width of the inputs and of each layer."""
        try:
            return maps_of(self.encoder, [layer.kind for layer in self.layers])
        except ValueError as error:
            raise NetworkError(str(error)) from None

    @property
    def dense(self) -> bool:
        """Every layer is fully connected."""
        return all(isinstance(layer.kind, Dense) for layer in self.layers)

    @property
    def pooling(self) -> frozenset[int]:
        """Indices of the layers that are poolings."""
        kinds = (layer.kind for layer in self.layers)
        return frozenset(index for index, kind in enumerate(kinds) if isinstance(kind, Pooling))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units per layer, from the inputs to the outputs, such as (784, 600, 10)."""
        return tuple(map(math.prod, self.maps))

    @property
    def structure(self) -> str:
        """The structure as text, such as "784-600-10" (:func:`sw.structure.write`)."""
        return write(self.encoder.map, [layer.kind for layer in self.layers])

    @property
    def file_name(self) -> str:
        """The name where it names a file or folder, see :func:`file_name`; with the beginning of
        :attr:`sha256` if that keeps no character of it.
        """
        return file_name(self.name, "") or f"network-{self.sha256[:8]}"

    @property
    def weight_bits(self) -> int:
        """Number of weights, one bit each."""
        return sum(layer.weight.size for layer in self.layers)

    def to_bytes(self) -> bytes:
        """The network as the content of its file; the same network always gives the same bytes."""
        parts = Parts(
            name=self.name,
            steps=self.steps,
            encoder=self.encoder,
            layers=[
                LayerParts(layer.kind, layer.weight, layer.threshold, layer.bias, layer.gain)
                for layer in self.layers
            ],
            labels=self.labels,
            provenance=self.provenance,
        )
        try:
            return encode(parts)
        except ValueError as error:
            raise NetworkError(f"network {quoted(self.name)}: {error}") from None

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
            parts = decode(content)
        except ValueError as error:
            raise NetworkError(str(error)) from None
        layers = tuple(Layer(**layer._asdict()) for layer in parts.layers)
        return cls(**{**parts._asdict(), "layers": layers})

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

    def _steps_fault(self) -> str | None:
        if self.coding == "bistable":
            return limits.phases_fault(self.steps)
        return limits.steps_fault(self.steps, pixels=isinstance(self.encoder, LatencyEncoder))

    def _coding_fault(self) -> str | None:
        """What a network of this coding cannot have."""
        if fault := coding_fault(self.coding, [layer.kind for layer in self.layers]):
            return fault
        for index, (layer, before) in enumerate(zip(self.layers, self.maps, strict=False)):
            if self.coding == "first-spike":
                fault = None
                if layer.bias.any() or (layer.gain != 1).any():
                    fault = "only bistable networks have biases and gains"
            else:
                fault = bistable.layer_fault(
                    layer.kind,
                    before,
                    self.steps,
                    threshold=layer.threshold,
                    bias=layer.bias,
                    gain=layer.gain,
                    last=index == len(self.layers) - 1,
                )
            if fault:
                return f"Layer {index}: {fault}"
        return None


def _source(index: int, before: Map) -> str:
    """What a layer is given, for a message."""
    units = str(math.prod(before)) if before[1:] == (1, 1) else " × ".join(map(str, before))
    return (
        f"layer {index - 1} has {units} outputs" if index else f"the encoder gives {units} inputs"
    )


def _taken(index: int, layer: Layer, wanted: tuple[int, int]) -> str:
    """What a layer takes instead, for a message."""
    if isinstance(layer.kind, Dense):
        return f"layer {index} takes {layer.inputs}"
    return f"layer {index} ({layer.kind}) must have weights {wanted}, not {layer.weight.shape}"


def coding_of(encoder: NetworkEncoder) -> Coding:
    """What the spikes of a network with that ``encoder`` mean, see :attr:`Network.coding`."""
    return "bistable" if isinstance(encoder, PhaseEncoder) else "first-spike"


def file_name(name: str, otherwise: str = "network") -> str:
    """``name`` as it can name a file or folder on every system: ASCII letters, digits and . _ + -,
    64 of them at most; accents are dropped, anything else becomes a dash.
    ``otherwise`` if nothing is left.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w.+-]+", "-", plain)[:64].strip(".-") or otherwise


def zoo_names(*, codings: Sequence[Coding] = CODINGS) -> list[str]:
    """Names of the networks that ship with the project, of these ``codings``."""
    names = sorted(path.stem for path in ZOO.glob("*.safetensors"))
    if set(codings) == set(CODINGS):
        return names
    return [name for name in names if find(name, codings=CODINGS).coding in codings]


def find(name: str | Path, *, codings: Sequence[Coding] = ("first-spike",)) -> Network:
    """The network that ``name`` means: a path to a file, or a name in the zoo.

    Parameters
    ----------
    codings : sequence of Coding
        What the caller takes; another network is refused.
    """
    in_zoo = ZOO / f"{name}.safetensors"
    network = Network.load(in_zoo if os.path.isfile(in_zoo) else Path(name))
    if network.coding not in codings:
        raise NetworkError(
            f"{name}: is a {network.coding} network; give a {' or '.join(codings)} one"
        )
    return network
