"""What rules that learn from spike times share."""

from torch import Tensor, arange

__all__ = ["place", "sign"]


def sign(weight: Tensor) -> Tensor:
    """−1 or +1; 0 counts as +1."""
    return (weight >= 0).float() * 2 - 1


def place(error: Tensor, step: Tensor, steps: int) -> Tensor:
    """``error`` [B, N] put at ``step`` [B, N] or [B, 1] of [B, T, N], zero elsewhere."""
    slot = arange(steps, device=error.device)[:, None]
    return error[:, None, :] * (step[:, None, :] == slot)
