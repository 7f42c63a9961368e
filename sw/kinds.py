"""Kinds of layers: what each makes of the map before it, its weights, and how people write it.

No arrays and no weights here. ``sw.structure`` chains them. Standard library only.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from sw import limits

__all__ = ["Conv", "Dense", "First", "Kind", "Map", "Max", "Pair", "Pooling", "Shortcut", "Sum"]

Map: TypeAlias = tuple[int, int, int]
"""Channels, height, width."""

Pair: TypeAlias = tuple[int, int]
"""Down and across."""


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """A way past layers, of bistable networks: values of an earlier layer that a layer adds to its
    potentials, unit by unit.

    Parameters
    ----------
    back : int, at least 1
        How many layers back; 1 is the layer's own input.
    gain : int, a power of two
        What a value is multiplied by.
    """

    back: int
    gain: int = 1

    def __post_init__(self) -> None:
        _check("Layers back", self.back, least=1)
        _check("Gain of a shortcut", self.gain, least=1)
        if self.gain & (self.gain - 1):
            raise ValueError(f"Gain of a shortcut must be a power of two, not {self.gain!r}")

    def source(self, layer: int) -> int:
        """Index of the layer that a shortcut of ``layer`` comes from; −1: the inputs."""
        return layer - self.back

    def __str__(self) -> str:
        return f"+{self.back}" + (f"x{self.gain}" if self.gain > 1 else "")


@dataclass(frozen=True, kw_only=True)
class Dense:
    """Every unit sees every unit before it.

    Parameters
    ----------
    units : int, at least 1
    shortcut : Shortcut, or None
    """

    units: int
    shortcut: Shortcut | None = None

    def __post_init__(self) -> None:
        _check("Units", self.units, least=1)

    def output(self, inputs: Map) -> Map:
        """The map that this layer makes of ``inputs``."""
        return self.units, 1, 1

    def weights(self, inputs: Map) -> Pair:
        """Rows and columns of the matrix of weights."""
        return self.units, math.prod(inputs)

    def __str__(self) -> str:
        return f"{self.units}{self.shortcut or ''}"


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
    shortcut : Shortcut, or None
    """

    channels: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    shortcut: Shortcut | None = None

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
        return f"{text}{self.shortcut or ''}"


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """One value for each window of a map. Windows lie side by side; what is left over at the right
    and at the bottom is dropped. Which value it is, each kind says.

    Parameters
    ----------
    kernel : (int, int), at least 1
    """

    letter: ClassVar[str]  # that it is written with
    shortcut: ClassVar[None] = None  # only layers with weights may have one
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
        return f"{self.letter}{_edges(self.kernel)}"


@dataclass(frozen=True, kw_only=True)
class First(Pooling):
    """First-spike pooling: fires when the first unit of its window does, in the same step."""

    letter = "f"


@dataclass(frozen=True, kw_only=True)
class Max(Pooling):
    """The largest value of the window, of bistable networks."""

    letter = "m"


@dataclass(frozen=True, kw_only=True)
class Sum(Pooling):
    """The mean of the window's values, rounded down, of bistable networks: the sum of kh · kw
    values over a threshold of kh · kw.
    """

    letter = "a"


Kind: TypeAlias = Dense | Conv | First | Max | Sum


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
