"""What a run learns on: a device by its name, and the name of a device."""

import ctypes
import os

import torch

from sw.cli import UserError

__all__ = ["find", "name_of"]

# mallopt(3): parameters of glibc's malloc, and the largest value of each that it takes or we need
_MAPPED_FROM, _TRIMMED_FROM = (-3, 32 << 20), (-1, 1 << 30)


def find(name: str) -> torch.device:
    """The device ``name``, or with ``auto`` a GPU if there is one. On a GPU matrix products may use
    TF32: spikes and signs stay exact; convolutions give the same in each run. On a CPU this process
    keeps memory that it frees. Raises UserError for one that cannot be used.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros((), device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"Device {name!r} cannot be used ({reason}); name --device cpu") from None
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.deterministic = True
    elif device.type == "cpu":
        _keep_memory()
    return device


def name_of(device: torch.device) -> str:
    """What is printed of it and kept in provenance."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def _keep_memory() -> None:
    """Memory of a few MiB that is freed is not given back to the system, whose page faults when it
    is taken again are a quarter of a step on maps. Only with glibc; others have no ``mallopt``.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        for parameter, size in (_MAPPED_FROM, _TRIMMED_FROM):
            mallopt(parameter, size)
