"""Reports as objects: frozen dataclasses that are written as JSON objects and read back checked."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from math import isfinite
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["INLINE", "Record"]

R = TypeVar("R", bound="Record")


# ``field(metadata=INLINE)``: the fields of this record stand beside the others in JSON.
INLINE = {"inline": True}


@dataclass(frozen=True, kw_only=True)
class Record:
    """A report. Its fields are JSON values, records, and tuples and dictionaries of those.

    In JSON a field has its own name; one that has a default is left out where it has that value.
    """

    def to_dict(self) -> dict[str, object]:
        """The JSON object."""
        result: dict[str, object] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.metadata.get("inline"):
                result |= value.to_dict()
            elif each.default is MISSING or value != each.default:
                result[each.name] = _plain(value)
        return result

    @classmethod
    def from_dict(cls: type[R], value: object) -> R:
        """The record of a JSON object. Raises ValueError, which names the field, for one that is
        missing, unknown or of another type.
        """
        if not isinstance(value, Mapping):
            raise ValueError(f"must be an object, not {value!r:.40}")
        left = dict(value)
        result = cls._take(left)
        if left:
            raise ValueError(f"{', '.join(map(str, left))}: no such field")
        return result

    @classmethod
    def _take(cls: type[R], left: dict[str, object]) -> R:
        """The record of its fields in ``left``, which it removes."""
        values: dict[str, object] = {}
        for each, hint in _typed_fields(cls):
            if each.metadata.get("inline"):
                values[each.name] = hint._take(left)
            elif each.name in left:
                try:
                    values[each.name] = _checked(left.pop(each.name), hint)
                except ValueError as error:
                    raise ValueError(f"{each.name}: {error}") from None
            elif each.default is MISSING:
                raise ValueError(f"{each.name}: missing")
        return cls(**values)


def _typed_fields(kind: type[Record]) -> Iterator[tuple["Field[Any]", Any]]:
    hints = get_type_hints(kind)
    return ((each, hints[each.name]) for each in fields(kind))


def _plain(value: object) -> object:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return value


def _checked(value: object, hint: object) -> object:
    """``value`` as one of the type ``hint``. Raises ValueError if it is none."""
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, UnionType):
        (kind,) = (each for each in arguments if each is not NoneType)
        return None if value is None else _checked(value, kind)
    if origin is tuple and isinstance(value, list):
        return tuple(_checked(each, arguments[0]) for each in value)
    if origin is dict and isinstance(value, dict):
        return {key: _checked(each, arguments[1]) for key, each in value.items()}
    if isinstance(origin, type) and issubclass(origin, Record):
        return origin.from_dict(value)
    if origin is float and type(value) in (int, float) and isfinite(value):  # type: ignore[arg-type]
        return value
    if origin in (int, str, bool) and type(value) is origin:
        return value
    raise ValueError(f"must be {getattr(hint, '__name__', hint)}, not {value!r:.40}")
