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
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.structure import Dense, First, Kind, Map, attributes_of, kind_of, maps, write

__all__ = ["FORMATS", "Parts", "decode", "describe", "encode", "maps_of"]

FORMATS = ("ttfs-1bit/1", "ttfs-1bit/2")
"""Dense layers alone, and layers on maps. A network that format 1 can hold is written in it."""

_Kind = TypeVar("_Kind")
_METADATA = ("format", "name", "layers", "steps", "encoder", "labels", "provenance")


class Parts(NamedTuple):
    """What a file holds; the fields are those of :class:`sw.network.Network`, but for

    Parameters
    ----------
    layers : sequence of (Kind, bool [rows, columns], int32 [rows])
        Kinds, weights, True for +1, and thresholds.
    """

    name: str
    steps: int
    encoder: LatencyEncoder | EventsEncoder
    layers: Sequence[tuple[Kind, np.ndarray, np.ndarray]]
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
    for index, (_, weight, threshold) in enumerate(parts.layers):
        if not weight.size:
            continue
        tensors[f"layer.{index}.weight"] = np.packbits(weight, axis=1, bitorder="little")
        tensors[f"layer.{index}.threshold"] = threshold
    select = parts.encoder.select if isinstance(parts.encoder, LatencyEncoder) else None
    if select is not None:
        tensors["encoder.select"] = np.array(select, np.int32)
    kinds = [kind for kind, _, _ in parts.layers]
    flat = _is_flat(parts.encoder) and all(isinstance(kind, Dense) for kind in kinds)
    sizes = (parts.encoder.inputs, *(len(threshold) for _, _, threshold in parts.layers))
    metadata = {
        "format": FORMATS[0] if flat else FORMATS[1],
        "name": parts.name,
        "layers": "-".join(map(str, sizes)) if flat else json.dumps([*map(attributes_of, kinds)]),
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
        raise ValueError(f"format must be {' or '.join(map(repr, FORMATS))}, not {quoted(version)}")
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
    steps = _steps(metadata["steps"])
    weighted = [index for index, kind in enumerate(kinds) if not isinstance(kind, First)]
    _check_names(set(tensors), weighted, write(shapes[0], kinds))
    layers = [
        (kind, *_layer(tensors, index, kind.weights(before)))
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


def maps_of(encoder: LatencyEncoder | EventsEncoder, kinds: Sequence[Kind]) -> list[Map]:
    """The map of the inputs and of each layer. Raises ValueError for what does not chain."""
    selected = isinstance(encoder, LatencyEncoder) and encoder.select is not None
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


def _check_names(names: set[str], layers: Iterable[int], structure: str) -> None:
    """Raises ValueError if a tensor is missing or one too many."""
    expected = {f"layer.{i}.{part}" for i in layers for part in ("weight", "threshold")}
    for name in sorted(expected - names):
        raise ValueError(f"tensor {name!r} is missing")
    for name in sorted(names - expected - {"encoder.select"}):
        raise ValueError(
            f"tensor {quoted(name)} is not expected in a network {printable(structure, 60)}"
        )


def _layer(
    tensors: dict[str, np.ndarray], index: int, shape: tuple[int, int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and thresholds; empty without a shape of weights."""
    outputs, inputs = shape or (0, 0)
    if not outputs:
        return np.zeros((0, 0), bool), np.zeros(0, np.int32)
    packed = _tensor(tensors, f"layer.{index}.weight", np.uint8, (outputs, -(-inputs // 8)))
    threshold = _tensor(tensors, f"layer.{index}.threshold", np.int32, (outputs,))
    if inputs % 8 and (packed[:, -1] >> inputs % 8).any():
        raise ValueError(f"tensor 'layer.{index}.weight': pad bits must be 0")
    bits = np.unpackbits(packed, axis=1, count=inputs, bitorder="little")
    return bits.view(bool), threshold.astype(np.int32)


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
    """Layers of format 2."""
    entries = _json(metadata, "layers", list)
    kinds = []
    for index, entry in enumerate(entries):
        try:
            kinds.append(kind_of(entry))
        except ValueError as error:
            raise ValueError(
                f"metadata 'layers': layer {index}: {printable(str(error), 200)}, "
                f"not {quoted(json.dumps(entry))}"
            ) from None
    return kinds


def _steps(text: str) -> int:
    try:
        steps = whole_number(text)
    except ValueError:
        steps = 0
    if limits.steps_fault(steps, pixels=False):
        raise ValueError(f"steps must be in 1 … {limits.STEPS}, not {quoted(text)}")
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


def _is_flat(encoder: LatencyEncoder | EventsEncoder) -> bool:
    """Format 1 can hold it."""
    if isinstance(encoder, LatencyEncoder):
        return len(encoder.shape) == 2
    return encoder.shape is None


def _encoder_fields(encoder: LatencyEncoder | EventsEncoder) -> dict[str, Any]:
    if isinstance(encoder, LatencyEncoder):
        return {
            "kind": "latency",
            "shape": list(encoder.shape),
            "pool": encoder.pool,
            "silent_below": encoder.silent_below,
        }
    if encoder.shape is not None:
        return {"kind": "events", "shape": list(encoder.shape)}
    return {"kind": "events", "channels": encoder.channels}


def _encoder(
    tensors: dict[str, np.ndarray], metadata: dict[str, str], version: str
) -> LatencyEncoder | EventsEncoder:
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
    if encoder is None or (version == FORMATS[0] and not _is_flat(encoder)):
        raise ValueError(
            f"metadata 'encoder' must be a latency or an events encoder, "
            f"not {quoted(metadata['encoder'])}"
        )
    return encoder


def _build_encoder(
    kind: object, values: dict[str, Any], select: tuple[int, ...] | None
) -> LatencyEncoder | EventsEncoder | None:
    """None if ``values`` are not those of this kind. Raises what the encoders do."""
    names = set(values)
    if kind == "latency" and names == {"shape", "pool", "silent_below"}:
        return LatencyEncoder(**values, select=select)
    if kind != "events" or names not in ({"channels"}, {"shape"}):
        return None
    if select is not None:
        raise ValueError("Select must not be given with an events encoder")
    return EventsEncoder(**values)
