"""Runs an exported NIR graph in another simulator and compares each spike time with the golden
model's. Prints one JSON object:

    python tests/sw/foreign_nir.py norse mnist-512-192-10-t8 --count 1000

Each simulator imports the graph by its own public function. It is then run

- as it is imported;
- with only the first spike of each hidden neuron passed on: what then becomes equal differed
  because neurons fired again;
- with the rule that it misses set by hand, where it could follow it: Norse drops ``v_reset``, so it
  is set, and neurons start from 0 all the same; SpikingJelly starts from ``v_reset``, so its
  neurons start from 0.

SpikingJelly and snnTorch take one threshold per layer only; ``--one-threshold`` gives each layer
the median of its own, in the graph and in the network that it is compared with.
"""

import argparse
import importlib
import itertools
import json
import sys
import warnings
from contextlib import redirect_stdout
from dataclasses import replace
from importlib import metadata

import numpy as np
import torch

from sim import golden
from sw.convert import to_nir
from sw.convert.simulate import simulate
from sw.data import registry
from sw.encoder import Spikes
from sw.network import Network, find

__all__ = ["compare", "one_threshold"]

_IMPORTERS = {
    "norse": ("norse.torch", "from_nir", {}),
    "snntorch": ("snntorch.import_nir", "import_from_nir", {}),
    "spikingjelly": (
        "spikingjelly.activation_based.nir_exchange",
        "import_from_nir",
        {"dt": 1.0},  # r of an IF must be 1 / dt
    ),
}


def one_threshold(network: Network) -> Network:
    """``network`` with the median of each layer's thresholds in all of its units."""
    layers = [
        replace(layer, threshold=np.full_like(layer.threshold, np.median(layer.threshold)))
        for layer in network.layers
    ]
    return replace(network, layers=tuple(layers))


def compare(simulator: str, network: Network, spikes: Spikes) -> dict[str, object]:
    """Figures of a simulator on input spikes; ``refused`` is its own message."""
    version = f"{simulator} {metadata.version(simulator)}"
    figures = {"simulator": version, "network": network.name, "examples": spikes.count}
    answer = golden.run(network, spikes)
    runs = {"as_imported": {}, "first_spikes_only": {"first_only": True}}
    if simulator in _STARTS:
        runs["corrected"] = {"start": _STARTS[simulator]}
    for kind, settings in runs.items():
        try:
            nodes = _imported(simulator, to_nir(network))
        except (AssertionError, ValueError) as error:
            return figures | {"refused": str(error)}
        times, classes = _run(network, spikes, nodes, **settings)
        pairs = zip(answer.times, times, strict=True)
        figures[kind] = {
            "times": [int(ours.size) for ours in answer.times],
            "times_different": [int((ours != theirs).sum()) for ours, theirs in pairs],
            "classes_different": int((classes != answer.label).sum()),
        }
    return figures


def _imported(simulator, graph):
    """Modules of the simulator, new ones, with the nodes that they are made of, in order."""
    module, function, settings = _IMPORTERS[simulator]
    with redirect_stdout(sys.stderr):  # snnTorch prints what it does
        imported = getattr(importlib.import_module(module), function)(graph, **settings)
    names = list(graph.nodes)[1:-1]
    return [(getattr(imported, name), graph.nodes[name]) for name in names]


def _norse_start(module, node, zeros):
    """Prepares a neuron, and gives its state before the first step."""
    from norse.torch.functional.iaf import IAFFeedForwardState

    module.p = module.p._replace(v_reset=torch.from_numpy(node.v_reset))
    return IAFFeedForwardState(v=zeros)


def _spikingjelly_start(module, node, zeros):
    """The same."""
    return (zeros,)


_STARTS = {"norse": _norse_start, "spikingjelly": _spikingjelly_start}


def _run(network, spikes, nodes, *, start=None, first_only=False):
    """First spikes of each layer, and classes by rule 5. A simulator's potential after a spike is
    its reset's, so the outputs' potentials are summed here.
    """
    states, times, time, total = [None] * len(nodes), {}, itertools.count(), 0

    @torch.no_grad()
    def step(counts):
        nonlocal total
        values, now = torch.from_numpy(counts).float(), next(time)
        for index, (module, node) in enumerate(nodes):
            if index % 2 == 0:
                values = module(values)
                continue
            if index == len(nodes) - 1:
                total = total + values.double().numpy()
            if start and now == 0:
                states[index] = start(module, node, torch.zeros_like(values))
            state = () if states[index] is None else (states[index],)
            values, states[index] = module(values, *state)
            first = times.setdefault(index, np.full(values.shape, network.steps))
            new = (values > 0).numpy() & (first == network.steps)
            first[new] = now
            if first_only:
                values = torch.from_numpy(new).float()
        return first < network.steps, total - node.v_threshold

    classes = simulate(spikes, network, step)
    return list(times.values()), classes


def main():
    flags = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    flags.add_argument("simulator", choices=_IMPORTERS)
    flags.add_argument("network", help="a .safetensors file, or a name in the zoo")
    flags.add_argument("--count", type=int, help="only the first so many test examples")
    flags.add_argument("--one-threshold", action="store_true")
    args = flags.parse_args()
    warnings.simplefilter("ignore")
    network = find(args.network)
    inputs = registry.load_for(network, count=args.count)[0]
    spikes = network.encoder.encode(inputs, network.steps)
    network = one_threshold(network) if args.one_threshold else network
    print(json.dumps(compare(args.simulator, network, spikes)))


if __name__ == "__main__":
    main()
