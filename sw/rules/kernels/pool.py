"""First-spike pooling of potentials on a GPU, whose channels lie innermost: the largest of each
window. PyTorch keeps 8 bytes for each to find it again; here it is one.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["backward", "forward"]

_BLOCK = 1024  # windows of one program


def forward(maps: Tensor, window: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The largest value of each window, and which it was, uint8: both [N, C, rows, columns].
    ``maps`` [N, C, H, W] are contiguous as ``torch.channels_last``; what is left over at the right
    and at the bottom is dropped. Of equal ones the first counts.
    """
    count, channels, height, width = maps.shape
    rows, columns = height // window[0], width // window[1]
    best = torch.empty(
        (count, channels, rows, columns),
        dtype=maps.dtype,
        device=maps.device,
        memory_format=torch.channels_last,
    )
    place = torch.empty_like(best, dtype=torch.uint8)
    grid = (count, triton.cdiv(channels * rows * columns, _BLOCK))
    shape = (channels, height, width, rows, columns, *window)
    _forward[grid](maps, best, place, *shape, BLOCK=_BLOCK)
    return best, place


def backward(
    gradient: Tensor, place: Tensor, height: int, width: int, window: tuple[int, int]
) -> Tensor:
    """The gradient of the maps, whose ``height`` and ``width`` are given."""
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    count, channels, rows, columns = place.shape
    result = torch.empty(
        (count, channels, height, width),
        dtype=gradient.dtype,
        device=gradient.device,
        memory_format=torch.channels_last,
    )
    if (height, width) != (rows * window[0], columns * window[1]):
        result.zero_()  # what was dropped
    grid = (count, triton.cdiv(channels * rows * columns, _BLOCK))
    shape = (channels, height, width, rows, columns, *window)
    _backward[grid](gradient, place, result, *shape, BLOCK=_BLOCK)
    return result


@triton.jit
def _corner(
    output,
    CHANNELS: tl.constexpr,
    WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
    DOWN: tl.constexpr,
    ACROSS: tl.constexpr,
):
    """Where in its image the window of each ``output`` begins."""
    place = output // CHANNELS
    row, column = place // COLUMNS, place % COLUMNS
    return (row * DOWN * WIDTH + column * ACROSS) * CHANNELS + output % CHANNELS


@triton.jit
def _forward(
    maps,
    best,
    place,
    CHANNELS: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DOWN: tl.constexpr,
    ACROSS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    image = tl.program_id(0).to(tl.int64)
    output = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    valid = output < CHANNELS * ROWS * COLUMNS
    corner = _corner(output, CHANNELS, WIDTH, COLUMNS, DOWN, ACROSS)
    corner = image * CHANNELS * HEIGHT * WIDTH + corner
    output = image * CHANNELS * ROWS * COLUMNS + output
    highest = tl.full([BLOCK], float("-inf"), tl.float32)
    where = tl.zeros([BLOCK], tl.int32)
    for index in tl.static_range(DOWN * ACROSS):
        offset = (index // ACROSS * WIDTH + index % ACROSS) * CHANNELS
        value = tl.load(maps + corner + offset, mask=valid, other=0.0).to(tl.float32)
        where = tl.where(value > highest, index, where)
        highest = tl.maximum(value, highest)
    tl.store(best + output, highest, mask=valid)
    tl.store(place + output, where.to(tl.uint8), mask=valid)


@triton.jit
def _backward(
    gradient,
    place,
    result,
    CHANNELS: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DOWN: tl.constexpr,
    ACROSS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    image = tl.program_id(0).to(tl.int64)
    output = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    valid = output < CHANNELS * ROWS * COLUMNS
    corner = _corner(output, CHANNELS, WIDTH, COLUMNS, DOWN, ACROSS)
    corner = image * CHANNELS * HEIGHT * WIDTH + corner
    output = image * CHANNELS * ROWS * COLUMNS + output
    value = tl.load(gradient + output, mask=valid, other=0.0).to(tl.float32)
    where = tl.load(place + output, mask=valid, other=0).to(tl.int32)
    for index in tl.static_range(DOWN * ACROSS):
        offset = (index // ACROSS * WIDTH + index % ACROSS) * CHANNELS
        tl.store(result + corner + offset, tl.where(where == index, value, 0.0), mask=valid)
