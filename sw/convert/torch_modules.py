"""Modules of PyTorch as a chain of layers: what each is, its weights, and how it is run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sw.convert.errors import ConversionError
from sw.convert.layers import Levels
from sw.convert.neurons import is_neuron
from sw.convert.step import Elementwise, step_of
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.foreign import reason_of

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = [
    "Part",
    "blocks_of",
    "call",
    "check_forward",
    "dtype_of",
    "elementwise",
    "fresh",
    "front_of",
    "norm_of",
    "on_arrays",
    "parts_of",
    "unchecked",
    "weights_of",
]

_TRIALS = 64  # random inputs on which a module and the chain of its children must agree
_SKIPPED = {"Identity", "Dropout", "AlphaDropout", "Flatten"}


class Part(NamedTuple):
    """A module of the chain, and what it is."""

    name: str
    module: Any  # nn.Module, of the kind that comes next
    kind: str  # linear, norm, step or neuron


def fresh(module: nn.Module) -> nn.Module:
    """A copy for evaluation on the CPU, one step at a time, with neurons that have no potential."""
    try:
        module = copy.deepcopy(module).cpu().eval()
    except RuntimeError as error:  # a state that hangs on a graph of gradients
        raise ConversionError(
            f"{type(module).__name__}: cannot be copied ({reason_of(error, None)}); it must "
            "have its parameters, and neurons that were reset"
        ) from None
    for part in module.modules():
        if hasattr(part, "step_mode"):
            setattr(part, "step_mode", "s")  # noqa: B010  # an attribute of some classes only
        if is_neuron(part):
            for method in ("reset", "reset_mem"):  # SpikingJelly, snnTorch
                if callable(function := getattr(part, method, None)):
                    function()
    return module


def parts_of(module: nn.Module, path: str) -> Iterator[Part]:
    """The chain of layers in ``module``, in the order of its children."""
    from torch import nn

    kind = type(module).__name__
    name = f"{path} ({kind})" if path else kind
    if kind in _SKIPPED:
        return
    if hasattr(module, "kernel_size") and hasattr(module, "out_channels"):
        raise ConversionError(
            f"{name}: a convolution; modules with 1-bit weights are converted with dense layers "
            "only, an ANN with real weights by --method"
        )
    if isinstance(module, nn.BatchNorm1d):
        yield Part(name, module, "norm")
    elif is_neuron(module):
        yield Part(name, module, "neuron")
    elif hasattr(module, "in_features") and hasattr(module, "out_features"):
        yield Part(name, module, "linear")
    elif any(hasattr(each, "in_features") or is_neuron(each) for each in module.modules()) or (
        isinstance(module, nn.Sequential)
    ):
        for child, part in module.named_children():
            yield from parts_of(part, f"{path}.{child}" if path else child)
    else:
        step_of(name, elementwise(name, module))
        yield Part(name, module, "step")


def front_of(chain: Sequence[Part]) -> tuple[Part | None, Sequence[Part]]:
    """The sign-like activation before the first linear layer, if there is one, and the rest."""
    if len(chain) > 1 and [part.kind for part in chain[:2]] == ["step", "linear"]:
        return chain[0], chain[1:]
    return None, chain


def blocks_of(chain: Sequence[Part]) -> Iterator[list[Part]]:
    """The chain, cut before each linear layer."""
    block: list[Part] = []
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


def elementwise(name: str, module: nn.Module) -> Elementwise:
    """``module`` as a function of arrays, of values each by itself."""
    import torch

    def run(values: np.ndarray) -> np.ndarray:
        column = values.reshape(-1, 1) if values.ndim == 1 else values
        try:
            with torch.no_grad():
                result = module(torch.from_numpy(column.copy()))
            return np.asarray(result.detach().to(torch.float64).numpy()).reshape(values.shape)
        except Exception as error:  # whatever a stranger's module raises
            if any(True for _ in module.parameters()):
                raise ConversionError(
                    f"{name}: no layer of a network; known are Linear, BatchNorm1d, activations of "
                    "two values and neurons without a leak"
                ) from None
            reason = str(error).splitlines()[0] if str(error) else "no reason"
            raise ConversionError(
                f"{name}: cannot be run on single values, as an activation "
                f"({type(error).__name__}: {reason})"
            ) from None

    return run


def on_arrays(parts: Sequence[Part]) -> Callable[[np.ndarray], np.ndarray]:
    """The modules one after the other, as a function of arrays [B, N_in] to [B, N_out]."""
    import torch

    kind = dtype_of(parts[0].module)

    def run(values: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            tensor = torch.from_numpy(values).to(kind)
            for part in parts:
                tensor = part.module(tensor)
        return np.asarray(tensor.numpy())

    return run


def weights_of(name: str, module: nn.Linear) -> tuple[np.ndarray, np.ndarray]:
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
        unit = torch.eye(count, dtype=dtype_of(module))
        rows = call(name, bare, unit).double()
        others = [call(name, bare, factor * unit).double() for factor in (0.0, -1.0, 2.0)]
    if any((got != factor * rows).any() for got, factor in zip(others, (0, -1, 2), strict=True)):
        raise ConversionError(
            f"{name}: is not linear: it also changes its inputs; make that a module of its own"
        )
    return rows.numpy().T.copy(), biases


def norm_of(
    name: str, norm: nn.BatchNorm1d
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """γ, μ, σ and β of a batch norm as it is in evaluation, float64 [N], or [1] for all units."""
    if norm.running_mean is None or norm.running_var is None:
        raise ConversionError(f"{name}: keeps no running statistics (track_running_stats)")
    mean, variance = (each.double().numpy() for each in (norm.running_mean, norm.running_var))
    if not (variance + norm.eps > 0).all():
        raise ConversionError(f"{name}: its variance must be above 0")
    gamma, beta = (
        np.array([default]) if each is None else each.detach().double().numpy()
        for each, default in ((norm.weight, 1.0), (norm.bias, 0.0))
    )
    return gamma, mean, np.sqrt(variance + norm.eps), beta


def check_forward(
    module: nn.Module,
    chain: Sequence[Part],
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
    flat = torch.from_numpy(values).to(dtype_of(module))
    with torch.no_grad():
        expected = flat
        for part in chain:
            expected = call(part.name, part.module, expected)
        flattens = any(type(each).__name__ == "Flatten" for each in module.modules())
        if flattens and isinstance(encoder, LatencyEncoder) and encoder.inputs == encoder.pixels:
            flat = flat.reshape(_TRIALS, encoder.channels, *encoder.shape[-2:])
        got = call(type(module).__name__, module, flat)
    if got.shape != expected.shape or not torch.allclose(
        got, expected, rtol=1e-4, atol=1e-5, equal_nan=True
    ):
        raise ConversionError(
            f"{type(module).__name__}: its forward does not run its children one after the other "
            "in the order of their definition; write it as nn.Sequential"
        )


def unchecked(module: nn.Module) -> list[str]:
    """A note on a simulation that nothing here can run as its author does."""
    from torch import nn

    if isinstance(module, nn.Sequential):
        return []
    return [
        f"{type(module).__name__}: its forward is not run; its children are taken one after the "
        "other, in the order of their definition"
    ]


def dtype_of(module: nn.Module) -> torch.dtype:
    """What a module computes in."""
    import torch

    kinds = (each.dtype for each in module.parameters() if each.dtype.is_floating_point)
    return next(kinds, torch.float32)


def call(name: str, module: nn.Module, values: torch.Tensor) -> torch.Tensor:
    """What a module makes of a batch. Neurons of snnTorch also return their state, which is left
    out.
    """
    try:
        result = module(values)
    except Exception as error:  # whatever a stranger's module raises
        raise ConversionError(
            f"{name}: cannot be run on inputs {list(values.shape)}: {reason_of(error, None)}"
        ) from None
    return result[0] if isinstance(result, tuple) else result
