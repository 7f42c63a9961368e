"""The timing rule as Triton kernels: the gradients of ``sw/rules/bstdg.py``, spike by spike.

Time is never walked. The forward kernel goes through the spikes of an image in the order in which
they fire, so its work is spikes × units, whatever T; the backward kernels compare a spike's step
with an error's. Nothing of size B × T × N or B × N_out × N_in is ever written.

Potentials of signs are whole numbers and equal those of the plain path exactly. Sums of errors are
made in another order, always the same one, so gradients equal up to rounding. Errors carry the 1/B
of the mean over the batch from the output on.

Without a GPU the kernels run in Triton's interpreter if ``TRITON_INTERPRET=1`` is set before this
module is imported; the tests do that.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

if TYPE_CHECKING:
    from sw.rules.bstdg import Bstdg, Draws

__all__ = ["Adam", "gradients"]

_UNIT = 1 << 16  # a key is step · 2¹⁶ + unit
_SORTED = 4096  # inputs that a kernel sorts by itself
_SHARES = 8  # of the images, each summed by itself


class _Layer(NamedTuple):
    """What is kept of a layer's forward pass."""

    inputs: Tensor  # firing steps of the layer before, [B, N_in], T for never
    times: Tensor  # t, int32 [B, N], T for never
    effective: Tensor  # e, int32 [B, N]
    margin: Tensor  # m, [B, N], in units of the spread


def gradients(
    rule: "Bstdg", inputs: Tensor, labels: Tensor, draws: "Draws"
) -> list[tuple[Tensor, Tensor]]:
    """Gradient of weights and thresholds of each layer, as ``Bstdg.gradients`` gives them.

    Parameters
    ----------
    inputs : integer [B, N_in], N_in < 2¹⁶
        Firing steps, T for never.
    labels : int64 [B], or float [B, N_out]
    draws : Draws
    """
    layers: list[_Layer] = []
    for index in range(len(rule.weights)):
        arrived = layers[-1].times if layers else inputs
        layers.append(_forward(rule, index, arrived, draws.noise[index]))
    error, step = _output_error(rule, layers[-1], labels, draws)
    result = []
    for index in reversed(range(len(layers))):
        weight = _weight_error(error, step, layers[index].inputs)
        result.append((weight, error.sum(dim=(0, 1))))
        if index:
            before = layers[index - 1]
            error = _hidden_error(rule, index, error, step, before)
            step = before.effective[None]
    return result[::-1]


class Adam(torch.optim.Adam):
    """PyTorch's Adam, its state and its arithmetic, in one kernel for each parameter. Without
    weight decay and such; ``lr`` of each group is a tensor on the GPU.
    """

    @torch.no_grad()
    def step(self) -> None:
        if not self.state:
            super().step()  # makes the state
            return
        torch._foreach_add_([state["step"] for state in self.state.values()], 1)
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                count = parameter.numel()
                _adam[(triton.cdiv(count, 1024),)](
                    parameter,
                    parameter.grad.contiguous(),
                    state["exp_avg"],
                    state["exp_avg_sq"],
                    state["step"],
                    group["lr"],
                    count,
                    group["eps"],
                    *group["betas"],
                    *(math.log(beta) for beta in group["betas"]),
                    BLOCK=1024,
                )


def _forward(rule: "Bstdg", index: int, inputs: Tensor, noise: Tensor) -> _Layer:
    images, width = inputs.shape
    units = rule.sizes[index + 1]
    rows = torch.empty(
        width, units, dtype=torch.int8 if rule.binary else torch.float32, device=inputs.device
    )
    grid = (triton.cdiv(units, 32), triton.cdiv(width, 64))
    _rows[grid](
        rule.weights[index], rows, units, width, BINARY=rule.binary, BLOCK_OUT=32, BLOCK_IN=64
    )
    times, effective = (
        torch.empty(images, units, dtype=torch.int32, device=inputs.device) for _ in range(2)
    )
    margin = torch.empty(images, units, device=inputs.device)
    block = min(64, triton.next_power_of_2(units))
    _trace[(images, triton.cdiv(units, block))](
        _ordered(inputs),
        rows,
        rule.thresholds[index],
        noise,
        rule.spread[index],
        times,
        effective,
        margin,
        width,
        units,
        rule.steps,
        *noise.expand(images, units).stride(),
        LOT=16,
        BLOCK=block,
        UNIT=_UNIT,
        num_warps=1,
    )
    return _Layer(inputs, times, effective, margin)


def _ordered(inputs: Tensor) -> Tensor:
    """Keys of the spikes of each image in the order in which they fire, int32 [B, N_in]."""
    images, width = inputs.shape
    keys = torch.empty(images, width, dtype=torch.int32, device=inputs.device)
    block = min(triton.next_power_of_2(width), _SORTED)
    at_once = width <= block  # one program holds an image
    grid = (images, triton.cdiv(width, block))
    _keys[grid](inputs, keys, width, SORT=at_once, BLOCK=block, UNIT=_UNIT)
    return keys if at_once else keys.sort(dim=1).values


def _output_error(
    rule: "Bstdg", layer: _Layer, labels: Tensor, draws: "Draws"
) -> tuple[Tensor, Tensor]:
    """The three parts of the error and their steps, [3, B, N] each."""
    (images, units), width = layer.times.shape, layer.inputs.shape[1]
    error = torch.empty(3, images, units, device=labels.device)
    step = torch.empty(3, images, units, dtype=torch.int32, device=labels.device)
    _output[(images,)](
        layer.inputs,
        layer.times,
        layer.effective,
        rule.weights[-1],
        rule.thresholds[-1],
        draws.noise[-1],
        rule.spread[-1],
        draws.later,
        labels,
        error,
        step,
        images,
        units,
        width,
        rule.steps,
        rule.lead,
        rule.steps * rule.time_scale,
        rule.margin_gain,
        rule.later_gain,
        rule.smoothing,
        FROM_START=rule.later_from_start,
        SHARES=labels.is_floating_point(),
        BINARY=rule.binary,
        UNITS=triton.next_power_of_2(units),
        BLOCK=max(16, 8192 // triton.next_power_of_2(units)),
    )
    return error, step


def _hidden_error(rule: "Bstdg", index: int, error: Tensor, step: Tensor, before: _Layer) -> Tensor:
    """Error [1, B, N_in] of the layer before layer ``index``, whose error is given."""
    (parts, images, units), width = error.shape, before.times.shape[1]
    result = error.new_empty(1, images, width)
    _hidden[(images, triton.cdiv(width, 256))](
        error,
        step,
        rule.weights[index],
        before.times,
        before.effective,
        before.margin,
        result,
        images,
        units,
        width,
        rule.steps,
        rule.silent_decay,
        rule.fired_decay,
        PARTS=parts,
        BINARY=rule.binary,
        BLOCK=256,
    )
    return result


def _weight_error(error: Tensor, step: Tensor, inputs: Tensor) -> Tensor:
    (parts, images, units), width = error.shape, inputs.shape[1]
    # Enough blocks to fill a GPU, and as few sums of parts as that allows
    block, shares = (32, _SHARES) if units > 32 else (16, 8 * _SHARES)
    shares = min(images, shares)
    total = error.new_empty(shares, units, width)
    grid = (triton.cdiv(units, block), triton.cdiv(width, 64), shares)
    _weight[grid](
        error,
        step,
        inputs,
        total,
        images,
        units,
        width,
        triton.cdiv(images, shares),
        PARTS=parts,
        UNROLL=4,
        BLOCK_OUT=block,
        BLOCK_IN=64,
        num_warps=2,
    )
    return total.sum(dim=0)


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
    used = _used(tl.load(weight + row[:, None] * width + column[None, :], mask=real), BINARY)
    used = tl.trans(used).to(rows.dtype.element_ty)
    tl.store(rows + column[:, None] * units + row[None, :], used, mask=tl.trans(real))


@triton.jit
def _used(weight, BINARY: tl.constexpr):
    """The weights that spikes meet, from the latent ones."""
    return tl.where(weight >= 0, 1.0, -1.0) if BINARY else weight


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
    tl.store(times + place, time, mask=real)
    tl.store(effective + place, step, mask=real)
    tl.store(margin + place, (best - theta) / scale, mask=real)


@triton.jit
def _softmax(logits):
    powers = tl.exp(logits - tl.max(logits, axis=0))
    return powers / tl.sum(powers, axis=0)


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
    image = tl.program_id(0)
    unit = tl.arange(0, UNITS)
    real = unit < units
    time = tl.load(times + image * units + unit, mask=real, other=steps)
    decision = tl.minimum(tl.min(time, axis=0), steps - 1)
    earliest = 0 if FROM_START else decision
    later = earliest + (tl.load(draw + image) * (steps - earliest)).to(tl.int32)
    later = tl.minimum(later, steps - 1)
    # Potentials at the two steps
    at_decision = tl.zeros([UNITS], tl.float32)
    at_later = tl.zeros([UNITS], tl.float32)
    for start in range(0, width, BLOCK):
        column = start + tl.arange(0, BLOCK)
        fired = tl.load(inputs + image * width + column, mask=column < width, other=steps)
        tile = unit[:, None] * width + column[None, :]
        used = _used(
            tl.load(weight + tile, mask=real[:, None] & (column < width)[None, :], other=0.0),
            BINARY,
        )
        at_decision += tl.sum(tl.where((fired <= decision)[None, :], used, 0.0), axis=1)
        at_later += tl.sum(tl.where((fired <= later)[None, :], used, 0.0), axis=1)
    scale = tl.load(spread)
    theta = tl.load(threshold + unit, mask=real, other=0.0) + scale * tl.load(noise + image)
    if SHARES:
        target = tl.load(labels + image * units + unit, mask=real, other=0.0)
    else:
        target = tl.where(unit == tl.load(labels + image), 1.0, 0.0)
    wanted = target * (1 - smoothing) + smoothing / units
    logits = -(time + lead * target) / beta + margin_gain * (at_decision - theta) / scale
    first = wanted - _softmax(tl.where(real, logits, float("-inf")))
    logits = later_gain * (at_later - theta) / scale
    second = wanted - _softmax(tl.where(real, logits, float("-inf")))
    beyond = ((time == 0) & (first > 0)) | ((time == steps) & (first < 0))
    place = image * units + unit
    part = images * units
    tl.store(error + place, tl.where(beyond, 0.0, first / beta) / images, mask=real)
    tl.store(error + part + place, margin_gain * first / images, mask=real)
    tl.store(error + 2 * part + place, later_gain * second / images, mask=real)
    own = tl.load(effective + place, mask=real, other=0)
    tl.store(step + place, own, mask=real)
    tl.store(step + part + place, tl.zeros_like(own) + decision, mask=real)
    tl.store(step + 2 * part + place, tl.zeros_like(own) + later, mask=real)


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
    PARTS: tl.constexpr,
    BINARY: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One image, BLOCK units of the layer before: their error."""
    image = tl.program_id(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = column < width
    place = image * width + column
    fired = tl.load(effective + place, mask=real, other=0)
    total = tl.zeros([BLOCK], tl.float32)
    for unit in range(units):
        arrives = tl.zeros([BLOCK], tl.float32)
        for part in tl.static_range(PARTS):
            source = (part * images + image) * units + unit
            arrives += tl.where(fired <= tl.load(step + source), tl.load(error + source), 0.0)
        row = tl.load(weight + unit * width + column, mask=real, other=0.0)
        total += arrives * _used(row, BINARY)
    time = tl.load(times + place, mask=real, other=0)
    distance = tl.load(margin + place, mask=real, other=0.0)
    total *= tl.exp(tl.where(time == steps, silent_decay, -fired_decay) * distance)
    tl.store(result + place, tl.where((time == 0) & (total > 0), 0.0, total), mask=real)


@triton.jit
def _weight(
    error,
    step,
    inputs,
    total,
    images,
    units,
    width,
    share,
    PARTS: tl.constexpr,
    UNROLL: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """A block of the gradient of the weights, for a share of the images."""
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
                wrong = tl.load(error + place, mask=row < rows, other=0.0)
                by = tl.load(step + place, mask=row < rows, other=0)
                block -= tl.where(fired[:, None] <= by[None, :], wrong[None, :], 0.0)
    place = (tl.program_id(2) * units + row[None, :]) * width + column[:, None]
    tl.store(total + place, block, mask=(row < units)[None, :] & (column < width)[:, None])


@triton.jit
def _adam(
    parameter,
    gradient,
    mean,
    square,
    step,
    rate,
    count,
    eps,
    BETA1: tl.constexpr,
    BETA2: tl.constexpr,
    LOG1: tl.constexpr,
    LOG2: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Kingma and Ba, ICLR 2015, algorithm 1."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = place < count
    slope = tl.load(gradient + place, mask=real, other=0.0)
    first = tl.load(mean + place, mask=real, other=0.0)
    second = tl.load(square + place, mask=real, other=0.0)
    first += (slope - first) * (1 - BETA1)
    second = second * BETA2 + slope * slope * (1 - BETA2)
    done = tl.load(step).to(tl.float64)  # 1 − β² to the first steps is a small difference
    unbias1 = (1 - tl.exp(done * LOG1)).to(tl.float32)
    unbias2 = (1 - tl.exp(done * LOG2)).to(tl.float32)
    change = tl.load(rate) / unbias1 * first / (tl.sqrt(second / unbias2) + eps)
    tl.store(mean + place, first, mask=real)
    tl.store(square + place, second, mask=real)
    tl.store(parameter + place, tl.load(parameter + place, mask=real) - change, mask=real)
