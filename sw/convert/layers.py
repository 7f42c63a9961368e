"""What every source becomes: weights, an exact affine function of each unit's sum, and where the
unit fires. From there :func:`sw.fold.fold` makes signs and integer thresholds. NumPy only.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np

from sw.convert.errors import ConversionError
from sw.encoder import EventsEncoder, Inputs, LatencyEncoder, NetworkEncoder
from sw.fold import fold
from sw.network import Layer, Network

__all__ = [
    "Converted",
    "Levels",
    "Stage",
    "Target",
    "most_spikes",
    "read_out",
]

# Spikes that a recording of sensor events has at most. An input of it may fire several times, so
# that the fan-in alone does not bound a potential.
_EVENTS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a network has beside its layers.

    Parameters
    ----------
    encoder : LatencyEncoder or EventsEncoder
        How inputs become spikes.
    steps : int
        T.
    labels : sequence of str
        Names of the classes, one per output.
    name, dataset : str
        Of the network, and of the data it was trained on if they are known.
    data : mapping, or None
        How those were read (``reading`` of a data set), if they are of one's own.
    provenance : mapping, or None
        What the source says of where it is from.
    """

    encoder: LatencyEncoder | EventsEncoder
    steps: int
    labels: Sequence[str]
    name: str = "converted"
    dataset: str | None = None
    data: Mapping[str, Any] | None = None
    provenance: Mapping[str, Any] | None = None

    def network(self, layers: Sequence[Layer], rule: str, source: str) -> Network:
        """The network with these layers, and where it is from."""
        return Network(
            name=self.name,
            steps=self.steps,
            encoder=self.encoder,
            layers=tuple(layers),
            labels=tuple(self.labels),
            provenance=self._provenance(rule, source),
        )

    def _provenance(self, rule: str, source: str) -> dict[str, Any]:
        known = self.provenance or {
            "dataset": "unknown",
            "rule": rule,
            "seed": 0,
            "epochs": 0,
            "versions": {},
            "validation_accuracy": None,
            "test_accuracy": None,
            "command": f"sw.convert {source}",
        }
        dataset = {"dataset": self.dataset} if self.dataset else {}
        return {**known, **dataset, **({"data": dict(self.data)} if self.data else {})}


class Converted(NamedTuple):
    """A network beside its source.

    Parameters
    ----------
    network : Network
    classify : function of a batch of inputs, as the network's encoder takes them, to int [B]
        Runs the source itself, in its own arithmetic: the class of each example.
    notes : tuple of str
        Where the source leaves open, or decides in another way, what the network decides. One
        sentence each.
    """

    network: Network
    classify: Callable[[Inputs], np.ndarray]
    notes: tuple[str, ...] = ()


class Levels(NamedTuple):
    """What a layer is given by an input that has not fired yet, and by one that has."""

    low: Fraction = Fraction(0)
    high: Fraction = Fraction(1)


@dataclass(kw_only=True)
class Stage:
    """One layer of the source: value = factor · Σ weight · input + offset, per unit.

    Parameters
    ----------
    name : str
        As messages call it.
    weight : float [N_out, N_in]
        Real; each row must have one magnitude.
    inputs : Levels
    most : int
        Spikes that the layer gets at most.
    """

    name: str
    weight: np.ndarray
    inputs: Levels
    most: int
    factor: list[Fraction] = field(init=False)
    offset: list[Fraction] = field(init=False)
    magnitude: list[Fraction] = field(init=False)

    def __post_init__(self) -> None:
        self.magnitude = _magnitudes(self.name, self.weight)
        self.factor = [Fraction(1)] * len(self.weight)
        self.offset = [Fraction(0)] * len(self.weight)

    def affine(self, name: str, factor: Iterable[float], offset: Iterable[float]) -> None:
        """Applies value ← factor · value + offset, per unit."""
        factors = _fractions(name, factor, len(self.weight))
        offsets = _fractions(name, offset, len(self.weight))
        self.factor = [f * g for f, g in zip(factors, self.factor, strict=True)]
        self.offset = [f * h + o for f, h, o in zip(factors, self.offset, offsets, strict=True)]

    def normalise(
        self,
        name: str,
        gamma: Iterable[float],
        mean: Iterable[float],
        deviation: Iterable[float],
        beta: Iterable[float],
    ) -> None:
        """Applies a batch norm: value ← γ (value − μ) / σ + β, per unit."""
        units = len(self.weight)
        columns = [_fractions(name, each, units) for each in (gamma, mean, deviation, beta)]
        for index, (g, m, d, b) in enumerate(zip(*columns, strict=True)):
            self.factor[index] *= g / d
            self.offset[index] = g * (self.offset[index] - m) / d + b

    def slopes(self) -> list[Fraction]:
        """By how much each +1 weight's input that fires raises the value."""
        step = self.inputs.high - self.inputs.low
        return [f * a * step for f, a in zip(self.factor, self.magnitude, strict=True)]

    def resting(self) -> list[Fraction]:
        """The value while no input has fired."""
        signs = (2 * (self.weight > 0).sum(axis=1) - self.weight.shape[1]).tolist()
        low = self.inputs.low
        terms = zip(self.factor, self.magnitude, signs, self.offset, strict=True)
        return [f * a * low * s + o for f, a, s, o in terms]

    def fires_at(self, level: Sequence[Fraction], *, strict: bool) -> Layer:
        """The layer that fires when value ≥ ``level`` (> if ``strict``), per unit."""
        negate, threshold = fold(
            gamma=self.slopes(),
            mean=0,
            deviation=1,
            beta=[r - t for r, t in zip(self.resting(), level, strict=True)],
            reach=self.most,
            strict=strict,
        )
        return Layer(weight=(self.weight > 0) ^ negate[:, None], threshold=threshold)

    def reaches(self, level: Sequence[Fraction]) -> list[int]:
        """The units whose value can be exactly ``level``, which is per unit."""

        def is_reached(slope: Fraction, rest: Fraction, goal: Fraction) -> bool:
            if slope == 0:
                return rest == goal
            potential = (goal - rest) / slope
            return potential.denominator == 1 and abs(potential) <= self.most

        units = zip(self.slopes(), self.resting(), level, strict=True)
        return [index for index, unit in enumerate(units) if is_reached(*unit)]

    def rounds_at(self, level: Sequence[Fraction]) -> str | None:
        """A note on units whose value can be exactly ``level`` while the source, which computes in
        floats, rounds it to either side; None if there are none.
        """
        units = [unit for unit in self.reaches(level) if not _is_power(self.magnitude[unit])]
        if not units:
            return None
        return (
            f"{self.name}: {len(units)} of {len(self.weight)} units can be exactly at their "
            "threshold, where the source's rounding decides; the network takes the exact value"
        )

    def rounds_ties(self) -> str | None:
        """A note on outputs that are equal but for the rounding of a source that computes in
        floats; None if their sums are exact.
        """
        if all(map(_is_power, self.magnitude)):
            return None
        return (
            f"{self.name}: equal outputs are told apart by the source's rounding; the network "
            "takes the first"
        )

    def may_repeat(
        self, first: Sequence[Fraction], again: Sequence[Fraction], *, strict: bool
    ) -> bool:
        """Whether a unit may fire twice that fires when its potential has risen by ``first`` (by
        more if ``strict``), and again when it has risen by ``again`` since; both per unit.
        """

        def spikes(rise: Fraction, slope: Fraction) -> int:
            count = rise / abs(slope)
            return floor(count) + 1 if strict else ceil(count)

        return any(
            max(spikes(a, slope), 0) + spikes(b, slope) <= self.most if slope else b <= 0
            for slope, a, b in zip(self.slopes(), first, again, strict=True)
        )

    def decides_in_spikes(self, level: Sequence[Fraction]) -> str | None:
        """What the integer margins of this output layer lose, as a note; None if nothing."""
        slopes = self.slopes()
        rests = zip(level, self.resting(), slopes, strict=True)
        parts = {(t - r) / abs(s) % 1 for t, r, s in rests if s}
        if len({abs(slope) for slope in slopes}) == 1 and len(parts) == 1:
            return None
        scales = sorted(float(abs(slope)) for slope in slopes)
        several = scales[0] != scales[-1]
        return f"{self.name}: outputs that fire in the same step, or that do not fire, " + (
            f"are compared as if a spike added the same to each, not {scales[0]:.4g} to "
            f"{scales[-1]:.4g} as in the source"
            if several
            else "are compared in integers, potential minus threshold; the source's are real"
        )


def read_out(stage: Stage, *, equal_scales: bool) -> Layer:
    """The output layer without an activation: none of its units ever fires, so that the largest
    value in the last step names the class.

    Parameters
    ----------
    equal_scales : bool
        Outputs of several scales are taken for outputs of one: each keeps the potential at which
        its value is 0, and a spike counts the same in all.

    Raises
    ------
    ConversionError
        Outputs have several scales, no output depends on its inputs, or biases are too large.
    """
    scales = {abs(slope) for slope in stage.slopes()}
    if len(scales) > 1 and not equal_scales:
        low, high = float(min(scales)), float(max(scales))
        raise ConversionError(
            f"{stage.name}: outputs are compared by their values, of which a spike adds "
            f"{low:.4g} to one and {high:.4g} to another; train it with one scale for all outputs, "
            "or take them for equal (--equal-scales) and measure what that costs (--check)"
        )
    if scales == {0}:
        raise ConversionError(f"{stage.name}: no output depends on its inputs")
    layer = stage.fires_at([Fraction(0)] * len(stage.weight), strict=False)
    threshold = layer.threshold.astype(np.int64)
    threshold += max(0, stage.most + 1 - int(threshold.min()))
    if threshold.max() > np.iinfo(np.int32).max:
        raise ConversionError(f"{stage.name}: its biases lie further apart than int32 reaches")
    return Layer(weight=layer.weight, threshold=threshold.astype(np.int32))


def most_spikes(encoder: NetworkEncoder) -> int:
    """Spikes that the first layer gets at most."""
    return _EVENTS if isinstance(encoder, EventsEncoder) else encoder.inputs


def _is_power(value: Fraction) -> bool:
    """Whether ``value`` is a power of two, so that sums of it are exact in floats."""
    return value.numerator & (value.numerator - 1) == 0


def _magnitudes(name: str, weight: np.ndarray) -> list[Fraction]:
    """The one magnitude of each row."""
    if weight.ndim != 2 or 0 in weight.shape:
        raise ConversionError(f"{name}: its weights must be [N_out, N_in], not {weight.shape}")
    if not np.isfinite(weight).all():
        raise ConversionError(f"{name}: its weights must be finite, not NaN or infinite")
    sizes = np.abs(weight)
    if not (zeros := int((sizes == 0).sum())):
        rows = (sizes != sizes[:, :1]).any(axis=1)
        if not rows.any():
            return [Fraction(float(size)) for size in sizes[:, 0]]
        row = int(rows.argmax())
        found = len(np.unique(sizes[row]))
        raise ConversionError(
            f"{name}: real weights: {found} magnitudes in row {row}, and more than one in "
            f"{int(rows.sum())} of {len(rows)} rows; 1-bit weights have one per row"
        )
    raise ConversionError(
        f"{name}: {zeros:,} of {weight.size:,} weights are 0; 1-bit weights are +1 or −1, times "
        "one magnitude per row"
    )


def _fractions(name: str, values: Iterable[float], units: int) -> list[Fraction]:
    """``values`` exactly, one per unit."""
    array = np.asarray(list(values), np.float64)
    if array.shape == (1,):
        array = array.repeat(units)
    if array.shape != (units,):
        raise ConversionError(f"{name}: is for {len(array)} units, not {units}")
    if not np.isfinite(array).all():
        raise ConversionError(f"{name}: its parameters must be finite, not NaN or infinite")
    return [Fraction(value) for value in array.tolist()]
