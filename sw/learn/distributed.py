"""Training by several processes, one per GPU: ``torchrun --nproc-per-node 2 -m sw.train …``.

Every process holds the whole network and the whole data set; each batch is cut into equal parts,
and the gradients of the parts are averaged before the optimizer's step. That is what PyTorch's
DistributedDataParallel does; its hooks hang on automatic differentiation, which our rules do not
use, so the average is asked for by name.

Random numbers are those of the whole batch (``sw/rules/draws.py``): so a run does not depend on the
number of processes, but for the order in which sums are rounded.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from sw.rules.draws import count, part

__all__ = ["average", "count", "first", "joined", "part"]


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Joins the processes that torchrun started, for as long as the context lasts, and yields the
    device of this one: its own GPU if ``device`` is a GPU. Without torchrun nothing happens.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    cuda = device.type == "cuda"
    if cuda:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo", device_id=device if cuda else None)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def first() -> bool:
    """Whether this process is the one that prints and writes."""
    return not dist.is_initialized() or dist.get_rank() == 0


def average(gradients: Sequence[Tensor]) -> None:
    """Sets each tensor to its mean over the processes."""
    if count() == 1:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients]) / count()
    dist.all_reduce(flat)
    parts = flat.split([gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, parts, strict=True):
        gradient.copy_(mean.view_as(gradient))
