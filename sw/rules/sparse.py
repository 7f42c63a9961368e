"""Sums over the spikes of images, spike by spike: what ``sw/rules/timing.py`` takes on a CPU.

An input fires once or never, so of its T flags one is a spike and the others repeat it. Rows of
weights (or of errors) are added only where a spike is: on MNIST, where a fifth of the pixels fires,
that takes a third of the time of the products of flags.
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

__all__ = ["pays", "potentials", "weight_error"]

_LEAST = 1 << 27  # multiplications; fewer are quicker than the lists of spikes


def pays(inputs: Tensor, outputs: int, steps: int) -> bool:
    """Whether to take what is here for a layer of so many ``outputs`` and so many ``steps`` at a
    time. It depends on shapes alone, so that the same run always sums in the same order.
    """
    if inputs.device.type != "cpu" or inputs.dim() != 2:
        return False
    return inputs.numel() * outputs * steps >= _LEAST


def potentials(inputs: Tensor, weight: Tensor, first: int, size: int) -> Tensor:
    """How much the spikes of the steps ``first`` … ``first + size − 1`` add to each potential by
    the end of each of them: [B, size, N_out].

    Parameters
    ----------
    inputs : integer [B, N_in]
        Firing steps, T for never.
    weight : [N_out, N_in]
    """
    slot, order = (inputs - first).sort(dim=1, stable=True)
    now = (slot >= 0) & (slot < size)
    image = torch.arange(len(inputs))[:, None] * size
    counts = torch.bincount((image + slot)[now], minlength=len(inputs) * size)
    added = _sums(weight.T.contiguous(), order[now], counts)
    return added.view(len(inputs), size, -1).cumsum(dim=1)


def weight_error(placed: Tensor, inputs: Tensor, first: int) -> Tensor:
    """``Σ_b Σ_t placed_btj`` over the steps t by which input i has fired, for inputs that fire in
    the steps of ``placed`` alone: [N_out, N_in].

    Parameters
    ----------
    placed : [B, size, N_out]
        The errors at the steps ``first`` … ``first + size − 1``, the last of them first.
    inputs : integer [B, N_in]
    """
    batch, size, _ = placed.shape
    slot = (first + size - 1 - inputs).T.contiguous()  # as placed counts them
    now = (slot >= 0) & (slot < size)
    image = torch.arange(batch) * size
    table = placed.cumsum(dim=1).flatten(0, 1)
    return _sums(table, (image + slot)[now], now.sum(dim=1)).T


def _sums(table: Tensor, rows: Tensor, counts: Tensor) -> Tensor:
    """Sums of so many ``rows`` of ``table`` each, in their order: [len(counts), table.shape[1]]."""
    offsets = pad(counts.cumsum(dim=0), (1, 0))
    return embedding_bag(rows, table, offsets, mode="sum", include_last_offset=True)
