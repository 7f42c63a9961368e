"""The timing rule's Triton kernels for convolutions: what is not a product.

Convolutions are the library's; before, between and after them each kernel here reads and writes
every value once, where plain PyTorch (``sw/rules/maps``, which these equal) would go
through memory for every step and every unit of a window. Values are held place by place, the
channels last: ``[size, B, rows, columns, channels]``, contiguous.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["arriving", "fire", "look", "moments", "placed"]

_BLOCK = 1024
_TILE = 4096  # values
_PROGRAMS = 1056  # that sum at a time, eight on each multiprocessor of the largest GPUs


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Sum and sum of squares of each channel, float32 [channels], of ``values`` [..., channels];
    always in the same order.
    """
    channels = values.shape[-1]
    rows, wide = values.numel() // channels, triton.next_power_of_2(channels)
    tall = max(1, _TILE // wide)
    programs = min(_PROGRAMS, triton.cdiv(rows, tall))
    sums = torch.empty(programs, 2, channels, device=values.device)
    turns = triton.cdiv(rows, tall * programs)
    _moments[(programs,)](values, sums, rows, channels, turns, TALL=tall, WIDE=wide)
    total, squares = sums.sum(dim=0)
    return total, squares


def fire(
    potentials: Tensor, threshold: Tensor, times: Tensor, window: tuple[int, int], first: int
) -> None:
    """Brings ``times`` int16 [B, rows, columns, channels] to the end of a chunk.

    Parameters
    ----------
    potentials : [size, B, rows, columns, channels]
        Of the units.
    threshold : float32, like ``times``
        Of the windows.
    """
    _fire[_grid(times)](
        potentials,
        threshold,
        times,
        times.numel(),
        *_shape(potentials, times),
        first,
        len(potentials),
        HIGH=window[0],
        WIDE=window[1],
        BLOCK=_BLOCK,
    )


def look(
    potentials: Tensor,
    threshold: Tensor,
    spread: Tensor,
    window: tuple[int, int],
    first: int,
    reads: tuple[Tensor, Tensor],
    seen: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    """Brings what two read-outs see to the end of a chunk.

    Parameters
    ----------
    reads : int64 [B, 1] each
        Steps of the read-outs.
    seen : two pairs of integer and float32 [B, rows, columns, channels]
        Place and margin; before step 0 whatever they hold.
    """
    place = seen[0]
    _look[_grid(place)](
        potentials,
        threshold,
        spread,
        *reads,
        *seen,
        place.numel(),
        *_shape(potentials, place),
        first,
        len(potentials),
        START=first == 0,
        HIGH=window[0],
        WIDE=window[1],
        BLOCK=_BLOCK,
    )


def placed(
    result: Tensor,
    shared: Tensor,
    errors: tuple[Tensor, Tensor],
    places: tuple[Tensor, Tensor],
    window: tuple[int, int],
    first: int,
) -> None:
    """Fills ``result`` [size, B, rows, columns, channels] with the errors of windows at their
    units and steps, less ``shared`` [channels].
    """
    size, _, rows, columns, channels = result.shape
    _placed[_grid(result[0])](
        result,
        shared,
        *(pair[index] for index in range(2) for pair in (errors, places)),
        result[0].numel(),
        rows,
        columns,
        channels,
        *errors[0].shape[1:3],
        first,
        size,
        HIGH=window[0],
        WIDE=window[1],
        BLOCK=_BLOCK,
    )


def arriving(
    error: Tensor,
    times: Tensor,
    seen: tuple[Tensor, Tensor, Tensor, Tensor],
    read: Tensor,
    window: tuple[int, int],
    first: int,
    sums: tuple[Tensor, Tensor],
    decays: tuple[float, float] | None,
) -> None:
    """Adds to ``sums``, before step 0 whatever they hold, what a chunk's ``error`` [size, B, rows,
    columns, channels] means to what each read-out sees, ``read`` int64 [B, 1] being the first one's
    step. With ``decays``, below and
    above the threshold, the sums then fade with their margins.
    """
    _arriving[_grid(times)](
        error,
        times,
        *seen,
        read,
        *sums,
        times.numel(),
        times[0].numel(),
        first,
        len(error),
        *(decays or (0.0, 0.0)),
        START=first == 0,
        FADE=decays is not None,
        UNITS=math.prod(window),
        BLOCK=_BLOCK,
    )


def _grid(maps: Tensor) -> tuple[int]:
    return (triton.cdiv(maps.numel(), _BLOCK),)


def _shape(potentials: Tensor, windows: Tensor) -> tuple[int, ...]:
    """Of one step: values, rows and columns of units, of windows, and channels."""
    return potentials[0].numel(), *potentials.shape[2:4], *windows.shape[1:]


@triton.jit
def _moments(values, sums, rows, channels, turns, TALL: tl.constexpr, WIDE: tl.constexpr):
    """Of one share of the rows."""
    channel = tl.arange(0, WIDE)
    total = tl.zeros([WIDE], tl.float32)
    squares = tl.zeros([WIDE], tl.float32)
    begin = tl.program_id(0) * turns * TALL
    for turn in range(turns):
        row = begin + turn * TALL + tl.arange(0, TALL)
        real = (row < rows)[:, None] & (channel < channels)[None, :]
        place = row[:, None].to(tl.int64) * channels + channel[None, :]
        value = tl.load(values + place, mask=real, other=0.0).to(tl.float32)
        total += tl.sum(value, axis=0)
        squares += tl.sum(value * value, axis=0)
    here = sums + tl.program_id(0) * 2 * channels + channel
    tl.store(here, total, mask=channel < channels)
    tl.store(here + channels, squares, mask=channel < channels)


@triton.jit
def _corner(index, rows, columns, down, across, channels, HIGH: tl.constexpr, WIDE: tl.constexpr):
    """Where the first unit of window ``index`` lies among the units of a step."""
    channel = index % channels
    place = index // channels
    x = place % across
    y = (place // across) % down
    image = place // across // down
    return ((image * rows + y * HIGH) * columns + x * WIDE) * channels + channel


@triton.jit
def _highest(source, columns, channels, real, HIGH: tl.constexpr, WIDE: tl.constexpr):
    """Highest potential and its unit, the first of equal ones; ``source`` points to the first."""
    best = tl.load(source, mask=real, other=0.0).to(tl.float32)
    which = tl.zeros_like(best).to(tl.int32)
    for unit in tl.static_range(1, HIGH * WIDE):
        step = ((unit // WIDE) * columns + unit % WIDE) * channels
        other = tl.load(source + step, mask=real, other=0.0).to(tl.float32)
        which = tl.where(other > best, unit, which)
        best = tl.maximum(best, other)
    return best, which


@triton.jit
def _fire(
    potentials,
    threshold,
    times,
    count,
    stride,
    rows,
    columns,
    down,
    across,
    channels,
    first,
    size,
    HIGH: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = index < count
    corner = _corner(index, rows, columns, down, across, channels, HIGH, WIDE)
    theta = tl.load(threshold + index, mask=real, other=0.0)
    time = tl.load(times + index, mask=real, other=0).to(tl.int32)
    for slot in range(size):
        best, _ = _highest(potentials + corner, columns, channels, real, HIGH, WIDE)
        time = tl.where(best >= theta, tl.minimum(time, first + slot), time)
        potentials += stride
    tl.store(times + index, time.to(tl.int16), mask=real)


@triton.jit
def _look(
    potentials,
    threshold,
    spread,
    read_1,
    read_2,
    place_1,
    margin_1,
    place_2,
    margin_2,
    count,
    stride,
    rows,
    columns,
    down,
    across,
    channels,
    first,
    size,
    START: tl.constexpr,
    HIGH: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = index < count
    corner = _corner(index, rows, columns, down, across, channels, HIGH, WIDE)
    image = index // (channels * across * down)
    theta = tl.load(threshold + index, mask=real, other=0.0)
    scale = tl.load(spread)
    last_1 = tl.load(read_1 + image, mask=real, other=0)
    last_2 = tl.load(read_2 + image, mask=real, other=0)
    at_1 = tl.zeros([BLOCK], tl.int32)
    at_2 = at_1
    peak_1 = tl.full([BLOCK], float("-inf"), tl.float32)
    peak_2 = peak_1
    if not START:
        at_1 = tl.load(place_1 + index, mask=real, other=0).to(tl.int32)
        at_2 = tl.load(place_2 + index, mask=real, other=0).to(tl.int32)
        peak_1 = tl.load(margin_1 + index, mask=real, other=0.0)
        peak_2 = tl.load(margin_2 + index, mask=real, other=0.0)
    for slot in range(size):
        best, which = _highest(potentials + corner, columns, channels, real, HIGH, WIDE)
        now = (best - theta) / scale
        step = first + slot
        here = step * (HIGH * WIDE) + which
        rises = (now > peak_1) & (step <= last_1)
        at_1 = tl.where(rises, here, at_1)
        peak_1 = tl.where(rises, now, peak_1)
        rises = (now > peak_2) & (step <= last_2)
        at_2 = tl.where(rises, here, at_2)
        peak_2 = tl.where(rises, now, peak_2)
        potentials += stride
    tl.store(place_1 + index, at_1.to(place_1.dtype.element_ty), mask=real)
    tl.store(place_2 + index, at_2.to(place_2.dtype.element_ty), mask=real)
    tl.store(margin_1 + index, peak_1, mask=real)
    tl.store(margin_2 + index, peak_2, mask=real)


@triton.jit
def _placed(
    result,
    shared,
    error_1,
    place_1,
    error_2,
    place_2,
    count,
    rows,
    columns,
    channels,
    down,
    across,
    first,
    size,
    HIGH: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = index < count
    channel = index % channels
    place = index // channels
    x = place % columns
    y = (place // columns) % rows
    image = place // columns // rows
    inside = real & (y // HIGH < down) & (x // WIDE < across)
    window = ((image * down + y // HIGH) * across + x // WIDE) * channels + channel
    unit = (y % HIGH) * WIDE + x % WIDE
    wrong_1 = tl.load(error_1 + window, mask=inside, other=0.0)
    wrong_2 = tl.load(error_2 + window, mask=inside, other=0.0)
    at_1 = tl.load(place_1 + window, mask=inside, other=0).to(tl.int32)
    at_2 = tl.load(place_2 + window, mask=inside, other=0).to(tl.int32)
    less = tl.load(shared + channel, mask=real, other=0.0)
    for slot in range(size):
        here = (first + slot) * (HIGH * WIDE) + unit
        total = tl.where(at_1 == here, wrong_1, 0.0) + tl.where(at_2 == here, wrong_2, 0.0)
        tl.store(result + index, (total - less).to(result.dtype.element_ty), mask=real)
        result += count


@triton.jit
def _arriving(
    error,
    times,
    place_1,
    margin_1,
    place_2,
    margin_2,
    read,
    sum_1,
    sum_2,
    count,
    each,
    first,
    size,
    below,
    above,
    START: tl.constexpr,
    FADE: tl.constexpr,
    UNITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = index < count
    time = tl.load(times + index, mask=real, other=0).to(tl.int32)
    at_1 = tl.load(place_1 + index, mask=real, other=0).to(tl.int32) // UNITS
    at_2 = tl.load(place_2 + index, mask=real, other=0).to(tl.int32) // UNITS
    peak_1 = tl.load(margin_1 + index, mask=real, other=0.0)
    peak_2 = tl.load(margin_2 + index, mask=real, other=0.0)
    since_1 = tl.where(peak_1 >= 0, time, at_1)
    since_2 = tl.where(peak_2 >= 0, time, at_2)
    last = tl.load(read + index // each, mask=real, other=0)
    total_1 = tl.zeros([BLOCK], tl.float32)
    total_2 = total_1
    if not START:
        total_1 = tl.load(sum_1 + index, mask=real, other=0.0)
        total_2 = tl.load(sum_2 + index, mask=real, other=0.0)
    for slot in range(size):
        step = first + slot
        arrives = tl.load(error + index, mask=real, other=0.0).to(tl.float32)
        total_1 += tl.where((step <= last) & (since_1 <= step), arrives, 0.0)
        total_2 += tl.where((step > last) & (since_2 <= step), arrives, 0.0)
        error += count
    if FADE:
        total_1 *= tl.exp(tl.where(peak_1 < 0, below * peak_1, -above * peak_1))
        total_2 *= tl.exp(tl.where(peak_2 < 0, below * peak_2, -above * peak_2))
    tl.store(sum_1 + index, total_1, mask=real)
    tl.store(sum_2 + index, total_2, mask=real)
