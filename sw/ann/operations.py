"""What the operations that a module of PyTorch calls are in a graph: by the class of a module, the
function, or the name of a method of tensors.

Each reader takes the call's arguments and gives what it is (:class:`Found`). A new one is a line in
a table below.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw.ann.graph import Affine, Kind, Neuron, Pool, Sum
from sw.ann.modules import QCFS, Normalise
from sw.cli import UserError

__all__ = ["FUNCTIONS", "METHODS", "Found", "batch_norm", "module_of", "remedy_of"]


@dataclass(frozen=True)
class Found:
    """What a call is: a kind of node; ``nothing``, a value passed on; or ``flat``, a new shape that
    must keep images apart and have one dimension.
    """

    kind: Kind | None = None
    flat: bool = False


_NOTHING = Found()
Reader: TypeAlias = Callable[..., Found]


def _affine(linear: Callable[[Tensor], Tensor], bias: Tensor | None = None) -> Found:
    return Found(Affine(linear=linear, bias=None if bias is None else bias.detach()))


# Modules


def _convolution(name: str, module: nn.Conv2d) -> Found:
    if module.padding_mode != "zeros":
        raise UserError(f"{name}: pads with {module.padding_mode}; take padding_mode='zeros'")
    settings = module.stride, module.padding, module.dilation, module.groups
    linear = partial(_convolved, module.weight.detach(), settings)
    return _affine(linear, None if module.bias is None else module.bias.reshape(-1, 1, 1))


def _convolved(weight: Tensor, settings: tuple[Any, ...], values: Tensor) -> Tensor:
    stride, padding, dilation, groups = settings
    return functional.conv2d(values, weight, None, stride, padding, dilation, groups)


def _linear(name: str, module: nn.Linear) -> Found:
    weight = module.weight.detach()
    return _affine(lambda values: functional.linear(values, weight), module.bias)


def batch_norm(name: str, module: nn.Module) -> tuple[Tensor, Tensor]:
    """Scale and shift [C] of a batch norm as it is in evaluation: ``γ / √(σ² + ε)`` and ``β − μ ·
    scale``.

    Raises
    ------
    UserError
        It keeps no running statistics, so that it has no fixed ones.
    """
    mean, variance = getattr(module, "running_mean", None), getattr(module, "running_var", None)
    if not isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) or mean is None or variance is None:
        raise UserError(
            f"{name}: keeps no running statistics, so it cannot be folded; train it with "
            "track_running_stats=True"
        )
    scale = (variance.double() + module.eps).rsqrt()
    if module.weight is not None:
        scale = scale * module.weight.detach().double()
    shift = -mean.double() * scale
    if module.bias is not None:
        shift = shift + module.bias.detach().double()
    return scale.to(mean.dtype), shift.to(mean.dtype)


def _norm(name: str, module: nn.Module) -> Found:
    scale, shift = batch_norm(name, module)
    if isinstance(module, nn.BatchNorm2d):
        scale, shift = scale.reshape(-1, 1, 1), shift.reshape(-1, 1, 1)
    return _affine(lambda values: values * scale, shift)


def _normalise(name: str, module: Normalise) -> Found:
    return _affine(lambda values: values / module.deviation, -module.mean / module.deviation)


def _qcfs(name: str, module: QCFS) -> Found:
    ceiling = float(module.ceiling.detach())
    if not ceiling > 0:
        raise UserError(f"{name}: its ceiling λ must be above 0, not {ceiling:g}")
    return Found(Neuron(ceiling=ceiling, levels=module.levels))


def _max_pool(name: str, module: nn.MaxPool2d) -> Found:
    if module.return_indices:
        raise UserError(f"{name}: returns indices; take return_indices=False")
    return Found(Pool(largest=module))


_MODULES: Mapping[type[nn.Module], Callable[[str, Any], Found]] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.BatchNorm1d: _norm,
    nn.BatchNorm2d: _norm,
    Normalise: _normalise,
    nn.ReLU: lambda name, module: Found(Neuron()),
    QCFS: _qcfs,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: lambda name, module: _affine(module),
    nn.AdaptiveAvgPool2d: lambda name, module: _affine(module),
    nn.Flatten: lambda name, module: Found(flat=True),
    nn.Identity: lambda name, module: _NOTHING,
    nn.Dropout: lambda name, module: _NOTHING,
    nn.Dropout2d: lambda name, module: _NOTHING,
}


def module_of(name: str, module: nn.Module) -> Found:
    """What calling ``module`` is.

    Raises
    ------
    UserError
        Nothing that can be converted.
    """
    if type(module) not in _MODULES:
        raise UserError(f"{name}: {remedy_of(type(module).__name__)}")
    return _MODULES[type(module)](name, module)


_REMEDIES = {
    "MaxPool1d": "take MaxPool2d on maps of height 1",
    "AdaptiveMaxPool2d": "take MaxPool2d",
    "GroupNorm": "take BatchNorm2d, which folds into weights",
    "LayerNorm": "take BatchNorm2d, which folds into weights",
    "Softmax": "leave it out: the largest output is the class without it",
    "LogSoftmax": "leave it out: the largest output is the class without it",
}
_ACTIVATIONS = {
    *("ELU", "GELU", "Hardswish", "Hardtanh", "LeakyReLU", "Mish", "PReLU", "ReLU6", "SELU"),
    *("SiLU", "Sigmoid", "Softplus", "Tanh"),
    *("gelu", "leaky_relu", "sigmoid", "silu", "tanh", "elu", "hardtanh", "relu6"),
}
_KNOWN = (
    "known are Conv2d, Linear, BatchNorm, ReLU, max and average pooling, Flatten, Dropout and the "
    "sum of two values"
)


def remedy_of(kind: str) -> str:
    """Why ``kind``, a class or a function, cannot be converted, and what can."""
    if kind in _ACTIVATIONS:
        return f"a neuron's value is a count of spikes, at least 0, so not {kind}; train with ReLU"
    return f"{kind} cannot be converted; {_REMEDIES.get(kind, _KNOWN)}"


# Functions and methods: of (name, arguments beside the values, keyword arguments)


def _windows(function: Callable[..., Tensor], name: str, *args: Any, **named: Any) -> Found:
    def call(values: Tensor) -> Tensor:
        return function(values, *args, **named)

    return Found(Pool(largest=call)) if function is functional.max_pool2d else _affine(call)


def _add(name: str, *args: object, **named: object) -> Found:
    if named.get("alpha", 1) != 1:
        raise UserError(f"{name}: adds a multiple (alpha); take alpha=1")
    if args:
        raise UserError(f"{name}: adds a constant; put it into the layer before, as its bias")
    return Found(Sum())


def _mean(name: str, *args: Any, **named: Any) -> Found:
    dims = named.get("dim", args[0] if args else None)
    if dims not in ((2, 3), [2, 3], (-2, -1), [-2, -1], (-1, -2), [-1, -2]):
        raise UserError(f"{name}: a mean over {dims}; take the mean of each map, dim=(2, 3)")
    kept = bool(named.get("keepdim", args[1] if len(args) > 1 else False))
    return _affine(lambda values: values.mean(dim=(2, 3), keepdim=kept))


def _neuron(name: str, *args: object, **named: object) -> Found:
    return Found(Neuron())


def _pass(name: str, *args: object, **named: object) -> Found:
    return _NOTHING


def _flat(name: str, *args: object, **named: object) -> Found:
    return Found(flat=True)


FUNCTIONS: Mapping[Callable[..., Any], Reader] = {
    functional.relu: _neuron,
    torch.relu: _neuron,
    functional.max_pool2d: partial(_windows, functional.max_pool2d),
    torch.max_pool2d: partial(_windows, functional.max_pool2d),
    functional.avg_pool2d: partial(_windows, functional.avg_pool2d),
    functional.adaptive_avg_pool2d: partial(_windows, functional.adaptive_avg_pool2d),
    functional.dropout: _pass,
    functional.dropout2d: _pass,
    operator.add: _add,
    operator.iadd: _add,
    torch.add: _add,
    torch.flatten: _flat,
    torch.reshape: _flat,
    torch.mean: _mean,
}
METHODS: Mapping[str, Reader] = {
    "relu": _neuron,
    "relu_": _neuron,
    "add": _add,
    "add_": _add,
    "flatten": _flat,
    "view": _flat,
    "reshape": _flat,
    "mean": _mean,
    "contiguous": _pass,
    "clone": _pass,
}
