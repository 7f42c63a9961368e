"""From PyTorch: modules that are a chain of linear layers, batch norms, and sign-like activations
or spiking neurons.

Two classes of modules have a meaning as a network (docs/own_network.md): those with sign-like
activations, see :mod:`sw.convert.signs`, and those with spiking neurons, which are a simulation:
they are called in every step with that step's spikes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from sw.convert.errors import ConversionError
from sw.convert.layers import (
    Converted,
    Levels,
    Stage,
    Target,
    most_spikes,
    read_out,
)
from sw.convert.neurons import Neuron, neuron_of
from sw.convert.signs import Activation, Reading, convert_signs
from sw.convert.torch_modules import (
    Part,
    blocks_of,
    check_forward,
    elementwise,
    fresh,
    front_of,
    norm_of,
    on_arrays,
    parts_of,
    unchecked,
    weights_of,
)
from sw.convert.torch_run import runner
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import Network

if TYPE_CHECKING:
    from torch import nn

__all__ = ["convert_torch", "from_torch"]

_RULE = "imported from PyTorch"


def from_torch(
    module: nn.Module,
    *,
    encoder: LatencyEncoder | EventsEncoder,
    steps: int,
    labels: Sequence[str],
    name: str = "converted",
    dataset: str | None = None,
    bipolar: bool = False,
    input_range: tuple[float, float] | None = None,
    equal_scales: bool = False,
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
    input_range : (float, float), optional
        What the module is given for pixels of 0 and 255 (default 0, 1), if it has a sign-like
        activation before its first linear layer; then that says ``silent_below``.
    equal_scales : bool
        Outputs without an activation and with several scales are taken for outputs of one scale,
        each with its own value of 0: an approximation.
    latched : bool
        The code around the module takes only the first spike of each hidden neuron.

    Raises
    ------
    ConversionError
        No network does the same. One line: layer, reason, remedy.
    NetworkError
        Encoder, steps or labels do not fit the module.
    """
    target = Target(encoder=encoder, steps=steps, labels=labels, name=name, dataset=dataset)
    reading = Reading(bipolar=bipolar, input_range=input_range, equal_scales=equal_scales)
    return convert_torch(module, target, reading, latched=latched).network


def convert_torch(
    module: nn.Module, target: Target, reading: Reading, *, latched: bool = False
) -> Converted:
    """As :func:`from_torch`, with what runs the module itself and what the two decide in other
    ways.
    """
    module = fresh(module)
    chain = list(parts_of(module, ""))
    if any(part.kind == "neuron" for part in chain):
        return _simulation(module, chain, target, reading, latched=latched)
    front, rest = front_of(chain)
    check_forward(module, chain, target.encoder, reading.levels)
    return convert_signs(
        [_Block(*parts) for parts in blocks_of(rest)],
        _activation(front) if front else None,
        target,
        reading,
        rule=_RULE,
        source=type(module).__name__,
    )


class _Block:
    """A :class:`sw.convert.signs.Block`."""

    def __init__(self, *parts: Part) -> None:
        self.parts = parts[:-1] if parts[-1].kind == "step" else parts
        self.activation = _activation(parts[-1]) if parts[-1].kind == "step" else None
        self.run = on_arrays(self.parts)

    def stage(self, inputs: Levels, most: int) -> Stage:
        return _stage(self.parts, inputs, most)


def _activation(part: Part) -> Activation:
    return Activation(part.name, elementwise(part.name, part.module))


def _simulation(
    module: nn.Module, chain: Sequence[Part], target: Target, reading: Reading, *, latched: bool
) -> Converted:
    """The network of a module with spiking neurons."""
    if steps := [part.name for part in chain if part.kind == "step"]:
        raise ConversionError(
            f"{steps[0]}: a sign-like activation beside spiking neurons; take one of both"
        )
    for flag, given in (("--bipolar", reading.bipolar), ("--input-range", reading.input_range)):
        if given:
            raise ConversionError(
                f"{flag}: inputs of spiking neurons are spikes, 0 or 1; leave it out"
            )
    layers, levels, notes = [], [Levels()], unchecked(module)
    most = most_spikes(target.encoder)
    blocks = list(blocks_of(chain))
    for index, block in enumerate(blocks):
        last = index == len(blocks) - 1
        stage = _stage(block, levels[-1], most)
        _check_bias(stage, target.steps)
        if block[-1].kind == "neuron":
            name, neuron = block[-1].name, neuron_of(*block[-1][:2])
            level = _thresholds(name, neuron, stage)
            if not last and not latched and target.steps > 1:
                _check_latch(name, stage, neuron, level)
            layer = stage.fires_at(level, strict=neuron.strict)
            levels.append(Levels(high=neuron.spike))
        else:
            level = [Fraction(0)] * len(stage.weight)
            layer = read_out(stage, equal_scales=reading.equal_scales)
            levels.append(Levels())
        if last and (note := stage.decides_in_spikes(level)):
            notes.append(note)
        layers.append(layer)
        most = layer.outputs
    network = target.network(layers, _RULE, type(module).__name__)
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


def _thresholds(name: str, neuron: Neuron, stage: Stage) -> list[Fraction]:
    """By how much the potential of each unit must rise."""
    units = len(stage.weight)
    if isinstance(neuron.rise, Fraction):
        return [neuron.rise] * units
    if len(neuron.rise) != units:
        raise ConversionError(f"{name}: has {len(neuron.rise)} thresholds for {units} units")
    return neuron.rise


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
