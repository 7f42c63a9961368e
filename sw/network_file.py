"""The file of a network: its values as tensors and texts, and back (docs/spec.md, "The network
file").

What is read is checked text by text and tensor by tensor, within ``sw.limits``; whether the values
belong together, :class:`sw.network.Network` checks. What comes from a file is shortened and escaped
in messages. Needs NumPy and safetensors only.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from safetensors.numpy import save

from sw import limits
from sw.cli import printable
from sw.container import parse_json, quoted, read, whole_number
from sw.encoder import (
    EventsEncoder,
    ImageEncoder,
    LatencyEncoder,
    NetworkEncoder,
    PhaseEncoder,
)
from sw.structure import Dense, Kind, Map, Pooling, attributes_of, kind_of, maps, write

__all__ = [
    "FORMATS",
    "LayerParts",
    "Parts",
    "decode",
    "describe",
    "encode",
    "maps_of",
]

FORMATS = ("ttfs-1bit/1", "ttfs-1bit/2", "phase-1bit/1")
"""Dense layers alone; layers on maps; bistable networks. A first-spike network that format 1 can
hold is written in it.
"""

_Kind = TypeVar("_Kind")
_METADATA = ("format", "name", "layers", "steps", "encoder", "labels", "provenance")


class LayerParts(NamedTuple):
    """A layer; the fields are those of :class:`sw.network.Layer`."""

    kind: Kind
    weight: np.ndarray
    threshold: np.ndarray
    bias: np.ndarray
    gain: np.ndarray


class Parts(NamedTuple):
    """What a file holds; the fields are those of :class:`sw.network.Network`."""

    name: str
    steps: int
    encoder: NetworkEncoder
    layers: Sequence[LayerParts]
    labels: tuple[str, ...]
    provenance: Mapping[str, Any]


def encode(parts: Parts) -> bytes:
    """The content of the file; the same parts always give the same bytes.

    Raises
    ------
    ValueError
        A text cannot be written, or would be refused when it is read.
    """
    tensors = {}
    bistable = isinstance(parts.encoder, PhaseEncoder)
    for index, layer in enumerate(parts.layers):
        if not layer.weight.size:
            continue
        tensors[f"layer.{index}.weight"] = np.packbits(layer.weight, axis=1, bitorder="little")
        tensors[f"layer.{index}.threshold"] = layer.threshold
        if bistable:
            tensors[f"layer.{index}.bias"] = layer.bias
            if (layer.gain != 1).any():
                tensors[f"layer.{index}.gain"] = layer.gain
    select = parts.encoder.select if isinstance(parts.encoder, ImageEncoder) else None
    if select is not None:
        tensors["encoder.select"] = np.array(select, np.int32)
    kinds = [layer.kind for layer in parts.layers]
    flat = _is_flat(parts.encoder) and all(isinstance(kind, Dense) for kind in kinds)
    sizes = (parts.encoder.inputs, *(len(layer.threshold) for layer in parts.layers))
    attributes = [attributes_of(kind, index) for index, kind in enumerate(kinds)]
    metadata = {
        "format": FORMATS[2] if bistable else FORMATS[0] if flat else FORMATS[1],
        "name": parts.name,
        "layers": "-".join(map(str, sizes)) if flat else json.dumps(attributes),
        "steps": str(parts.steps),
        "encoder": json.dumps(_encoder_fields(parts.encoder)),
        "labels": _text("labels", list(parts.labels)),
        "provenance": _text("provenance", parts.provenance),
    }
    try:
        content = save(tensors, metadata=metadata)
    except UnicodeEncodeError:
        raise ValueError(f"name {quoted(parts.name)} cannot be written as UTF-8") from None
    # safetensors writes the metadata in hash order, which changes from run to run: sort the header.
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > limits.HEADER:
        raise ValueError(
            f"labels and provenance must have at most {limits.HEADER:,} bytes as JSON, "
            f"not {len(text):,}"
        )
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def decode(content: bytes) -> Parts:
    """The reverse of :func:`encode`. Raises ValueError for every breach of the contract that a part
    shows.
    """
    tensors, metadata = read(content)
    version = metadata.get("format")
    if version not in FORMATS:
        known = f"{', '.join(map(repr, FORMATS[:-1]))} or {FORMATS[-1]!r}"
        raise ValueError(f"format must be {known}, not {quoted(version)}")
    for key in _METADATA:
        if key not in metadata:
            raise ValueError(f"metadata {key!r} is missing")
    if version == FORMATS[0]:
        first, *units = _sizes(metadata["layers"])
        kinds: list[Kind] = [Dense(units=n) for n in units]
        shapes = maps((first, 1, 1), kinds)
    else:
        kinds = _kinds(metadata)
        shapes = maps_of(_encoder(tensors, metadata, version), kinds)
    bistable = version == FORMATS[2]
    steps = _steps(metadata["steps"], limits.PHASES if bistable else limits.STEPS)
    weighted = [index for index, kind in enumerate(kinds) if not isinstance(kind, Pooling)]
    _check_names(set(tensors), weighted, write(shapes[0], kinds), bistable=bistable)
    layers = [
        _layer(tensors, index, kind, kind.weights(before), bistable=bistable)
        for index, (kind, before) in enumerate(zip(kinds, shapes, strict=False))
    ]
    labels = _json(metadata, "labels", list)
    if not all(isinstance(label, str) for label in labels):
        raise ValueError(
            f"metadata 'labels' must be a list of strings, not {quoted(metadata['labels'])}"
        )
    return Parts(
        name=metadata["name"],
        steps=steps,
        encoder=_encoder(tensors, metadata, version),
        layers=layers,
        labels=tuple(labels),
        provenance=_json(metadata, "provenance", dict),
    )


def maps_of(encoder: NetworkEncoder, kinds: Sequence[Kind]) -> list[Map]:
    """The map of the inputs and of each layer. Raises ValueError for what does not chain."""
    selected = isinstance(encoder, ImageEncoder) and encoder.select is not None
    if selected and kinds and not isinstance(kinds[0], Dense):
        raise ValueError(f"Select must not be given before a layer on maps, {kinds[0]}")
    return maps(encoder.map, kinds)


def describe(array: np.ndarray) -> str:
    """Type and shape, for messages."""
    return f"{array.dtype} {list(array.shape)}"


def _text(what: str, value: object) -> str:
    """``value`` as JSON that can be read again."""
    try:
        text = json.dumps(value)
        parse_json(text)
    except (TypeError, ValueError, RecursionError) as error:
        fault = printable(str(error), 200)
        raise ValueError(f"{what} cannot be written as JSON ({fault})") from None
    return text


def _check_names(names: set[str], layers: Iterable[int], structure: str, *, bistable: bool) -> None:
    """Raises ValueError if a tensor is missing or one too many."""
    parts = ("weight", "threshold", "bias") if bistable else ("weight", "threshold")
    layers = tuple(layers)
    expected = {f"layer.{index}.{part}" for index in layers for part in parts}
    optional = {"encoder.select"}
    if bistable:
        optional |= {f"layer.{index}.gain" for index in layers}
    for name in sorted(expected - names):
        raise ValueError(f"tensor {name!r} is missing")
    for name in sorted(names - expected - optional):
        raise ValueError(
            f"tensor {quoted(name)} is not expected in a network {printable(structure, 60)}"
        )


def _layer(
    tensors: dict[str, np.ndarray],
    index: int,
    kind: Kind,
    shape: tuple[int, int] | None,
    *,
    bistable: bool,
) -> LayerParts:
    """A layer; its arrays are empty without a ``shape`` of weights."""
    rows, columns = shape or (0, 0)
    bias, gain = np.zeros(rows, np.int32), np.ones(rows, np.int32)
    if not rows:
        return LayerParts(kind, np.zeros((0, 0), bool), np.zeros(0, np.int32), bias, gain)
    packed = _tensor(tensors, f"layer.{index}.weight", np.uint8, (rows, -(-columns // 8)))
    threshold = _tensor(tensors, f"layer.{index}.threshold", np.int32, (rows,))
    if columns % 8 and (packed[:, -1] >> columns % 8).any():
        raise ValueError(f"tensor 'layer.{index}.weight': pad bits must be 0")
    bits = np.unpackbits(packed, axis=1, count=columns, bitorder="little")
    if bistable:
        bias = _tensor(tensors, f"layer.{index}.bias", np.int32, (rows,)).astype(np.int32)
    if f"layer.{index}.gain" in tensors:
        gain = _tensor(tensors, f"layer.{index}.gain", np.int32, (rows,)).astype(np.int32)
    return LayerParts(kind, bits.view(bool), threshold.astype(np.int32), bias, gain)


def _sizes(text: str) -> list[int]:
    """Units per layer from text such as "784-600-10"."""
    if text.count("-") <= limits.LAYERS:
        try:
            sizes = [whole_number(field) for field in text.split("-")]
        except ValueError:
            sizes = []
        if len(sizes) >= 2 and min(sizes) >= 1:
            if fault := limits.sizes_fault(sizes):
                raise ValueError(fault)
            return sizes
    raise ValueError(
        f"metadata 'layers' must be sizes such as '784-600-10', of at most {limits.LAYERS} layers, "
        f"not {quoted(text)}"
    )


def _kinds(metadata: dict[str, str]) -> list[Kind]:
    """Layers on maps."""
    entries = _json(metadata, "layers", list)
    kinds = []
    for index, entry in enumerate(entries):
        try:
            kinds.append(kind_of(entry, index))
        except ValueError as error:
            raise ValueError(
                f"metadata 'layers': layer {index}: {printable(str(error), 200)}, "
                f"not {quoted(json.dumps(entry))}"
            ) from None
    return kinds


def _steps(text: str, most: int) -> int:
    try:
        steps = whole_number(text)
    except ValueError:
        steps = 0
    if not 1 <= steps <= most:
        raise ValueError(f"steps must be in 1 … {most}, not {quoted(text)}")
    return steps


def _tensor(
    tensors: dict[str, np.ndarray], name: str, dtype: type, shape: tuple[int, ...]
) -> np.ndarray:
    tensor = tensors[name]
    if tensor.dtype != dtype or tensor.shape != shape:
        raise ValueError(
            f"tensor {name!r} must be {np.dtype(dtype)} {list(shape)}, not {describe(tensor)}"
        )
    return tensor


def _json(metadata: dict[str, str], key: str, kind: type[_Kind]) -> _Kind:
    try:
        value, fault = parse_json(metadata[key]), ""
    except ValueError as error:
        value, fault = None, f" ({error})"
    if not isinstance(value, kind):
        raise ValueError(
            f"metadata {key!r} must be a JSON {kind.__name__}, not {quoted(metadata[key])}{fault}"
        )
    return value


def _is_flat(encoder: NetworkEncoder) -> bool:
    """Format 1 can hold it."""
    if isinstance(encoder, EventsEncoder):
        return encoder.shape is None
    return isinstance(encoder, LatencyEncoder) and len(encoder.shape) == 2


def _encoder_fields(encoder: NetworkEncoder) -> dict[str, Any]:
    if isinstance(encoder, EventsEncoder):
        if encoder.shape is not None:
            return {"kind": "events", "shape": list(encoder.shape)}
        return {"kind": "events", "channels": encoder.channels}
    fields = {"shape": list(encoder.shape), "pool": encoder.pool}
    if isinstance(encoder, PhaseEncoder):
        return {"kind": "phase", **fields}
    return {"kind": "latency", **fields, "silent_below": encoder.silent_below}


def _encoder(
    tensors: dict[str, np.ndarray], metadata: dict[str, str], version: str
) -> NetworkEncoder:
    fields = _json(metadata, "encoder", dict)
    select = None
    if "encoder.select" in tensors:
        count = min(tensors["encoder.select"].size, limits.UNITS)
        select = tuple(_tensor(tensors, "encoder.select", np.int32, (count,)).tolist())
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items() if k != "kind"}
    try:
        encoder = _build_encoder(fields.get("kind"), values, select)
    except (TypeError, ValueError) as error:
        raise ValueError(f"encoder: {printable(str(error), 200)}") from None
    bistable = version == FORMATS[2]
    if (
        encoder is None
        or isinstance(encoder, PhaseEncoder) != bistable
        or (version == FORMATS[0] and not _is_flat(encoder))
    ):
        wanted = "a phase encoder" if bistable else "a latency or an events encoder"
        raise ValueError(f"metadata 'encoder' must be {wanted}, not {quoted(metadata['encoder'])}")
    return encoder


def _build_encoder(
    kind: object, values: dict[str, Any], select: tuple[int, ...] | None
) -> NetworkEncoder | None:
    """None if ``values`` are not those of this kind. Raises what the encoders do."""
    names = set(values)
    if kind == "latency" and names == {"shape", "pool", "silent_below"}:
        return LatencyEncoder(**values, select=select)
    if kind == "phase" and names == {"shape", "pool"}:
        return PhaseEncoder(**values, select=select)
    if kind != "events" or names not in ({"channels"}, {"shape"}):
        return None
    if select is not None:
        raise ValueError("Select must not be given with an events encoder")
    return EventsEncoder(**values)
