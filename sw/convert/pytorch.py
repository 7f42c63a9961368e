"""From PyTorch: modules that are a chain of linear layers, batch norms, and sign-like activations
or spiking neurons.

Two classes of modules have a meaning as a network (docs/own_network.md):

- with sign-like activations the module says what a unit's potential is while some inputs have
  fired: an input is ``low`` until it fires and ``high`` from then on, and so is a hidden unit;
- with spiking neurons the module is a simulation: it is called in every step with that step's
  spikes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sw.convert.activations import Neuron, is_neuron, neuron_of, step_of
from sw.convert.layers import (
    ConversionError,
    Converted,
    Levels,
    Stage,
    most_spikes,
    provenance_of,
)
from sw.convert.simulate import simulate
from sw.encoder import EventsEncoder, LatencyEncoder, Spikes
from sw.network import Layer, Network

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["convert_torch", "from_torch"]

_BIPOLAR = Levels(Fraction(-1), Fraction(1))
_TRIALS = 64  # random inputs on which a module and the chain of its children must agree
_SKIPPED = {"Identity", "Dropout", "AlphaDropout", "Flatten"}


class _Part(NamedTuple):
    """A module of the chain, and what it is."""

    name: str
    module: Any  # nn.Module, of the kind that comes next
    kind: str  # linear, norm, step or neuron


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
    module = _fresh(module)
    chain = list(_parts(module, ""))
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
        _check_forward(module, chain, encoder, inputs)
    layers, levels, notes = [], [inputs], _unchecked(module) if spiking else []
    most = most_spikes(encoder)
    blocks = list(_blocks(chain))
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
    return Converted(network, _runner(blocks, levels, network, latched), tuple(notes))


def _fresh(module: nn.Module) -> nn.Module:
    """A copy for evaluation on the CPU, one step at a time, with neurons that have no potential."""
    try:
        module = copy.deepcopy(module).cpu().eval()
    except RuntimeError as error:  # a state that hangs on a graph of gradients
        raise ConversionError(
            f"{type(module).__name__}: cannot be copied ({str(error).splitlines()[0]}); reset the "
            "state of its neurons first"
        ) from None
    for part in module.modules():
        if hasattr(part, "step_mode"):
            setattr(part, "step_mode", "s")  # noqa: B010  # an attribute of some classes only
        if is_neuron(part):
            for method in ("reset", "reset_mem"):  # SpikingJelly, snnTorch
                if callable(function := getattr(part, method, None)):
                    function()
    return module


def _parts(module: nn.Module, path: str) -> Iterator[_Part]:
    """The chain of layers in ``module``, in the order of its children."""
    from torch import nn

    kind = type(module).__name__
    name = f"{path} ({kind})" if path else kind
    if kind in _SKIPPED:
        return
    if isinstance(module, nn.BatchNorm1d):
        yield _Part(name, module, "norm")
    elif is_neuron(module):
        yield _Part(name, module, "neuron")
    elif hasattr(module, "in_features") and hasattr(module, "out_features"):
        yield _Part(name, module, "linear")
    elif any(hasattr(each, "in_features") or is_neuron(each) for each in module.modules()) or (
        isinstance(module, nn.Sequential)
    ):
        for child, part in module.named_children():
            yield from _parts(part, f"{path}.{child}" if path else child)
    else:
        step_of(name, module)
        yield _Part(name, module, "step")


def _blocks(chain: Sequence[_Part]) -> Iterator[list[_Part]]:
    """The chain, cut before each linear layer."""
    block: list[_Part] = []
    for part in chain:
        if part.kind == "linear":
            if block and block[-1].kind not in ("step", "neuron"):
                raise ConversionError(
                    f"{part.name}: follows {block[-1].name} without an activation between them; "
                    "make it a module of its own"
                )
            if block:
                yield block
            block = []
        elif not block:
            raise ConversionError(
                f"{part.name}: stands before the first linear layer, where the encoder is"
            )
        elif block[-1].kind in ("step", "neuron"):
            raise ConversionError(
                f"{part.name}: follows an activation; a linear layer must stand between them"
            )
        block.append(part)
    if not block:
        raise ConversionError("the module has no linear layer; a network has at least one")
    yield block


def _stage(block: Sequence[_Part], inputs: Levels, most: int) -> Stage:
    """The linear layer of a block with the batch norms after it."""
    name = block[0].name
    weight, bias = _linear(name, block[0].module)
    stage = Stage(name=name, weight=weight, inputs=inputs, most=most)
    stage.affine(name, [1.0], bias)
    for part in block[1:]:
        if part.kind == "norm":
            _normalise(stage, part.name, part.module)
    return stage


def _linear(name: str, module: nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    """Weights float64 [N_out, N_in] and biases float64 [N_out] as the layer uses them, which may
    keep other values to learn from.
    """
    import torch
    from torch import nn

    count = module.in_features
    bias = getattr(module, "bias", None)
    biases = np.zeros(module.out_features) if bias is None else bias.detach().double().numpy()
    if type(module) is nn.Linear:
        return module.weight.detach().double().numpy(), biases
    bare = copy.deepcopy(module)
    if bias is not None:
        bare.register_parameter("bias", None)
    with torch.no_grad():
        unit = torch.eye(count, dtype=_dtype(module))
        rows = _call(name, bare, unit).double()
        others = [_call(name, bare, factor * unit).double() for factor in (0.0, -1.0, 2.0)]
    if any((got != factor * rows).any() for got, factor in zip(others, (0, -1, 2), strict=True)):
        raise ConversionError(
            f"{name}: is not linear: it also changes its inputs; make that a module of its own"
        )
    return rows.numpy().T.copy(), biases


def _normalise(stage: Stage, name: str, norm: nn.BatchNorm1d) -> None:
    """Applies a batch norm as it is in evaluation."""
    if norm.running_mean is None or norm.running_var is None:
        raise ConversionError(f"{name}: keeps no running statistics (track_running_stats)")
    mean, variance = (each.double().numpy() for each in (norm.running_mean, norm.running_var))
    if not (variance + norm.eps > 0).all():
        raise ConversionError(f"{name}: its variance must be above 0")
    gamma, beta = (
        np.array([default]) if each is None else each.detach().double().numpy()
        for each, default in ((norm.weight, 1.0), (norm.bias, 0.0))
    )
    stage.normalise(name, gamma, mean, np.sqrt(variance + norm.eps), beta)


def _levels(block: Sequence[_Part], stage: Stage) -> list[Fraction]:
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
    block: Sequence[_Part], stage: Stage, *, steps: int, hidden: bool, latched: bool
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


def _check_forward(
    module: nn.Module,
    chain: Sequence[_Part],
    encoder: LatencyEncoder | EventsEncoder,
    inputs: Levels,
) -> None:
    """Refuses a module whose forward is not the chain of its children."""
    import torch

    if not chain:
        return
    count = encoder.inputs
    fired = np.random.default_rng(0).random((_TRIALS, count)) < 0.5
    values = np.where(fired, float(inputs.high), float(inputs.low)).astype(np.float32)
    flat = torch.from_numpy(values).to(_dtype(module))
    with torch.no_grad():
        expected = flat
        for part in chain:
            expected = _call(part.name, part.module, expected)
        flattens = any(type(each).__name__ == "Flatten" for each in module.modules())
        if flattens and isinstance(encoder, LatencyEncoder) and encoder.inputs == encoder.pixels:
            flat = flat.reshape(_TRIALS, 1, *encoder.shape)
        got = _call(type(module).__name__, module, flat)
    if got.shape != expected.shape or not torch.allclose(got, expected, rtol=1e-4, atol=1e-5):
        raise ConversionError(
            f"{type(module).__name__}: its forward does not run its children one after the other "
            "in the order of their definition; write it as nn.Sequential"
        )


def _unchecked(module: nn.Module) -> list[str]:
    """A note on a simulation that nothing here can run as its author does."""
    from torch import nn

    if isinstance(module, nn.Sequential):
        return []
    return [
        f"{type(module).__name__}: its forward is not run; its children are taken one after the "
        "other, in the order of their definition"
    ]


def _dtype(module: nn.Module) -> torch.dtype:
    """What a module computes in."""
    import torch

    kinds = (each.dtype for each in module.parameters() if each.dtype.is_floating_point)
    return next(kinds, torch.float32)


def _call(name: str, module: nn.Module, values: torch.Tensor) -> torch.Tensor:
    """What a module makes of a batch. Neurons of snnTorch also return their state, which is left
    out.
    """
    try:
        result = module(values)
    except Exception as error:  # whatever a stranger's module raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConversionError(
            f"{name}: cannot be run on inputs {list(values.shape)}: {reason}"
        ) from None
    return result[0] if isinstance(result, tuple) else result


def _runner(
    blocks: Sequence[Sequence[_Part]], levels: Sequence[Levels], network: Network, latched: bool
) -> Callable[[Spikes], np.ndarray]:
    """What runs the module itself, see :class:`sw.convert.layers.Converted`."""
    spiking = any(block[-1].kind == "neuron" for block in blocks)
    runner = _run_neurons if spiking else _run_steps

    def classify(spikes: Spikes) -> np.ndarray:
        fresh = copy.deepcopy(blocks)  # neurons without potential
        return simulate(spikes, network, runner(fresh, levels, latched))

    return classify


def _run_steps(
    blocks: Sequence[Sequence[_Part]], levels: Sequence[Levels], latched: bool
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Called in each step with its spikes [B, N]: who fires of the outputs, and their values."""
    import torch

    total: Any = 0
    fired: list[Any] = [False] * len(blocks)
    kind = _dtype(blocks[0][0].module)

    @torch.no_grad()
    def step(spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal total
        total = total + torch.from_numpy(spikes).to(kind)
        low, high = map(float, levels[0])
        values = low + (high - low) * total
        for index, block in enumerate(blocks):
            for part in block[:-1] if block[-1].kind == "step" else block:
                values = part.module(values)
            margin = values
            if block[-1].kind == "step":
                on = block[-1].module(values) == float(levels[index + 1].high)
            else:
                on = torch.zeros_like(values, dtype=torch.bool)
            fired[index] = fired[index] | on
            low, high = map(float, levels[index + 1])
            values = torch.where(fired[index], high, low).to(kind)
        return fired[-1].numpy(), margin.double().numpy()

    return step


def _run_neurons(
    blocks: Sequence[Sequence[_Part]], levels: Sequence[Levels], latched: bool
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The same for spiking neurons, which keep their potentials."""
    import torch

    fired: list[Any] = [False] * len(blocks)
    total: Any = 0
    kind = _dtype(blocks[0][0].module)

    @torch.no_grad()
    def step(spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal total
        values = torch.from_numpy(spikes).to(kind)
        for index, block in enumerate(blocks):
            neuron = block[-1].kind == "neuron"
            for part in block[:-1] if neuron else block:
                values = part.module(values)
            if index == len(blocks) - 1:
                total = total + values
            if neuron:
                on = _call(block[-1].name, block[-1].module, values) > 0
            else:
                on = torch.zeros_like(values, dtype=torch.bool)
            values = on & ~fired[index] if latched and index < len(blocks) - 1 else on
            fired[index] = fired[index] | on
            values = values * float(levels[index + 1].high)
        rise = neuron_of(*block[-1][:2]).rise if neuron else 0
        margin = total.double().numpy() - np.array(rise, np.float64)
        return fired[-1].numpy(), margin

    return step
