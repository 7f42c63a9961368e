"""The structure of a network: kinds of layers, the maps between them, and how people write both.

The units of a layer form a map ``(C, H, W)``; unit (c, y, x) has the index ``c·H·W + y·W + x``
(docs/spec.md, "Maps"). A structure is written ``1x28x28-16c3p1-f2-32c3p1-f2-10``, the map of the
inputs first: ``16c3s2p1`` is a convolution of 16 channels with kernel 3, stride 2 and padding 1,
``32c3x1`` one with a kernel of 3 rows and 1 column, ``f2`` first-spike pooling of 2 × 2, a number a
dense layer. No arrays and no weights here. Standard library only.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from sw import limits

__all__ = [
    "Conv",
    "Dense",
    "First",
    "Kind",
    "Map",
    "Pair",
    "Structure",
    "attributes_of",
    "kind_of",
    "maps",
    "parse",
    "write",
]

Map: TypeAlias = tuple[int, int, int]
"""Channels, height, width."""

Pair: TypeAlias = tuple[int, int]
"""Down and across."""


@dataclass(frozen=True, kw_only=True)
class Dense:
    """Every unit sees every unit before it.

    Parameters
    ----------
    units : int, at least 1
    """

    units: int

    def __post_init__(self) -> None:
        _check("Units", self.units, least=1)

    def output(self, inputs: Map) -> Map:
        """The map that this layer makes of ``inputs``."""
        return self.units, 1, 1

    def weights(self, inputs: Map) -> Pair:
        """Rows and columns of the matrix of weights."""
        return self.units, math.prod(inputs)

    def __str__(self) -> str:
        return str(self.units)


@dataclass(frozen=True, kw_only=True)
class Conv:
    """Cross-correlation with one set of weights for all places (PyTorch's conv2d).

    Parameters
    ----------
    channels : int, at least 1
        Of the output.
    kernel : (int, int), at least 1
        Rows and columns.
    stride : (int, int), at least 1
    padding : (int, int, int, int), at least 0
        Rows above and below, columns left and right, that never fire.
    """

    channels: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        _check("Channels", self.channels, least=1)
        _check("Kernel", self.kernel, least=1, count=2)
        _check("Stride", self.stride, least=1, count=2)
        _check("Padding", self.padding, least=0, count=4)

    def output(self, inputs: Map) -> Map:
        """The map that this layer makes of ``inputs``. Raises ValueError if the kernel is larger
        than the padded map.
        """
        _, height, width = inputs
        top, bottom, left, right = self.padding
        padded = height + top + bottom, width + left + right
        if self.kernel[0] > padded[0] or self.kernel[1] > padded[1]:
            raise ValueError(
                f"Kernel of {self} must not be larger than the padded map, "
                f"{padded[0]} × {padded[1]}"
            )
        rows, columns = (
            (edge - kernel) // stride + 1
            for edge, kernel, stride in zip(padded, self.kernel, self.stride, strict=True)
        )
        return self.channels, rows, columns

    def weights(self, inputs: Map) -> Pair:
        """Rows and columns of the matrix of weights; columns in the order (c_in, ky, kx)."""
        return self.channels, inputs[0] * math.prod(self.kernel)

    def __str__(self) -> str:
        text = f"{self.channels}c{_edges(self.kernel)}"
        if self.stride != (1, 1):
            text += f"s{_edges(self.stride)}"
        top, bottom, left, right = self.padding
        if (top, left) != (bottom, right):
            text += f"p{top}.{bottom}.{left}.{right}"
        elif any(self.padding):
            text += f"p{_edges((top, left))}"
        return text


@dataclass(frozen=True, kw_only=True)
class First:
    """First-spike pooling: fires when the first unit of its window does, in the same step. Windows
    lie side by side; what is left over at the right and at the bottom is dropped.

    Parameters
    ----------
    kernel : (int, int), at least 1
    """

    kernel: Pair

    def __post_init__(self) -> None:
        _check("Kernel", self.kernel, least=1, count=2)

    def output(self, inputs: Map) -> Map:
        """The map that this layer makes of ``inputs``. Raises ValueError if no window fits in."""
        channels, height, width = inputs
        rows, columns = height // self.kernel[0], width // self.kernel[1]
        if not rows * columns:
            raise ValueError(
                f"Window of {self} must not be larger than the map, {height} × {width}"
            )
        return channels, rows, columns

    def weights(self, inputs: Map) -> None:
        """None: it has none."""

    def __str__(self) -> str:
        return f"f{_edges(self.kernel)}"


Kind: TypeAlias = Dense | Conv | First

_KINDS: dict[str, Callable[..., Kind]] = {"dense": Dense, "conv": Conv, "first": First}
_ATTRIBUTES = {
    "dense": {"units"},
    "conv": {"channels", "kernel", "stride", "padding"},
    "first": {"kernel"},
}
_CONV = re.compile(
    r"([0-9]{1,7})c([0-9]{1,7})(?:x([0-9]{1,7}))?(?:s([0-9]{1,7})(?:x([0-9]{1,7}))?)?"
    r"(?:p([0-9]{1,7})(?:x([0-9]{1,7})|\.([0-9]{1,7})\.([0-9]{1,7})\.([0-9]{1,7}))?)?"
)
_FIRST = re.compile(r"f([0-9]{1,7})(?:x([0-9]{1,7}))?")


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
        weights += math.prod(kind.weights(result[-1]) or (0,))
        result.append(after)
    for what, count, most in (
        ("Units of a layer", max(map(math.prod, result)), limits.UNITS),
        ("Weights", weights, limits.WEIGHTS),
    ):
        if count > most:
            raise ValueError(f"{what} must be at most {most:,}, not {count:,}")
    return result


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
    kinds : tuple of Dense, Conv or First

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


def kind_of(attributes: object) -> Kind:
    """The layer of a network file's ``attributes``, see :func:`attributes_of`.

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
    if set(values) != _ATTRIBUTES[name]:
        raise ValueError(f"a layer {name!r} must have {', '.join(sorted(_ATTRIBUTES[name]))}")
    lists = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    return _KINDS[name](**lists)


def attributes_of(kind: Kind) -> dict[str, Any]:
    """The layer as a network file has it, such as ``{"kind": "first", "kernel": [2, 2]}``."""
    name = type(kind).__name__.lower()
    values = {key: list(v) if isinstance(v, tuple) else v for key, v in vars(kind).items()}
    return {"kind": name, **values}


def _parse(text: str) -> Kind:
    if re.fullmatch(r"[0-9]{1,7}", text):
        return Dense(units=int(text))
    if match := _FIRST.fullmatch(text):
        return First(kernel=_pair(match[1], match[2]))
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
        f"such as f2, not {text[:40]!r}"
    )


def _pair(down: str, across: str | None) -> Pair:
    return int(down), int(across or down)


def _edges(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


def _check(what: str, value: object, *, least: int, count: int = 0) -> None:
    """Raises ValueError unless ``value`` is an integer, or ``count`` of them, in range."""
    values = value if count else (value,)
    if (
        not isinstance(values, tuple)
        or (count and len(values) != count)
        or not all(
            isinstance(n, int) and not isinstance(n, bool) and least <= n <= limits.UNITS
            for n in values
        )
    ):
        wanted = f"{count} integers" if count else "an integer"
        raise ValueError(f"{what} must be {wanted} in {least} … {limits.UNITS:,}, not {value!r}")
