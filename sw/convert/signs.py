"""Networks with sign-like activations, of any framework: what they mean, and how they are run.

Such a source says what a unit's value is while some of its inputs have fired (docs/own_network.md):
an input is ``low`` until it fires and ``high`` from then on, and so is a hidden unit. With one step
it is evaluated once, as a binarised network. NumPy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

import numpy as np

from sw.convert.errors import ConversionError
from sw.convert.layers import (
    Converted,
    Levels,
    Stage,
    Target,
    most_spikes,
    read_out,
)
from sw.convert.simulate import Stepper, simulate
from sw.convert.step import Elementwise, step_of
from sw.encoder import Inputs, LatencyEncoder
from sw.network import Layer, Network

__all__ = ["Activation", "Block", "Reading", "convert_signs"]

_PIXELS = np.arange(256)


class Activation(NamedTuple):
    """An elementwise function of a source."""

    name: str
    run: Elementwise


class Block(Protocol):
    """A linear layer of a source with what follows it, up to and with its activation."""

    @property
    def activation(self) -> Activation | None:
        """None for a read-out."""

    def stage(self, inputs: Levels, most: int) -> Stage:
        """The value before the activation as exact numbers, if inputs have these levels and so many
        spikes at most.
        """

    def run(self, values: np.ndarray) -> np.ndarray:
        """The value before the activation, float [B, N_out], as the source itself computes it from
        float [B, N_in].
        """


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the inputs of a source, and its outputs, are to be read.

    Parameters
    ----------
    bipolar : bool
        A source without a quantiser of its inputs is given −1 and +1, instead of 0 and 1.
    input_range : (float, float), or None
        What a source with a quantiser of its inputs is given for pixels of 0 and 255; None is 0, 1.
    equal_scales : bool
        Outputs of several scales are taken for outputs of one (:func:`sw.convert.layers.read_out`).
    """

    bipolar: bool = False
    input_range: tuple[float, float] | None = None
    equal_scales: bool = False

    @property
    def levels(self) -> Levels:
        return Levels(Fraction(-1) if self.bipolar else Fraction(0), Fraction(1))

    def of_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels 0 … 255 as the source is given them, float32."""
        low, high = self.input_range or (0.0, 1.0)
        return (low + pixels * (high - low) / 255).astype(np.float32)


def convert_signs(
    blocks: Sequence[Block],
    front: Activation | None,
    target: Target,
    reading: Reading,
    *,
    rule: str,
    source: str,
) -> Converted:
    """The network of a source.

    Parameters
    ----------
    blocks : sequence of Block
    front : Activation, or None
        What the source does to its inputs before its first linear layer.
    target : Target
        With a quantiser in front, ``silent_below`` of its encoder must be what that says, or 0.
    rule, source : str
        For the provenance.

    Raises
    ------
    ConversionError
        No network does the same. One line: layer, reason, remedy.
    """
    levels, below = _inputs(front, target, reading)
    if below is not None:
        assert isinstance(target.encoder, LatencyEncoder)
        target = replace(target, encoder=replace(target.encoder, silent_below=below))
    layers: list[Layer] = []
    given, notes, most = [levels], [], most_spikes(target.encoder)
    if front and below is None:
        notes.append(
            f"{front.name}: no quantiser of the inputs, so the source is given "
            f"{'−1' if reading.bipolar else '0'} and 1 for inputs that have not and that have fired"
        )
    for block in blocks:
        stage = block.stage(given[-1], most)
        layer, levels, level = _fire(block.activation, stage, reading)
        if block.activation and (note := stage.rounds_at(level)):
            notes.append(note)
        if block is blocks[-1] and (note := stage.decides_in_spikes(level) or stage.rounds_ties()):
            notes.append(note)
        layers.append(layer)
        given.append(levels)
        most = layer.outputs
    network = target.network(layers, rule, source)
    whole = front if below is not None and target.steps == 1 else None

    def classify(inputs: Inputs) -> np.ndarray:
        spikes = network.encoder.encode(inputs, network.steps)
        first = whole.run(_given(network, inputs, reading)) if whole else None
        return simulate(spikes, network, _stepper(blocks, given, first))

    return Converted(network, classify, tuple(notes))


def _inputs(
    front: Activation | None, target: Target, reading: Reading
) -> tuple[Levels, int | None]:
    """What the first linear layer is given, and the least pixel that gives the high level if the
    source quantises pixels itself.
    """
    encoder = target.encoder
    if front and isinstance(encoder, LatencyEncoder):
        pixels = reading.of_pixels(_PIXELS).repeat(encoder.inputs).reshape(len(_PIXELS), -1)
        values = _alike(front, encoder.inputs, front.run(pixels))
        if len(set(values)) < len(_PIXELS):
            return _quantised(front, values, encoder, reading)
    if reading.input_range:
        raise ConversionError(
            "--input-range: the source has no quantiser of its inputs; leave it out"
        )
    if front is None:
        return reading.levels, None
    ends = np.array([[float(level)] * encoder.inputs for level in reading.levels], np.float32)
    return Levels(*_alike(front, encoder.inputs, front.run(ends))), None


def _quantised(
    front: Activation, values: Sequence[Fraction], encoder: LatencyEncoder, reading: Reading
) -> tuple[Levels, int]:
    """The two ``values`` that a quantiser has for pixels of 0 … 255, and the least pixel of the
    second.
    """
    changes = [pixel for pixel in _PIXELS[1:] if values[pixel] != values[pixel - 1]]
    if len(changes) != 1:
        low, high = reading.input_range or (0, 1)
        raise ConversionError(
            f"{front.name}: must change once between the darkest and the brightest pixel, {low:g} "
            f"and {high:g}, not {len(changes)} times; say what it is given (--input-range)"
        )
    levels, below = Levels(values[0], values[-1]), int(changes[0])
    if reading.bipolar:
        low, high = map(float, levels)
        raise ConversionError(
            f"{front.name}: gives {low:g} and {high:g} itself; leave out --bipolar"
        )
    if encoder.silent_below not in (0, below):
        raise ConversionError(
            f"{front.name}: tells pixels of {below} and more from others, and silent_below is "
            f"{encoder.silent_below}; leave it out"
        )
    return levels, below


def _alike(front: Activation, inputs: int, values: np.ndarray) -> list[Fraction]:
    """Rows [R, N] of which all columns must be the same, as R numbers."""
    if values.shape[1:] != (inputs,) or not np.isfinite(values).all():
        raise ConversionError(f"{front.name}: does not give a number for each of {inputs} inputs")
    different = (values != values[:, :1]).any(axis=0)
    if different.any():
        raise ConversionError(
            f"{front.name}: treats input {int(different.argmax())} in another way than input 0; "
            "the encoder treats all alike"
        )
    return [Fraction(float(value)) for value in values[:, 0]]


def _fire(
    activation: Activation | None, stage: Stage, reading: Reading
) -> tuple[Layer, Levels, list[Fraction]]:
    """The layer of a block, what it gives to the next, and the value at which each unit fires, or
    from which on a read-out counts.
    """
    units = len(stage.weight)
    if activation is None:
        return read_out(stage, equal_scales=reading.equal_scales), Levels(), [Fraction(0)] * units
    step = step_of(*activation)
    if step.zero and (at_zero := stage.reaches([Fraction(0)] * units)):
        raise ConversionError(
            f"{activation.name}: gives a third value at exactly 0, which unit {at_zero[0]} of "
            f"{stage.name} reaches; compare with >= 0"
        )
    level = [step.least] * units
    return stage.fires_at(level, strict=False), Levels(step.low, step.high), level


def _given(network: Network, inputs: Inputs, reading: Reading) -> np.ndarray:
    """What a source is given for images, float32 [B, N]."""
    assert isinstance(network.encoder, LatencyEncoder)
    return reading.of_pixels(network.encoder.values(inputs))


def _stepper(
    blocks: Sequence[Block], levels: Sequence[Levels], first: np.ndarray | None
) -> Stepper:
    """Evaluates the source on what has fired, in each step; or on the inputs ``first`` of its first
    linear layer.
    """
    total: Any = 0
    fired: list[Any] = [False] * len(blocks)

    def step(spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal total
        total = total + spikes
        values = _between(levels[0], total) if first is None else first
        for index, block in enumerate(blocks):
            margin = block.run(values)
            if block.activation is None:
                return np.zeros(margin.shape, bool), margin
            high = float(levels[index + 1].high)
            fired[index] = fired[index] | (block.activation.run(margin) == high)
            values = _between(levels[index + 1], fired[index])
        return fired[-1], margin

    return step


def _between(levels: Levels, count: np.ndarray) -> np.ndarray:
    low, high = map(float, levels)
    return low + (high - low) * count
