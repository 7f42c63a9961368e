"""The container of a network file, read with bounds: safetensors, and JSON of one spelling only.

A file is the length of its header (8 bytes, little-endian), the header, a JSON object, and the
tensors' bytes in the header's order, without gaps. Nothing is allocated before its size is known to
be within ``sw.limits``. What the safetensors library reads differently, or takes in spite of a
fault, is refused. NumPy only.
"""

import json
import math
from collections.abc import Iterable
from typing import NamedTuple, NoReturn, TypeGuard

import numpy as np

from sw import limits
from sw.cli import printable

__all__ = ["parse_json", "quoted", "read", "whole_number"]

_TYPES: dict[str, np.dtype] = {"U8": np.dtype(np.uint8), "I32": np.dtype("<i4")}
_DIMENSIONS = 4  # of a tensor, at most
_DIGITS = 20  # of an integer in JSON, at most
_SHOWN = 60  # characters of a value in a message


def read(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors (views of ``content``, uint8 or int32) and metadata of a file.

    Raises
    ------
    ValueError
        The file is damaged, beyond ``sw.limits``, or has tensors of another type.
    """
    if len(content) > limits.FILE:
        raise ValueError(f"file must have at most {limits.FILE:,} bytes")
    try:
        header, data = _split(content)
        metadata = _metadata(header.pop("__metadata__", {}))
        if len(header) > 4 * limits.LAYERS + 1:
            raise ValueError(f"{len(header)} tensors")
        places = {name: _place(entry) for name, entry in header.items()}
        _check_order(places.values(), len(data))
    except ValueError as error:
        raise ValueError(f"not a safetensors file, or a damaged one ({error})") from None
    tensors = {}
    for name, (kind, shape, begin, end) in places.items():
        if kind not in _TYPES:
            raise ValueError(
                f"tensor {quoted(name)} must be uint8 or int32, not {printable(kind, _SHOWN)}"
            )
        if math.prod(shape) * _TYPES[kind].itemsize != end - begin:
            raise ValueError(
                f"not a safetensors file, or a damaged one (tensor {quoted(name)}: {end - begin} "
                f"bytes for the shape {list(shape)})"
            )
        tensors[name] = np.frombuffer(data[begin:end], _TYPES[kind]).reshape(shape)
    return tensors, metadata


def parse_json(text: str) -> object:
    """The value that ``text`` is.

    Raises
    ------
    ValueError
        It is not JSON, names a key twice, is nested deeper than ``limits.DEPTH``, or has a number
        of another spelling than its shortest or out of range, or a lone surrogate.
    """
    try:
        value: object = json.loads(
            text,
            parse_int=whole_number,
            parse_float=_real_number,
            parse_constant=_no_number,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise ValueError(f"nested deeper than {limits.DEPTH}") from None
    level = [value]
    for _ in range(limits.DEPTH):
        inner = (value for outer in level for value in _inside(outer))
        level = [value for value in inner if isinstance(value, dict | list)]
    if level:
        raise ValueError(f"nested deeper than {limits.DEPTH}")
    if r"\u" in text:  # may be the only place where text is not what UTF-8 can hold
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("text with a lone surrogate") from None
    return value


def whole_number(text: str) -> int:
    """The integer that ``text`` is in its one spelling. Raises ValueError for another, such as 08,
    -0 or a number of more than 20 digits.
    """
    try:
        if len(text) <= _DIGITS and str(value := int(text)) == text:
            return value
    except ValueError:
        pass
    raise ValueError(f"{quoted(text)} is no integer in its shortest form")


def quoted(value: object) -> str:
    """``value``, which comes from a file, for a message: on one line, escaped and shortened."""
    if isinstance(value, str):
        value = value[: _SHOWN + 1]
    return printable(repr(value), _SHOWN)


def _split(content: bytes) -> tuple[dict[str, object], memoryview]:
    """Header and tensors' bytes."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8:
        raise ValueError(f"cut short: {len(content)} bytes")
    if length > limits.HEADER:
        raise ValueError(f"header must have at most {limits.HEADER:,} bytes, not {length:,}")
    try:
        text = content[8 : 8 + length].decode()
    except UnicodeDecodeError:
        raise ValueError("header is not UTF-8") from None
    header = parse_json(text)
    if not isinstance(header, dict) or not text.startswith("{"):
        raise ValueError("header is no JSON object")
    return header, memoryview(content)[8 + length :]


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError("metadata is no JSON object")
    texts = {key: text for key, text in value.items() if isinstance(text, str)}
    if len(texts) != len(value):
        raise ValueError("metadata must be strings")
    return texts


class _Place(NamedTuple):
    """A tensor: its type, shape, and where its bytes lie."""

    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


def _place(entry: object) -> _Place:
    match entry:
        case {"dtype": str(kind), "shape": [*shape], "data_offsets": [begin, end], **others}:
            right = not others and len(shape) <= _DIMENSIONS and _are_sizes([*shape, begin, end])
            if right and begin <= end:
                return _Place(kind, tuple(shape), begin, end)
    raise ValueError(f"a tensor cannot be {quoted(entry)}")


def _are_sizes(values: list[object]) -> TypeGuard[list[int]]:
    """Whole numbers, none of them more than a file can have bytes."""
    return all(
        isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= limits.FILE
        for value in values
    )


def _check_order(places: Iterable[_Place], length: int) -> None:
    """Raises ValueError unless the tensors fill ``length`` bytes without gap or overlap."""
    reached = 0
    for begin, end in sorted((begin, end) for *_, begin, end in places):
        if begin != reached:
            raise ValueError(f"tensors do not follow one another: {reached}, then {begin}")
        reached = end
    if reached != length:
        raise ValueError(f"tensors have {reached} bytes, the file {length}")


def _inside(value: object) -> Iterable[object]:
    """The values within ``value``."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"{quoted(key)} appears twice")
            seen.add(key)
    return result


def _real_number(text: str) -> float:
    if len(text) <= 32 and math.isfinite(value := float(text)):
        return value
    raise ValueError(f"{quoted(text)} is no number in range")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
