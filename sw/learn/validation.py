"""What a rule answers with during training: measured in integers, as hardware has them, and refused
where it can no longer learn.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sw.cli import UserError
from sw.learn import bistable
from sw.learn.batches import Inputs
from sw.learn.history import Epoch
from sw.learn.inference import answer
from sw.rules import Rule
from sw.rules.neuron import spiked
from sw.structure import Pooling

__all__ = ["VALUES", "validated"]

VALUES = 1 << 25  # spike flags of one chunk of images, all steps (128 MiB)


def validated(
    rule: Rule, inputs: Inputs, labels: Tensor, *, epoch: int, rate: float, held_out: bool
) -> Epoch:
    """The figures of an epoch.

    Parameters
    ----------
    labels : int64 [R]
        Of the ``inputs``.
    epoch, rate
        As ``Epoch`` has them.
    held_out : bool
        The inputs are: so the share that is told counts.

    Raises
    ------
    UserError
        A value is no longer finite, or a hidden layer no longer fires.
    """
    for name, value in rule.state_dict().items():
        if not value.isfinite().all():
            raise UserError(
                f"Epoch {epoch}: {name} is no longer finite; lower --rate and start again"
            )
    size = max(1, VALUES // (inputs.steps * max(rule.sizes)))
    counted = _bistable(rule) if rule.coding == "bistable" else _first_spike(rule)
    parts = torch.arange(len(labels), device=labels.device).split(size)
    counts = [counted(inputs.take(part), labels[part]) for part in parts]
    correct, steps, *spikes = torch.stack(counts).sum(dim=0).tolist()
    for index, count in enumerate(spikes[: len(rule.structure.kinds) - 1]):
        if not count:
            raise UserError(
                f"Epoch {epoch}: hidden layer {index} is dead, no unit fires on "
                f"{len(labels)} examples; lower --rate or change --seed"
            )
    return Epoch(
        epoch=epoch,
        rate=rate,
        validation_accuracy=correct / len(labels) if held_out else None,
        decision_step_mean=steps / len(labels),
        spikes_mean=tuple(count / len(labels) for count in spikes),
    )


_Counted = Callable[[Tensor, Tensor], Tensor]
"""Of inputs and labels: right answers, steps, and the spikes of each layer."""


def _first_spike(rule: Rule) -> _Counted:
    layers = rule.layers()

    def counted(taken: Tensor, labels: Tensor) -> Tensor:
        times, label, step, _ = answer(layers, spiked(taken, rule.steps), rule.structure)
        fires = [(layer < rule.steps).sum() for layer in times]
        return torch.stack([(label == labels).sum(), (step + 1).sum(), *fires])

    return counted


def _bistable(rule: Rule) -> _Counted:
    """Outputs of a bistable network send no spikes; a tie is not right."""
    layers, maps = rule.export(), rule.structure.maps
    periods = sum(not isinstance(layer.kind, Pooling) for layer in layers)

    def counted(taken: Tensor, labels: Tensor) -> Tensor:
        values, heard = bistable.answer(layers, maps, taken, rule.steps)
        own = heard[-1].gather(1, labels[:, None])
        right = (heard[-1] >= own).sum(dim=1) == 1
        spikes = [
            torch.stack([((layer.int() >> bit) & 1).sum() for bit in range(rule.steps)]).sum()
            for layer in values
        ]
        steps = torch.full_like(labels, periods * rule.steps)
        return torch.stack([right.sum(), steps.sum(), *spikes])

    return counted
