"""What a rule answers with during training: measured in integers, as hardware has them, and refused
where it can no longer learn.
"""

import torch
from torch import Tensor

from sw.cli import UserError
from sw.learn.batches import Inputs
from sw.learn.history import Epoch
from sw.learn.inference import answer
from sw.rules import Rule
from sw.rules.neuron import spiked

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
    layers, structure = rule.layers(), rule.structure
    size = max(1, VALUES // (inputs.steps * max(rule.sizes)))
    counts = []  # of each chunk: right answers, steps, and spikes per layer
    for part in torch.arange(len(labels), device=labels.device).split(size):
        fired = spiked(inputs.take(part), inputs.steps)
        times, label, step, _ = answer(layers, fired, structure)
        fires = [(layer < inputs.steps).sum() for layer in times]
        counts.append(torch.stack([(label == labels[part]).sum(), (step + 1).sum(), *fires]))
    correct, steps, *spikes = torch.stack(counts).sum(dim=0).tolist()
    for index, count in enumerate(spikes[:-1]):
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
