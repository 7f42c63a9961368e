"""The timing rule's Triton kernels for any T: spike by spike.

Time is never walked. The forward kernel goes through the spikes of an image in the order in which
they fire, so its work is spikes × units, whatever T; the backward kernel compares a spike's step
with an error's. Nothing of size B × T × N or B × N_out × N_in is ever written.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from sw.rules.kernels.interface import Dense, Draws, Settings
from sw.rules.kernels.loss import (
    Layer,
    faded,
    loss,
    loss_settings,
    read_out,
    store_gradients,
    summed,
    used,
)

__all__ = ["forward", "hidden_error", "output_error", "weight_error"]

_UNIT = 1 << 16  # a key is step · 2¹⁶ + unit
_SORTED = 4096  # inputs that a kernel sorts by itself
_SHARES = 4  # of the images, each summed by itself


def forward(settings: Settings, layer: Dense, inputs: Tensor, noise: Tensor) -> Layer:
    """Runs ``layer`` on ``inputs`` int16 [B, N_in]."""
    images, width = inputs.shape
    units = len(layer.weight)
    rows = torch.empty(
        width, units, dtype=torch.int8 if settings.binary else torch.float32, device=inputs.device
    )
    grid = (triton.cdiv(units, 32), triton.cdiv(width, 64))
    _rows[grid](layer.weight, rows, units, width, BINARY=settings.binary, BLOCK_OUT=32, BLOCK_IN=64)
    times, effective = (
        torch.empty(images, units, dtype=torch.int16, device=inputs.device) for _ in range(2)
    )
    margin = torch.empty(images, units, device=inputs.device)
    block = min(64, triton.next_power_of_2(units))
    _trace[(images, triton.cdiv(units, block))](
        _ordered(inputs),
        rows,
        layer.threshold,
        noise,
        layer.spread,
        times,
        effective,
        margin,
        width,
        units,
        settings.steps,
        *noise.expand(images, units).stride(),
        LOT=16,
        BLOCK=block,
        UNIT=_UNIT,
        num_warps=1,
    )
    return Layer(inputs, times, effective, margin)


def _ordered(inputs: Tensor) -> Tensor:
    """Keys of the spikes of each image in the order in which they fire, int32 [B, N_in]."""
    images, width = inputs.shape
    keys = torch.empty(images, width, dtype=torch.int32, device=inputs.device)
    block = min(triton.next_power_of_2(width), _SORTED)
    at_once = width <= block  # one program holds an image
    grid = (images, triton.cdiv(width, block))
    _keys[grid](inputs, keys, width, SORT=at_once, BLOCK=block, UNIT=_UNIT)
    return keys if at_once else keys.sort(dim=1).values


def output_error(
    settings: Settings, layer: Dense, inputs: Tensor, labels: Tensor, draws: Draws
) -> tuple[Tensor, Tensor]:
    """The three parts of the error of ``layer``, the last, and their steps, [3, B, N] each."""
    ran = forward(settings, layer, inputs, draws.noise[-1])
    (images, units), width = ran.times.shape, inputs.shape[1]
    error = torch.empty(3, images, units, dtype=torch.float16, device=inputs.device)
    step = torch.empty(3, images, units, dtype=torch.int16, device=inputs.device)
    padded = triton.next_power_of_2(units)
    _output[(images,)](
        inputs,
        ran.times,
        ran.effective,
        layer.weight,
        layer.threshold,
        draws.noise[-1],
        layer.spread,
        draws.later,
        labels,
        error,
        step,
        images,
        units,
        width,
        *loss_settings(settings),
        FROM_START=settings.later_from_start,
        SHARES=labels.is_floating_point(),
        BINARY=settings.binary,
        UNITS=padded,
        BLOCK=max(16, 8192 // padded),
    )
    return error, step


def hidden_error(
    settings: Settings, layer: Dense, error: Tensor, step: Tensor, before: Layer, shrink: float
) -> Tensor:
    """Error [1, B, N_in] of the layer before ``layer``, whose error is given, times ``shrink``."""
    (parts, images, units), width = error.shape, before.times.shape[1]
    result = error.new_empty(1, images, width)
    _hidden[(triton.cdiv(images, 4), triton.cdiv(width, 256))](
        error,
        step,
        layer.weight,
        before.times,
        before.effective,
        before.margin,
        result,
        images,
        units,
        width,
        settings.steps,
        settings.silent_decay,
        settings.fired_decay,
        shrink,
        PARTS=parts,
        BINARY=settings.binary,
        IMAGES=4,
        BLOCK=256,
    )
    return result


def weight_error(
    settings: Settings, layer: Dense, error: Tensor, step: Tensor, inputs: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """Gradients of weights [N_out, N_in] and thresholds [N_out] of ``layer``, from its errors over
    ``scale`` and their steps [parts, B, N_out].
    """
    (parts, images, units), width = error.shape, inputs.shape[1]
    # Enough blocks to fill a GPU, and as few sums of parts as that allows
    block, shares = (32, _SHARES) if units > 32 else (16, 16 * _SHARES)
    shares = min(images, shares)
    sums = torch.empty(shares, units * (width + 1), device=error.device)
    # One input more, that always fires at once: its weight is the threshold, but for the sign
    grid = (triton.cdiv(units, block), triton.cdiv(width + 1, 64), shares)
    _weight[grid](
        error,
        step,
        inputs,
        sums,
        images,
        units,
        width,
        triton.cdiv(images, shares),
        scale / images,
        PARTS=parts,
        UNROLL=4,
        BLOCK_OUT=block,
        BLOCK_IN=64,
        num_warps=2,
    )
    return summed(sums, units)


@triton.jit
def _keys(inputs, keys, width, SORT: tl.constexpr, BLOCK: tl.constexpr, UNIT: tl.constexpr):
    """What sorts the spikes of one image by step, then by unit; sorted if BLOCK holds them all."""
    unit = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    place = tl.program_id(0) * width + unit
    step = tl.load(inputs + place, mask=unit < width, other=UNIT // 2 - 1).to(tl.int32)
    key = step * UNIT + unit
    if SORT:
        key = tl.sort(key)
    tl.store(keys + place, key, mask=unit < width)


@triton.jit
def _rows(
    weight,
    rows,
    units,
    width,
    BINARY: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """The weights that spikes meet, a row for each input: [N_in, N_out]."""
    row = tl.program_id(0) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    column = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
    real = (row < units)[:, None] & (column < width)[None, :]
    weights = used(tl.load(weight + row[:, None] * width + column[None, :], mask=real), BINARY)
    weights = tl.trans(weights).to(rows.dtype.element_ty)
    tl.store(rows + column[:, None] * units + row[None, :], weights, mask=tl.trans(real))


@triton.jit
def _trace(
    keys,
    rows,
    threshold,
    noise,
    spread,
    times,
    effective,
    margin,
    width,
    units,
    steps,
    noise_row,
    noise_column,
    LOT: tl.constexpr,
    BLOCK: tl.constexpr,
    UNIT: tl.constexpr,
):
    """One image, BLOCK units of a layer; ``rows`` as :func:`_rows` makes them."""
    image = tl.program_id(0)
    unit = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = unit < units
    scale = tl.load(spread)
    theta = tl.load(threshold + unit, mask=real, other=0.0)
    theta += scale * tl.load(noise + image * noise_row + unit * noise_column, mask=real, other=0.0)
    keys += image * width
    # Before the first spike V is 0: step 0 ends so, unless spikes come in it.
    key = tl.load(keys)
    idle = key >= UNIT
    potential = tl.zeros([BLOCK], tl.float32)
    step = tl.zeros([BLOCK], tl.int32)
    time = tl.where(idle & (theta <= 0), 0, step + steps)
    best = tl.where(idle, potential, float("-inf"))  # V(e) so far
    start = 0
    while key < steps * UNIT:
        # All loads first: they wait for memory together
        lot = (key,)
        for slot in tl.static_range(1, LOT + 1):
            place = start + slot
            lot += (tl.load(keys + place, mask=place < width, other=steps * UNIT),)
        row = ()
        for slot in tl.static_range(LOT):
            here = lot[slot]
            there = rows + (here % UNIT) * units + unit
            limit = tl.where(here < steps * UNIT, units, 0)
            row += (tl.load(there, mask=unit < limit, other=0),)
        for slot in tl.static_range(LOT):
            potential += row[slot].to(tl.float32)
            now = lot[slot] // UNIT
            # V is compared after the last spike of a step only
            if now != lot[slot + 1] // UNIT:
                waits = time == steps
                fires = waits & (potential >= theta)
                changes = fires | (waits & (potential > best))
                time = tl.where(fires, now, time)
                step = tl.where(changes, now, step)
                best = tl.where(changes, potential, best)
        start += LOT
        key = lot[LOT]
    place = image * units + unit
    tl.store(times + place, time.to(tl.int16), mask=real)
    tl.store(effective + place, step.to(tl.int16), mask=real)
    tl.store(margin + place, (best - theta) / scale, mask=real)


@triton.jit
def _output(
    inputs,
    times,
    effective,
    weight,
    threshold,
    noise,
    spread,
    draw,
    labels,
    error,
    step,
    images,
    units,
    width,
    steps,
    lead,
    beta,
    margin_gain,
    later_gain,
    smoothing,
    FROM_START: tl.constexpr,
    SHARES: tl.constexpr,
    BINARY: tl.constexpr,
    UNITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One image: the error of the output layer."""
    image = tl.program_id(0) + tl.arange(0, 1)
    unit = tl.arange(0, UNITS)
    real = unit < units
    place = image[:, None] * units + unit[None, :]
    time = tl.load(times + place, mask=real[None, :], other=steps).to(tl.int32)
    own = tl.load(effective + place, mask=real[None, :], other=0).to(tl.int32)
    decision, later = read_out(time, tl.load(draw + image), steps, FROM_START)
    # Potentials at the two steps
    at_decision = tl.zeros([1, UNITS], tl.float32)
    at_later = tl.zeros([1, UNITS], tl.float32)
    for start in range(0, width, BLOCK):
        column = start + tl.arange(0, BLOCK)
        fired = tl.load(
            inputs + image[:, None] * width + column[None, :],
            mask=(column < width)[None, :],
            other=steps,
        )
        tile = tl.load(
            weight + unit[:, None] * width + column[None, :],
            mask=real[:, None] & (column < width)[None, :],
            other=0.0,
        )
        tile = used(tile, BINARY)
        at_decision += tl.sum(tl.where(fired <= decision[:, None], tile, 0.0), axis=1)[None, :]
        at_later += tl.sum(tl.where(fired <= later[:, None], tile, 0.0), axis=1)[None, :]
    outputs = time, own, decision, later, at_decision, at_later
    noisy = threshold, noise, spread
    settings = steps, lead, beta, margin_gain, later_gain, smoothing
    place = error, step, image, unit, images, units, units
    loss(outputs, noisy, settings, labels, *place, SHARES=SHARES)


@triton.jit
def _hidden(
    error,
    step,
    weight,
    times,
    effective,
    margin,
    result,
    images,
    units,
    width,
    steps,
    silent_decay,
    fired_decay,
    shrink,
    PARTS: tl.constexpr,
    BINARY: tl.constexpr,
    IMAGES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """IMAGES images, BLOCK units of the layer before: their error."""
    image = tl.program_id(0) * IMAGES + tl.arange(0, IMAGES)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    there = image < images
    real = there[:, None] & (column < width)[None, :]
    place = image[:, None] * width + column[None, :]
    fired = tl.load(effective + place, mask=real, other=0)
    total = tl.zeros([IMAGES, BLOCK], tl.float32)
    for unit in range(units):
        arrives = tl.zeros([IMAGES, BLOCK], tl.float32)
        for part in tl.static_range(PARTS):
            source = (part * images + image) * units + unit
            by = tl.load(step + source, mask=there, other=0)[:, None]
            wrong = tl.load(error + source, mask=there, other=0.0).to(tl.float32)[:, None]
            arrives += tl.where(fired <= by, wrong, 0.0)
        row = tl.load(weight + unit * width + column, mask=column < width, other=0.0)
        total += arrives * used(row, BINARY)[None, :]
    time = tl.load(times + place, mask=real, other=0)
    distance = tl.load(margin + place, mask=real, other=0.0)
    total = faded(total * shrink, time, distance, steps, silent_decay, fired_decay)
    tl.store(result + place, total, mask=real)


@triton.jit
def _weight(
    error,
    step,
    inputs,
    sums,
    images,
    units,
    width,
    share,
    factor,
    PARTS: tl.constexpr,
    UNROLL: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """A block of the gradients, for a share of the images."""
    row = tl.program_id(0) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    column = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
    # Columns first: then a thread has few of them and reads its rows as one vector
    block = tl.zeros([BLOCK_IN, BLOCK_OUT], tl.float32)
    begin = tl.program_id(2) * share
    end = tl.minimum(begin + share, images)
    for first in range(begin, end, UNROLL):
        for offset in tl.static_range(UNROLL):
            image = first + offset
            columns = tl.where(image < end, width, 0)
            rows = tl.where(image < end, units, 0)
            fired = tl.load(inputs + image * width + column, mask=column < columns, other=0).to(
                tl.int32
            )
            for part in tl.static_range(PARTS):
                place = (part * images + image) * units + row
                wrong = tl.load(error + place, mask=row < rows, other=0.0).to(tl.float32)
                by = tl.load(step + place, mask=row < rows, other=0)
                block += tl.where(fired[:, None] <= by[None, :], wrong[None, :], 0.0)
    store_gradients(block * factor, sums, row, column, units, width)
