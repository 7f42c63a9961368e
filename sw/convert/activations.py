"""What an activation of a PyTorch module is, found by its values or by its class's name.

A sign-like activation is known by what it does: on float32 of every size it has two values and
rises from the one to the other at one place, which bisection finds to the float. So any
spelling of it is understood, with any pair of values. A spiking neuron has a state; it is known by
its class's name and attributes, as snnTorch and SpikingJelly have them, neither of which is
imported.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sw.convert.layers import ConversionError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Neuron", "Step", "is_neuron", "neuron_of", "step_of"]


class Step(NamedTuple):
    """A sign-like activation: ``high`` from ``least`` on, ``low`` below it.

    Parameters
    ----------
    low, high : Fraction
    least : Fraction
        The least float32 where it is high.
    zero : bool
        At exactly 0, just below ``least``, it has a third value, as torch.sign has.
    """

    low: Fraction
    high: Fraction
    least: Fraction
    zero: bool = False


class Neuron(NamedTuple):
    """An integrate-and-fire neuron without a leak. It fires when its potential has risen by so much
    that it is at the threshold, or above it if ``strict``.

    Parameters
    ----------
    rise : Fraction, or list of Fraction [N]
        From the potential that it starts from to its threshold.
    strict : bool
    spike : Fraction
        What it gives in a step in which it fires; 0 else.
    resets : bool
        A spike puts it back to where it started from.
    """

    rise: Fraction | list[Fraction]
    strict: bool
    spike: Fraction = Fraction(1)
    resets: bool = False


def step_of(name: str, module: nn.Module) -> Step:
    """The sign-like activation that ``module`` is.

    Raises
    ------
    ConversionError
        It is none.
    """
    exponents = np.arange(-149, 128, dtype=np.float64)
    positive = np.unique(np.concatenate([2.0**exponents, 1.5 * 2.0 ** exponents[24:]]))
    positive = positive[positive <= np.finfo(np.float32).max]
    values = np.concatenate([-positive[::-1], [0.0], positive]).astype(np.float32)
    outputs = _values(name, module, values)
    found = np.unique(outputs)
    zero = len(values) // 2
    third = len(found) == 3 and outputs[zero] == found[1] and (outputs == found[1]).sum() == 1
    if third:
        outputs[zero] = found[0]
        found = found[[0, 2]]
    if len(found) != 2 or not np.isfinite(found).all():
        raise ConversionError(
            f"{name}: an activation of more than two values; a unit has fired or it has not"
            if len(found) > 2
            else f"{name}: no activation: it does not depend on its input"
        )
    if (np.diff(outputs) < 0).any():
        raise ConversionError(f"{name}: an activation must rise once and never fall")
    if third:
        least = float(np.float32(2.0**-149))
    else:
        least = _bisected(name, module, values, outputs == found[1])
    low, high = (Fraction(float(value)) for value in found)
    return Step(low, high, Fraction(least), zero=third)


def _bisected(name: str, module: nn.Module, values: np.ndarray, fires: np.ndarray) -> float:
    """The least float32 where the activation is high."""
    first = int(fires.argmax())
    below, above = float(values[first - 1]), float(values[first])
    high = _values(name, module, np.array([above], np.float32))[0]
    while True:
        middle = float(np.float32((below + above) / 2))
        if middle in (below, above):
            return above
        if _values(name, module, np.array([middle], np.float32))[0] == high:
            above = middle
        else:
            below = middle


def _values(name: str, module: nn.Module, values: np.ndarray) -> np.ndarray:
    """What an elementwise module makes of float32 ``values`` [N]."""
    import torch

    try:
        with torch.no_grad():
            result = module(torch.from_numpy(values.reshape(-1, 1).copy()))
        return np.asarray(result.detach().to(torch.float64).numpy()).reshape(values.shape)
    except Exception as error:  # whatever a stranger's module raises
        if any(True for _ in module.parameters()):
            raise ConversionError(
                f"{name}: no layer of a network; known are Linear, BatchNorm1d, activations of two "
                "values and neurons without a leak"
            ) from None
        raise ConversionError(
            f"{name}: cannot be run on single values, as an activation "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason'})"
        ) from None


# Neurons, by the names of their classes, and where their threshold is met
_AT_OR_ABOVE = {"IFNode"}
_ABOVE = {"Leaky"}
_OTHERS = {
    "LIFNode", "ParametricLIFNode", "QIFNode", "EIFNode", "IzhikevichNode", "LIAFNode", "KLIFNode",
    "CUBALIFNode", "Synaptic", "Alpha", "Lapicque", "RLeaky", "RSynaptic", "SConv2dLSTM", "SLSTM",
    "LIFCell", "LIFRecurrentCell", "LIF", "IAF", "IAFSqueeze",
}  # fmt: skip


def is_neuron(module: nn.Module) -> bool:
    """Whether ``module`` is a spiking neuron, of whatever kind."""
    kind = type(module).__name__
    return (
        kind in _AT_OR_ABOVE | _ABOVE | _OTHERS
        or hasattr(module, "v_threshold")
        or (hasattr(module, "beta") and hasattr(module, "threshold"))
    )


def neuron_of(name: str, module: nn.Module) -> Neuron:
    """The neuron that ``module`` is.

    Raises
    ------
    ConversionError
        It has a leak, or another property that a unit of a network does not have.
    """
    kind = type(module).__name__
    if kind in _AT_OR_ABOVE:
        return _spikingjelly(name, module)
    if kind in _ABOVE:
        return _snntorch(name, module)
    leak = next((word for word in ("tau", "w", "beta", "alpha") if hasattr(module, word)), None)
    reason = f" (it has {leak!r})" if leak else ""
    raise ConversionError(
        f"{name}: a leak, or a neuron of another model{reason}; known are IFNode of SpikingJelly "
        "and Leaky with beta=1 of snnTorch"
    )


def _spikingjelly(name: str, module: nn.Module) -> Neuron:
    threshold = _numbers(name, "v_threshold", module.v_threshold)
    resets = module.v_reset is not None  # else the threshold is subtracted
    start = _numbers(name, "v_reset", module.v_reset)[0] if resets else Fraction(0)
    rise = [each - start for each in threshold]
    return Neuron(rise=rise[0] if len(rise) == 1 else rise, strict=False, resets=resets)


def _snntorch(name: str, module: nn.Module) -> Neuron:
    leaks = {float(beta) for beta in _numbers(name, "beta", module.beta)}
    if any(beta < 1 for beta in leaks):  # above 1 the library takes 1
        raise ConversionError(
            f"{name}: a leak: beta is {min(leaks):g}; a unit's potential does not decay (beta=1)"
        )
    for attribute in ("inhibition", "state_quant"):
        if getattr(module, attribute, False):
            raise ConversionError(f"{name}: {attribute}, which no unit of a network has")
    threshold = _numbers(name, "threshold", module.threshold)
    factors = _numbers(name, "factor", getattr(module, "graded_spikes_factor", 1.0))
    if len(set(factors)) != 1 or factors[0] <= 0:
        raise ConversionError(f"{name}: graded_spikes_factor must be one number above 0")
    return Neuron(
        rise=threshold[0] if len(threshold) == 1 else threshold,
        strict=True,
        spike=factors[0],
    )


def _numbers(name: str, what: str, value: object) -> list[Fraction]:
    """A parameter of a neuron, a number or a tensor, exactly."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    array = np.atleast_1d(np.asarray(value, np.float64)).ravel()
    if not np.isfinite(array).all():
        raise ConversionError(f"{name}: {what} must be finite, not {array}")
    return [Fraction(number) for number in array.tolist()]
