"""Another NIR simulator runs what is exported: Norse, where it is installed."""

import itertools

import numpy as np
import pytest
import torch

from sim import golden
from sw.convert import to_nir
from sw.convert.simulate import simulate
from sw.data import registry
from sw.network import find

pytest.importorskip("nir")
norse = pytest.importorskip("norse.torch.utils.import_nir")
NAME, COUNT = "mnist-512-192-10-t8", 1000


@pytest.fixture(scope="module")
def case():
    """A network, spikes, its graph's nodes in order and the golden model's answer."""
    network = find(NAME)
    spikes = network.encoder.encode(registry.load_for(network, count=COUNT)[0], network.steps)
    graph = to_nir(network)
    nodes = [node for key, node in graph.nodes.items() if key.startswith(("linear", "if"))]
    return network, spikes, nodes, golden.run(network, spikes)


def run(network, spikes, nodes, *, v_reset):
    """First spikes of each layer, and classes. Norse drops v_reset, and its neurons start
    from theirs; with ``v_reset`` they get the graph's and start from 0.
    """
    modules = [norse._import_norse_module(node) for node in nodes]
    states, times, time, total = [None] * len(nodes), {}, itertools.count(), 0

    @torch.no_grad()
    def step(counts):
        nonlocal total
        values, now = torch.from_numpy(counts).float(), next(time)
        for index, (node, module) in enumerate(zip(nodes, modules, strict=True)):
            if index % 2 == 0:
                values = module(values)
                continue
            if index == len(nodes) - 1:
                total = total + values.numpy()
            if v_reset and states[index] is None:
                module.p = module.p._replace(v_reset=torch.from_numpy(node.v_reset))
                start = torch.zeros_like(values)
                states[index] = module.initial_state(values)._replace(v=start)
            values, states[index] = module(values, states[index])
            first = times.setdefault(index, np.full(values.shape, network.steps))
            first[(values > 0).numpy() & (first == network.steps)] = now
        return first < network.steps, total - node.v_threshold

    classes = simulate(spikes, network, step)
    return list(times.values()), classes


def test_every_spike_time(case):
    network, spikes, nodes, answer = case
    times, classes = run(network, spikes, nodes, v_reset=True)
    for ours, theirs in zip(answer.times, times, strict=True):
        assert (ours == theirs).all()
    assert (classes == answer.label).all()


def test_as_norse_imports_it(case):
    """Without v_reset a hidden neuron may fire again. It fires first where ours does, so the first
    layer is equal; outputs differ in few, and no class does.
    """
    network, spikes, nodes, answer = case
    times, classes = run(network, spikes, nodes, v_reset=False)
    assert (times[0] == answer.times[0]).all()
    assert (times[1] != answer.times[1]).sum() == 121
    assert (classes == answer.label).all()
