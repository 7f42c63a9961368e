"""Random numbers that do not depend on how many processes train.

Every process draws those of the whole batch and keeps its rows. Without PyTorch's process group
(:func:`sw.learn.distributed.joined`) there is one process, whose part is everything.
"""

from collections.abc import Callable

import torch.distributed as dist
from torch import Tensor

__all__ = ["count", "draw", "part"]


def count() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def part(batch: Tensor) -> Tensor:
    """This process's part of a ``batch`` [B, …], B divisible by the number of processes."""
    return batch.chunk(count())[dist.get_rank()] if dist.is_initialized() else batch


def draw(make: Callable[[int], Tensor], images: int) -> Tensor:
    """Random numbers for the ``images`` of this process: its part of ``make(images of all)``."""
    return part(make(images * count()))
