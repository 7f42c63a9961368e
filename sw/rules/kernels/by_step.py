"""The timing rule's Triton kernels for few steps and signs: matrix products on tensor cores.

What an image's spikes add up to at the end of each step is a product of flags and signs, a row for
each step of each image; so is the gradient of the weights, of errors put at their step and flags.
The work grows with T, unlike that of ``sw/rules/kernels/by_spike.py``, but tensor cores do it so
fast that it wins up to 32 steps. Flags and errors are put in place inside the kernels: nothing of
size B × T × N is ever written.

Here every layer has a multiple of 16 units. Those beyond the real ones fire at once, but their
signs are 0, and so are their errors. Kernels load several values at once, for which rows must be
aligned.
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
)
from sw.rules.kernels.operands import arrived_by, flags_by, packed, placed_at, stacked

__all__ = ["forward", "hidden_error", "output_error", "suits", "weight_error"]

_STEPS = 32  # T up to which these are the faster ones
_CLASSES = 128  # that one program holds
_ROWS = 128  # of a product: images × steps
_PROGRAMS = 264  # that a GPU runs at once, about


def suits(settings: Settings, classes: int) -> bool:
    """Whether these kernels can train a network of so many ``classes``, and are the faster ones."""
    return settings.binary and settings.steps <= _STEPS and classes <= _CLASSES


def forward(settings: Settings, layer: Dense, inputs: Tensor, noise: Tensor) -> Layer:
    """Runs ``layer`` on ``inputs`` int16 [B, N_in]."""
    images, width = inputs.shape
    units, device = len(layer.weight), inputs.device
    signs = _signs_of(layer.weight)
    shape = images, _wide(units)
    times, effective = (torch.empty(shape, dtype=torch.int16, device=device) for _ in range(2))
    margin = torch.empty(shape, device=device)
    steps = triton.next_power_of_2(settings.steps)
    block = 128 if units > 64 else 64
    _trace[(triton.cdiv(images * steps, _ROWS), triton.cdiv(shape[1], block))](
        inputs,
        signs,
        layer.threshold,
        noise,
        layer.spread,
        times,
        effective,
        margin,
        images,
        width,
        *signs.shape,
        units,
        settings.steps,
        *noise.expand(images, units).stride(),
        PACKED=packed(inputs),
        STEPS=steps,
        IMAGES=_ROWS // steps,
        BLOCK_OUT=block,
        BLOCK_IN=64,
    )
    return Layer(inputs, times, effective, margin)


def output_error(
    settings: Settings, layer: Dense, inputs: Tensor, labels: Tensor, draws: Draws
) -> tuple[Tensor, Tensor]:
    """The three parts of the error of ``layer``, the last, and their steps, [3, B, N] each."""
    (images, width), units = inputs.shape, len(layer.weight)
    signs = _signs_of(layer.weight)
    shape = 3, images, _wide(units)
    error = torch.empty(shape, dtype=torch.float16, device=inputs.device)
    step = torch.empty(shape, dtype=torch.int16, device=inputs.device)
    steps = triton.next_power_of_2(settings.steps)
    _output[(triton.cdiv(images * steps, _ROWS),)](
        inputs,
        signs,
        layer.threshold,
        draws.noise[-1],
        layer.spread,
        draws.later,
        labels,
        error,
        step,
        images,
        width,
        *signs.shape,
        units,
        *loss_settings(settings),
        FROM_START=settings.later_from_start,
        SHARES=labels.is_floating_point(),
        PACKED=packed(inputs),
        STEPS=steps,
        IMAGES=_ROWS // steps,
        UNITS=max(64, triton.next_power_of_2(units)),
        BLOCK_IN=64,
    )
    return error, step


def hidden_error(
    settings: Settings, layer: Dense, error: Tensor, step: Tensor, before: Layer, shrink: float
) -> Tensor:
    """Error [1, B, N_in] of the layer before ``layer``, whose error is given, times ``shrink``."""
    (parts, images, units), width = error.shape, before.times.shape[1]
    signs = _signs_of(layer.weight)
    result = error.new_empty(1, images, width)
    steps = triton.next_power_of_2(settings.steps)
    _hidden[(triton.cdiv(images * steps, 64), triton.cdiv(width, 128))](
        error,
        step,
        signs,
        before.times,
        before.effective,
        before.margin,
        result,
        images,
        units,
        width,
        signs.shape[1],
        layer.weight.shape[1],
        settings.steps,
        settings.silent_decay,
        settings.fired_decay,
        shrink,
        PARTS=parts,
        STEPS=steps,
        IMAGES=64 // steps,
        UNITS=16 if units == 16 else 64,
        BLOCK=128,
    )
    return result


def weight_error(
    settings: Settings, layer: Dense, error: Tensor, step: Tensor, inputs: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """Gradients of weights [N_out, N_in] and thresholds [N_out] of ``layer``, from its errors over
    ``scale`` and their steps [parts, B, N_out].
    """
    parts, images, wide = error.shape
    units, width = layer.weight.shape
    block = 128 if units > 16 else 16
    # One input more, that always fires at once: its weight is the threshold, but for the sign
    grid = (triton.cdiv(units, block), triton.cdiv(width + 1, 64))
    # As many shares of the images as fill a GPU, if each has some work
    lot = 64 if parts == 1 else 32
    shares = max(1, min(images // 64, _PROGRAMS // (grid[0] * grid[1])))
    share = lot * triton.cdiv(images, shares * lot)
    shares = triton.cdiv(images, share)
    sums = torch.empty(shares, units * (width + 1), device=error.device)
    _weight[(*grid, shares)](
        error,
        step,
        inputs,
        sums,
        images,
        wide,
        units,
        inputs.shape[1],
        width,
        settings.steps,
        share,
        scale / images,
        PARTS=parts,
        PACKED=packed(inputs),
        IMAGES=lot,
        BLOCK_OUT=block,
        BLOCK_IN=64,
    )
    return summed(sums, units)


def _wide(units: int) -> int:
    return 16 * triton.cdiv(units, 16)


def _signs_of(weight: Tensor) -> Tensor:
    """−1 or +1 of the latent ``weight``, int8 [N_out, N_in], up to the next 16 and 64; there 0."""
    units, width = weight.shape
    shape = _wide(units), 64 * triton.cdiv(width, 64)
    result = torch.empty(shape, dtype=torch.int8, device=weight.device)
    grid = (shape[0], triton.cdiv(shape[1], 1024))
    _signs[grid](weight, result, units, width, shape[1], BLOCK=1024)
    return result


@triton.jit
def _signs(weight, result, units, width, padded, BLOCK: tl.constexpr):
    """One unit's weights."""
    unit = tl.program_id(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = column < tl.where(unit < units, width, 0)
    latent = tl.load(weight + unit * width + column, mask=real, other=0.0)
    sign = tl.where(real, tl.where(latent >= 0, 1, -1), 0)
    tl.store(result + unit * padded + column, sign.to(tl.int8), mask=column < padded)


@triton.jit
def _potentials(
    inputs,
    signs,
    image,
    unit,
    images,
    width,
    wide,
    padded,
    steps: tl.constexpr,
    PACKED: tl.constexpr,
    STEPS: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """64-fold, of ``unit`` on ``image`` at the end of each step: int32 [units, STEPS, images].
    In this order one thread holds all steps of its units and images: what compares them is cheap.
    Steps beyond T repeat its last one, which changes neither first step nor peak.
    """
    count: tl.constexpr = image.shape[0]
    sums = tl.zeros([unit.shape[0], STEPS * count], tl.int32)
    for start in range(0, padded, BLOCK_IN):
        column = start + tl.arange(0, BLOCK_IN)
        place = unit[:, None] * padded + column[None, :]
        sign = tl.load(signs + place, mask=(unit < wide)[:, None], other=0)
        fired = tl.load(
            inputs + image[:, None] * width + column[None, :],
            mask=(image < images)[:, None] & (column < width)[None, :],
            other=0,
        ).to(tl.int8)
        # Stacked, not broadcast: so flags stay in the threads that loaded their times
        flags = ()
        for now in tl.static_range(STEPS):
            flags += (flags_by(fired, min(now, steps - 1), PACKED),)
        arrived = tl.reshape(stacked(flags, STEPS), [count, BLOCK_IN, STEPS])
        arrived = tl.reshape(tl.permute(arrived, 2, 0, 1), [STEPS * count, BLOCK_IN])
        sums = tl.dot(sign, tl.trans(arrived), sums, out_dtype=tl.int32)
    return tl.reshape(sums, [unit.shape[0], STEPS, count])


@triton.jit
def _steps_of(potential, theta, steps, STEPS: tl.constexpr):
    """Firing step, T for never, effective step, and potential at that, from 64-fold ``potential``:
    [BLOCK_OUT, IMAGES].
    """
    left = (63 - tl.arange(0, STEPS))[None, :, None]
    limit = 64 * tl.clamp(tl.ceil(theta), -(1 << 23), 1 << 23).to(tl.int32)[:, None, :]
    # One number orders the steps: best is the first from the threshold on, or else the first at the
    # peak. 64-fold potentials lie within ±2²².
    best = tl.max(potential + tl.where(potential >= limit, (128 + left) << 23, left), axis=1)
    fires = best >= 1 << 29
    left = tl.where(fires, (best + (1 << 22)) >> 23, best) & 63
    reached = best - tl.where(fires, (128 + left) << 23, left)
    return tl.where(fires, 63 - left, steps), 63 - left, (reached >> 6).to(tl.float32)


@triton.jit
def _at(potential, step, STEPS: tl.constexpr):
    """Potential at ``step`` [IMAGES], from 64-fold ``potential``: [IMAGES, BLOCK_OUT]."""
    there = tl.arange(0, STEPS)[None, :, None] == step[None, None, :]
    return tl.trans((tl.sum(tl.where(there, potential, 0), axis=1) >> 6).to(tl.float32))


@triton.jit
def _trace(
    inputs,
    signs,
    threshold,
    noise,
    spread,
    times,
    effective,
    margin,
    images,
    width,
    wide,
    padded,
    units,
    steps: tl.constexpr,
    noise_row,
    noise_column,
    PACKED: tl.constexpr,
    STEPS: tl.constexpr,
    IMAGES: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """IMAGES images, BLOCK_OUT units of a layer."""
    image = tl.program_id(0) * IMAGES + tl.arange(0, IMAGES)
    unit = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    potential = _potentials(
        inputs, signs, image, unit, images, width, wide, padded, steps, PACKED, STEPS, BLOCK_IN
    )
    real = (unit < units)[:, None] & (image < images)[None, :]
    scale = tl.load(spread)
    theta = tl.load(threshold + unit, mask=unit < units, other=float("-inf"))[:, None]
    place = unit[:, None] * noise_column + image[None, :] * noise_row
    theta += scale * tl.load(noise + place, mask=real, other=0.0)
    time, own, reached = _steps_of(potential, theta, steps, STEPS)
    real = (unit < wide)[:, None] & (image < images)[None, :]
    place = unit[:, None] + image[None, :] * wide
    tl.store(times + place, time.to(tl.int16), mask=real)
    tl.store(effective + place, own.to(tl.int16), mask=real)
    tl.store(margin + place, (reached - theta) / scale, mask=real)


@triton.jit
def _output(
    inputs,
    signs,
    threshold,
    noise,
    spread,
    draw,
    labels,
    error,
    step,
    images,
    width,
    wide,
    padded,
    units,
    steps: tl.constexpr,
    lead,
    beta,
    margin_gain,
    later_gain,
    smoothing,
    FROM_START: tl.constexpr,
    SHARES: tl.constexpr,
    PACKED: tl.constexpr,
    STEPS: tl.constexpr,
    IMAGES: tl.constexpr,
    UNITS: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """IMAGES images: the output layer and its error."""
    image = tl.program_id(0) * IMAGES + tl.arange(0, IMAGES)
    unit = tl.arange(0, UNITS)
    potential = _potentials(
        inputs, signs, image, unit, images, width, wide, padded, steps, PACKED, STEPS, BLOCK_IN
    )
    theta = tl.load(threshold + unit, mask=unit < units, other=float("inf"))[:, None]
    theta += tl.load(spread) * tl.load(noise + image, mask=image < images, other=0.0)[None, :]
    time, own, _ = _steps_of(potential, theta, steps, STEPS)
    drawn = tl.load(draw + image, mask=image < images, other=0.0)
    time, own = tl.trans(time), tl.trans(own)
    decision, later = read_out(time, drawn, steps, FROM_START)
    at_decision, at_later = _at(potential, decision, STEPS), _at(potential, later, STEPS)
    outputs = time, own, decision, later, at_decision, at_later
    noisy = threshold, noise, spread
    settings = steps, lead, beta, margin_gain, later_gain, smoothing
    place = error, step, image, unit, images, units, wide
    loss(outputs, noisy, settings, labels, *place, SHARES=SHARES)


@triton.jit
def _hidden(
    error,
    step,
    signs,
    times,
    effective,
    margin,
    result,
    images,
    units,
    wide,
    padded,
    width,
    steps,
    silent_decay,
    fired_decay,
    shrink,
    PARTS: tl.constexpr,
    STEPS: tl.constexpr,
    IMAGES: tl.constexpr,
    UNITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """IMAGES images, BLOCK of the ``width`` units of the layer before, ``wide`` in rows: their
    error.
    """
    image = tl.program_id(0) * IMAGES + tl.arange(0, IMAGES)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    now = tl.arange(0, STEPS)
    passed = tl.zeros([BLOCK, STEPS * IMAGES], tl.float32)
    for start in range(0, units, UNITS):
        unit = start + tl.arange(0, UNITS)
        # What a spike in each step meets: the errors from that step on
        ahead = tl.zeros([STEPS, IMAGES, UNITS], tl.float32)
        for part in tl.static_range(PARTS):
            place = (part * images + image)[:, None] * units + unit[None, :]
            real = (image < images)[:, None] & (unit < units)[None, :]
            wrong = tl.load(error + place, mask=real, other=0.0).to(tl.float32)
            by = tl.load(step + place, mask=real, other=0)
            ahead += tl.where(now[:, None, None] <= by[None, :, :], wrong[None, :, :], 0.0)
        place = unit[:, None] * padded + column[None, :]
        real = (unit < units)[:, None] & (column < padded)[None, :]
        sign = tl.load(signs + place, mask=real, other=0).to(tl.float16)
        ahead = tl.reshape(ahead.to(tl.float16), [STEPS * IMAGES, UNITS])
        passed = tl.dot(tl.trans(sign), tl.trans(ahead), passed)
    passed = tl.reshape(passed, [BLOCK, STEPS, IMAGES])
    real = (column < wide)[:, None] & (image < images)[None, :]
    place = column[:, None] + image[None, :] * wide
    own = tl.load(effective + place, mask=real, other=0)
    there = now[None, :, None] == own[:, None, :]
    total = tl.sum(tl.where(there, passed, 0.0), axis=1)
    time = tl.load(times + place, mask=real, other=0)
    distance = tl.load(margin + place, mask=real, other=0.0)
    total = faded(total * shrink, time, distance, steps, silent_decay, fired_decay)
    tl.store(result + place, tl.where((column < width)[:, None], total, 0.0), mask=real)


@triton.jit
def _weight(
    error,
    step,
    inputs,
    sums,
    images,
    wide_out,
    units,
    wide_in,
    width,
    steps: tl.constexpr,
    share,
    factor,
    PARTS: tl.constexpr,
    PACKED: tl.constexpr,
    IMAGES: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """A block of the gradients, for a share of the images. Rows of errors have ``wide_out`` places,
    rows of inputs ``wide_in``.
    """
    row = tl.program_id(0) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    column = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
    block = tl.zeros([BLOCK_IN, BLOCK_OUT], tl.float32)
    begin = tl.program_id(2) * share
    end = tl.minimum(begin + share, images)
    for first in range(begin, end, IMAGES):
        image = first + tl.arange(0, IMAGES)
        real = (column < wide_in)[:, None] & (image < end)[None, :]
        place = column[:, None] + image[None, :] * wide_in
        fired = tl.load(inputs + place, mask=real, other=0)  # the threshold's has fired at once
        real = (image < end)[:, None] & (row < wide_out)[None, :]
        wrong = ()
        by = ()
        for part in tl.static_range(PARTS):
            place = (part * images + image)[:, None] * wide_out + row[None, :]
            wrong += (tl.load(error + place, mask=real, other=0.0),)
            by += (tl.load(step + place, mask=real, other=0),)
        for now in tl.static_range(steps):
            placed = tl.zeros([IMAGES, BLOCK_OUT], tl.float16)
            for part in tl.static_range(PARTS):
                placed = placed_at(placed, wrong[part], by[part], now, PACKED)
            block = tl.dot(arrived_by(fired, now, PACKED), placed, block)
    store_gradients(block * factor, sums, row, column, units, width)
