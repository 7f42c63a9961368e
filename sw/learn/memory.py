"""Whether a network can be trained in the memory that there is."""

import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import torch

from sw.cli import UserError

__all__ = ["check_memory"]

_PER_WEIGHT = 16  # bytes: the latent weight, its gradient and Adam's two means, float32 each
_CGROUP = Path("/sys/fs/cgroup/memory.max")  # of the container that this runs in; Linux


def check_memory(sizes: Sequence[int], device: torch.device) -> None:
    """Refuses a network whose weights alone take more memory than the device has.

    Parameters
    ----------
    sizes : sequence of int
        Units per layer, inputs first.

    Raises
    ------
    UserError
        It says what training would take, and what there is.
    """
    taken, there = _PER_WEIGHT * sum(a * b for a, b in pairwise(sizes)), _memory(device)
    if there is not None and taken > there:
        raise UserError(
            f"{'-'.join(map(str, sizes))}: training takes {taken / 1e9:,.1f} GB for its weights, "
            f"and there are {there / 1e9:,.1f} GB; take fewer --hidden units"
        )


def _memory(device: torch.device) -> int | None:
    """Bytes of memory, None if nothing says so."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    limits = []
    with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # none, or "max"
        limits.append(int(_CGROUP.read_text(encoding="ascii")))
    return min(limits, default=None)
