"""The structure of a network: the maps between its layers, and how people and files write it.

The units of a layer form a map ``(C, H, W)``; unit (c, y, x) has the index ``c·H·W + y·W + x``
(docs/spec.md, "Maps"). A structure is written ``1x28x28-16c3p1-f2-32c3p1-f2-10``, the map of the
inputs first: ``16c3s2p1`` is a convolution of 16 channels with kernel 3, stride 2 and padding 1,
``32c3x1`` one with a kernel of 3 rows and 1 column, ``f2`` first-spike pooling of 2 × 2, a number a
dense layer. Bistable networks have ``m2`` and ``a2``, pooling by the largest value and by the mean,
and shortcuts: ``16c3p1+2x8`` also adds 8 times the output of two layers back.

No arrays and no weights here. Standard library only.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

from sw import limits
from sw.kinds import Conv, Dense, First, Kind, Map, Max, Pair, Pooling, Shortcut, Sum

__all__ = [
    "Coding",
    "Conv",
    "Dense",
    "First",
    "Kind",
    "Map",
    "Max",
    "Pair",
    "Pooling",
    "Shortcut",
    "Structure",
    "Sum",
    "attributes_of",
    "coding_fault",
    "kind_of",
    "maps",
    "parse",
    "write",
]

Coding: TypeAlias = Literal["first-spike", "bistable"]
"""What spikes mean: when a unit first fires, or the bits of its value."""

_KINDS: dict[str, Callable[..., Kind]] = {
    "dense": Dense,
    "conv": Conv,
    "first": First,
    "max": Max,
    "sum": Sum,
}
_ATTRIBUTES = {
    "dense": {"units"},
    "conv": {"channels", "kernel", "stride", "padding"},
    "first": {"kernel"},
    "max": {"kernel"},
    "sum": {"kernel"},
}
_CONV = re.compile(
    r"([0-9]{1,7})c([0-9]{1,7})(?:x([0-9]{1,7}))?(?:s([0-9]{1,7})(?:x([0-9]{1,7}))?)?"
    r"(?:p([0-9]{1,7})(?:x([0-9]{1,7})|\.([0-9]{1,7})\.([0-9]{1,7})\.([0-9]{1,7}))?)?"
)
_POOLING = re.compile(r"([fma])([0-9]{1,7})(?:x([0-9]{1,7}))?")
_POOLINGS: dict[str, Callable[..., Kind]] = {kind.letter: kind for kind in (First, Max, Sum)}
_SHORTCUT = re.compile(r"([^+]*)\+([0-9]{1,7})(?:x([0-9]{1,7}))?")


def maps(inputs: Map, kinds: Sequence[Kind]) -> list[Map]:
    """The map of the inputs and of each layer.

    Raises
    ------
    ValueError
        They do not chain, break the order (maps first, the last layer dense) or ``sw.limits``.
    """
    if not kinds:
        raise ValueError("Layers must be at least one, not none")
    if len(kinds) > limits.LAYERS:
        raise ValueError(f"Layers must be at most {limits.LAYERS:,}, not {len(kinds):,}")
    if not isinstance(kinds[-1], Dense):
        raise ValueError(f"The last layer must be dense, not {kinds[-1]}")
    result, weights, dense = [inputs], 0, None
    for index, kind in enumerate(kinds):
        if isinstance(kind, Dense):
            dense = kind
        elif dense is not None:
            raise ValueError(f"Layer {index}, {kind}, must stand before the dense layers")
        try:
            after = kind.output(result[-1])
        except ValueError as error:
            raise ValueError(f"Layer {index}: {error}") from None
        if kind.shortcut is not None:
            _check_shortcut(index, kind.shortcut, result, after)
        weights += math.prod(kind.weights(result[-1]) or (0,))
        result.append(after)
    for what, count, most in (
        ("Units of a layer", max(map(math.prod, result)), limits.UNITS),
        ("Weights", weights, limits.WEIGHTS),
    ):
        if count > most:
            raise ValueError(f"{what} must be at most {most:,}, not {count:,}")
    return result


def coding_fault(coding: Coding, kinds: Sequence[Kind]) -> str | None:
    """What a network of this ``coding`` cannot have among ``kinds``, as a message; None if it can
    have all of them.
    """
    for index, kind in enumerate(kinds):
        if coding == "first-spike" and isinstance(kind, (Max, Sum)):
            return f"Layer {index}, {kind}, is of bistable networks; a first-spike one has f"
        if coding == "bistable" and isinstance(kind, First):
            return f"Layer {index}, {kind}, is of first-spike networks; a bistable one has m or a"
        if coding == "first-spike" and kind.shortcut is not None:
            return f"Layer {index}, {kind}: only bistable networks have shortcuts"
    return None


def write(inputs: Map, kinds: Sequence[Kind]) -> str:
    """The structure as people write it: ``784-600-10`` if all layers are dense, else with the map
    of the inputs first.
    """
    if all(isinstance(kind, Dense) for kind in kinds):
        first = str(math.prod(inputs))
    else:
        first = "x".join(map(str, inputs))
    return "-".join([first, *map(str, kinds)])


@dataclass(frozen=True)
class Structure:
    """The map of a network's inputs and its layers.

    Parameters
    ----------
    inputs : Map
    kinds : tuple of Kind

    Raises
    ------
    ValueError
        As :func:`maps`.
    """

    inputs: Map
    kinds: tuple[Kind, ...]

    def __post_init__(self) -> None:
        maps(self.inputs, self.kinds)

    @classmethod
    def of(cls, sizes: "Structure | Sequence[int]") -> "Structure":
        """The dense network with these units per layer, the inputs first; a structure as it is."""
        if isinstance(sizes, Structure):
            return sizes
        return cls((sizes[0], 1, 1), tuple(Dense(units=units) for units in sizes[1:]))

    @cached_property
    def maps(self) -> list[Map]:
        """Of the inputs and of each layer."""
        return maps(self.inputs, self.kinds)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of the inputs and of each layer."""
        return tuple(map(math.prod, self.maps))

    @property
    def dense(self) -> bool:
        """Every layer is fully connected."""
        return all(isinstance(kind, Dense) for kind in self.kinds)

    def __str__(self) -> str:
        return write(self.inputs, self.kinds)


def parse(text: str) -> tuple[Kind, ...]:
    """The layers that ``text`` names, separated by ``-`` or commas, without the inputs.

    Raises
    ------
    ValueError
        An entry is none of the forms above.
    """
    return tuple(_parse(entry) for entry in re.split("[-,]", text))


def kind_of(attributes: object, index: int) -> Kind:
    """Layer ``index`` of a network file by its ``attributes``, see :func:`attributes_of`.

    Raises
    ------
    ValueError
        Unknown kind or attribute, or a value out of range.
    """
    if not isinstance(attributes, dict) or not isinstance(attributes.get("kind"), str):
        raise ValueError("a layer must be a JSON object with its kind")
    name = attributes["kind"]
    if name not in _KINDS:
        raise ValueError(f"unknown kind of layer; known are {', '.join(_KINDS)}")
    values = {key: value for key, value in attributes.items() if key != "kind"}
    shortcut = values.pop("shortcut", None) if name in ("dense", "conv") else None
    if set(values) != _ATTRIBUTES[name]:
        raise ValueError(f"a layer {name!r} must have {', '.join(sorted(_ATTRIBUTES[name]))}")
    lists = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    if shortcut is not None:
        if not isinstance(shortcut, dict) or set(shortcut) != {"from", "gain"}:
            raise ValueError("a shortcut must have from and gain")
        source = shortcut["from"]
        if isinstance(source, bool) or not isinstance(source, int) or not -1 <= source < index:
            raise ValueError(f"a shortcut must come from -1 … {index - 1}")
        lists["shortcut"] = Shortcut(back=index - source, gain=shortcut["gain"])
    return _KINDS[name](**lists)


def attributes_of(kind: Kind, index: int) -> dict[str, Any]:
    """Layer ``index`` as a network file has it, such as ``{"kind": "first", "kernel": [2, 2]}``."""
    name = type(kind).__name__.lower()
    attributes = dict(vars(kind))
    shortcut = attributes.pop("shortcut", None)
    values = {key: list(v) if isinstance(v, tuple) else v for key, v in attributes.items()}
    if shortcut is not None:
        values["shortcut"] = {"from": shortcut.source(index), "gain": shortcut.gain}
    return {"kind": name, **values}


def _check_shortcut(index: int, shortcut: Shortcut, before: Sequence[Map], after: Map) -> None:
    """Raises ValueError unless the shortcut of layer ``index`` adds a map of the shape ``after``;
    ``before`` are the maps of the inputs and of the layers before it.
    """
    source = shortcut.source(index)
    if source < -1:
        raise ValueError(
            f"Layer {index}: a shortcut must come from at most {index + 1} layers back, "
            f"not {shortcut.back}"
        )
    if before[source + 1] != after:
        given, wanted = (" × ".join(map(str, each)) for each in (before[source + 1], after))
        raise ValueError(
            f"Layer {index}: a shortcut must have the layer's shape, {wanted}, not {given}"
        )


def _parse(text: str) -> Kind:
    if match := _SHORTCUT.fullmatch(text):
        kind = _parse(match[1])
        if isinstance(kind, (Dense, Conv)):
            shortcut = Shortcut(back=int(match[2]), gain=int(match[3] or 1))
            return replace(kind, shortcut=shortcut)
    if re.fullmatch(r"[0-9]{1,7}", text):
        return Dense(units=int(text))
    if match := _POOLING.fullmatch(text):
        return _POOLINGS[match[1]](kernel=_pair(match[2], match[3]))
    if match := _CONV.fullmatch(text):
        channels, rows, columns, down, across, top, left, *rest = match.groups()
        padding = (0, 0, 0, 0)
        if rest[0]:
            bottom, start, end = map(int, rest)
            padding = int(top), bottom, start, end
        elif top:
            above, beside = _pair(top, left)
            padding = above, above, beside, beside
        return Conv(
            channels=int(channels),
            kernel=_pair(rows, columns),
            stride=_pair(down or "1", across),
            padding=padding,
        )
    raise ValueError(
        f"a layer must be a number of units, a convolution such as 16c3p1 or 8c5s2, or a pooling "
        f"such as f2, m2 or a2, not {text[:40]!r}"
    )


def _pair(down: str, across: str | None) -> Pair:
    return int(down), int(across or down)
