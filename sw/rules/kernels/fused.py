"""The timing rule as Triton kernels: the gradients of ``sw/rules/bstdg.py`` on a GPU.

For few steps and classes ``sw/rules/kernels/by_step.py`` makes them with matrix products; else, and
for real weights, ``sw/rules/kernels/by_spike.py`` does spike by spike.
"""

import math
from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from sw.rules.kernels import by_spike, by_step
from sw.rules.kernels.interface import Dense, Draws, Settings
from sw.rules.kernels.loss import Layer

__all__ = ["Adam", "gradients"]


def gradients(
    settings: Settings, network: Sequence[Dense], inputs: Tensor, labels: Tensor, draws: Draws
) -> list[tuple[Tensor, Tensor]]:
    """Gradient of weights and thresholds of each layer of ``network``, first to last.

    Parameters
    ----------
    settings : Settings
    network : sequence of Dense
    inputs : integer [B, N_in], N_in < 2¹⁶
        Firing steps, T < 2¹⁵ for never.
    labels : int64 [B], or float [B, N_out]
    draws : Draws
    """
    kernels = by_step if by_step.suits(settings, len(network[-1].weight)) else by_spike
    inputs = inputs.to(torch.int16)
    layers: list[Layer] = []
    for layer, noise in zip(network[:-1], draws.noise, strict=False):  # the last noise is below
        layers.append(kernels.forward(settings, layer, inputs, noise))
        inputs = layers[-1].times
    error, step = kernels.output_error(settings, network[-1], inputs, labels, draws)
    scale = 1.0  # of the errors, which grow from layer to layer and must stay in float16's range
    result = []
    for index, layer in reversed(list(enumerate(network))):
        result.append(kernels.weight_error(settings, layer, error, step, inputs, scale))
        if index:
            before = layers[index - 1]
            shrink = 2.0 ** -(len(layer.weight).bit_length() // 2)  # about 1 / √N
            error = kernels.hidden_error(settings, layer, error, step, before, shrink)
            scale /= shrink
            step, inputs = before.effective[None], before.inputs
    return result[::-1]


class Adam(torch.optim.Adam):
    """PyTorch's Adam, its state and its arithmetic, in one kernel for each parameter. Without
    weight decay and such; ``lr`` of each group is a tensor on the GPU.
    """

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # a captured step has no closure
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
