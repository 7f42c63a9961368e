"""Spiking neurons of PyTorch modules. They have a state, so they are known by their class's name
and attributes, as snnTorch and SpikingJelly have them, neither of which is imported.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sw.convert.errors import ConversionError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Neuron", "is_neuron", "neuron_of"]


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


# By the names of their classes, and where their threshold is met
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
