"""What a run learns on: a device by its name, and the name of a device."""

import torch

from sw.cli import UserError

__all__ = ["find", "name_of"]


def find(name: str) -> torch.device:
    """The device ``name``, or with ``auto`` a GPU if there is one. On a GPU matrix products may use
    TF32: spikes and signs stay exact; convolutions give the same in each run. Raises UserError for
    one that cannot be used.
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
    return device


def name_of(device: torch.device) -> str:
    """What is printed of it and kept in provenance."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
