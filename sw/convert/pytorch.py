"""From PyTorch: modules that are a chain of linear layers, batch norms, and sign-like activations
or spiking neurons.

Two classes of modules have a meaning as a network (docs/own_network.md):

- with sign-like activations the module says what a unit's potential is while some inputs have
  fired: an input is ``low`` until it fires and ``high`` from then on, and so is a hidden unit;
- with spiking neurons the module is a simulation: it is called in every step with that step's
  spikes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from sw.convert.activations import Neuron, neuron_of, step_of
from sw.convert.layers import (
    ConversionError,
    Converted,
    Levels,
    Stage,
    most_spikes,
    provenance_of,
)
from sw.convert.torch_modules import (
    Part,
    blocks_of,
    check_forward,
    fresh,
    norm_of,
    parts_of,
    unchecked,
    weights_of,
)
from sw.convert.torch_run import runner
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import Layer, Network

if TYPE_CHECKING:
    from torch import nn

__all__ = ["convert_torch", "from_torch"]

_BIPOLAR = Levels(Fraction(-1), Fraction(1))


def from_torch(
    module: nn.Module,
    *,
    encoder: LatencyEncoder | EventsEncoder,
    steps: int,
    labels: Sequence[str],
    name: str = "converted",
    dataset: str | None = None,
    bipolar: bool = False,
    latched: bool = False,
) -> Network:
    """The network that a PyTorch module is. The module is left as it is.

    Parameters
    ----------
    module : nn.Module
        A chain of Linear (or what has ``in_features``), BatchNorm1d, sign-like activations or
        neurons without a leak; Flatten, Identity and Dropout are passed over. The last activation
        may be left out: then no output fires, and the largest value in the last step decides.
    encoder : LatencyEncoder or EventsEncoder
        How inputs become spikes.
    steps : int
        T. With 1 the network is the module, evaluated once.
    labels : sequence of str
        Names of the classes, one per output.
    name, dataset : str
        Of the network, and of the data it was trained on if that is one of this project.
    bipolar : bool
        An input is −1 until it fires and +1 from then on, instead of 0 and 1.
    latched : bool
        The code around the module takes only the first spike of each hidden neuron.

    Raises
    ------
    ConversionError
        No network does the same. One line: layer, reason, remedy.
    NetworkError
        Encoder, steps or labels do not fit the module.
    """
    return convert_torch(
        module,
        encoder=encoder,
        steps=steps,
        labels=labels,
        name=name,
        dataset=dataset,
        bipolar=bipolar,
        latched=latched,
    ).network


def convert_torch(
    module: nn.Module,
    *,
    encoder: LatencyEncoder | EventsEncoder,
    steps: int,
    labels: Sequence[str],
    name: str = "converted",
    dataset: str | None = None,
    bipolar: bool = False,
    latched: bool = False,
) -> Converted:
    """As :func:`from_torch`, with what runs the module itself and what the two decide in other
    ways.
    """
    module = fresh(module)
    chain = list(parts_of(module, ""))
    spiking = any(part.kind == "neuron" for part in chain)
    steppers = [part.name for part in chain if part.kind == "step"]
    if spiking and steppers:
        raise ConversionError(
            f"{steppers[0]}: a sign-like activation beside spiking neurons; take one of both"
        )
    if spiking and bipolar:
        raise ConversionError("inputs of spiking neurons are spikes, 0 or 1; leave out --bipolar")
    inputs = _BIPOLAR if bipolar else Levels()
    if not spiking:
        check_forward(module, chain, encoder, inputs)
    layers, levels, notes = [], [inputs], unchecked(module) if spiking else []
    most = most_spikes(encoder)
    blocks = list(blocks_of(chain))
    for index, block in enumerate(blocks):
        last = index == len(blocks) - 1
        stage = _stage(block, levels[-1], most)
        if spiking:
            _check_bias(stage, steps)
        layer, given = _fire(block, stage, steps=steps, hidden=not last, latched=latched)
        if last and (note := stage.decides_in_spikes(_levels(block, stage))):
            notes.append(note)
        layers.append(layer)
        levels.append(given)
        most = layer.outputs
    network = Network(
        name=name,
        steps=steps,
        encoder=encoder,
        layers=tuple(layers),
        labels=tuple(labels),
        provenance=provenance_of("imported from PyTorch", dataset, type(module).__name__),
    )
    return Converted(network, runner(blocks, levels, network, latched), tuple(notes))


def _stage(block: Sequence[Part], inputs: Levels, most: int) -> Stage:
    """The linear layer of a block with the batch norms after it."""
    name = block[0].name
    weight, bias = weights_of(name, block[0].module)
    stage = Stage(name=name, weight=weight, inputs=inputs, most=most)
    stage.affine(name, [1.0], bias)
    for part in block[1:]:
        if part.kind == "norm":
            stage.normalise(part.name, *norm_of(part.name, part.module))
    return stage


def _levels(block: Sequence[Part], stage: Stage) -> list[Fraction]:
    """The value at which each unit of a block fires."""
    units, (name, module, kind) = len(stage.weight), block[-1]
    if kind == "step":
        return [step_of(name, module).least] * units
    if kind == "neuron":
        rise = neuron_of(name, module).rise
        if isinstance(rise, Fraction):
            return [rise] * units
        if len(rise) != units:
            raise ConversionError(f"{name}: has {len(rise)} thresholds for {units} units")
        return rise
    return [Fraction(0)] * units


def _fire(
    block: Sequence[Part], stage: Stage, *, steps: int, hidden: bool, latched: bool
) -> tuple[Layer, Levels]:
    """The layer of a block, and what it gives to the next."""
    name, module, kind = block[-1]
    levels = _levels(block, stage)
    if kind == "neuron":
        neuron = neuron_of(name, module)
        if hidden and not latched and steps > 1:
            _check_latch(name, stage, neuron, levels)
        return stage.fires_at(levels, strict=neuron.strict), Levels(high=neuron.spike)
    if kind != "step":
        return _read_out(stage), Levels()
    step = step_of(name, module)
    if step.zero and (unit := stage.reaches(Fraction(0))) is not None:
        raise ConversionError(
            f"{name}: gives a third value at exactly 0, which unit {unit} of {stage.name} reaches; "
            "compare with >= 0"
        )
    return stage.fires_at(levels, strict=False), Levels(step.low, step.high)


def _read_out(stage: Stage) -> Layer:
    """The output layer without an activation: none of its units ever fires."""
    scales = {abs(slope) for slope in stage.slopes()}
    if len(scales) > 1:
        low, high = float(min(scales)), float(max(scales))
        raise ConversionError(
            f"{stage.name}: outputs are compared by their values, of which a spike adds "
            f"{low:.4g} to one and {high:.4g} to another; give all outputs one magnitude and one "
            "scale, or end in an activation"
        )
    if scales == {0}:
        raise ConversionError(f"{stage.name}: no output depends on its inputs")
    layer = stage.fires_at([Fraction(0)] * len(stage.weight), strict=False)
    threshold = layer.threshold.astype(np.int64)
    threshold += max(0, stage.most + 1 - int(threshold.min()))
    if threshold.max() > np.iinfo(np.int32).max:
        raise ConversionError(f"{stage.name}: its biases lie further apart than int32 reaches")
    return Layer(weight=layer.weight, threshold=threshold.astype(np.int32))


def _check_bias(stage: Stage, steps: int) -> None:
    """Refuses what a potential gets in each step beside the sum of its weights."""
    biased = sum(rest != 0 for rest in stage.resting())
    if biased and steps > 1:
        raise ConversionError(
            f"{stage.name}: a bias is added in every step, to {biased} of {len(stage.weight)} "
            "units; a potential is a sum of weights alone (no bias, no shift of a batch norm)"
        )


def _check_latch(name: str, stage: Stage, neuron: Neuron, levels: Sequence[Fraction]) -> None:
    """Refuses hidden neurons that may fire a second time."""
    if not neuron.resets or stage.may_repeat(levels, levels, strict=neuron.strict):
        raise ConversionError(
            f"{name}: may fire again after its first spike, which a unit of a network does not; "
            "if the code around it takes first spikes only, say so (--latched)"
        )
