"""One step of learning, and a step as a CUDA graph."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from sw.learn import distributed
from sw.rules import Rule

__all__ = ["captured", "learn", "prepare"]

_WARM_UP = 3  # steps before a graph is captured, as PyTorch advises


def learn(rule: Rule, optimizer: torch.optim.Optimizer, inputs: Tensor, labels: Tensor) -> None:
    """One step of ``optimizer`` from this process's part of a batch, as ``Rule.backward`` takes
    it.
    """
    rule.backward(inputs, labels)
    distributed.average([p.grad for p in rule.parameters() if p.grad is not None])
    optimizer.step()
    rule.constrain()


def prepare(optimizer: torch.optim.Optimizer) -> None:
    """Makes the state of ``optimizer``, whose rates are 0, so that a graph can be captured around
    it.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()  # with rate 0 and no gradient it only makes the state
    for state in optimizer.state.values():
        state["step"].zero_()


def captured(step: Callable[[], None], warm_up: Callable[[], None]) -> Callable[[], None]:
    """``step`` as a CUDA graph: what replays it. ``warm_up`` is run a few times before; it does the
    same, and may do it to something else.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            warm_up()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return partial(_replay, graph, step)


def _replay(graph: torch.cuda.CUDAGraph, step: Callable[[], None]) -> None:
    """Replays ``graph``. Whoever keeps this keeps ``step`` too, and with it the tensors that the
    graph reads and writes, such as an optimizer's state: their memory must not become another's.
    """
    graph.replay()
