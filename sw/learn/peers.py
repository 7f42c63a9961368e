"""Back-propagation through time as snnTorch and SpikingJelly do it, as baselines of training speed.

This project depends on neither; each function raises ImportError where its library is missing.
Neurons integrate without a leak, weights are real. A network takes spikes float32 [T, B, N_in] and
gives the number of spikes of each class, [B, N_out].
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

__all__ = ["snntorch_network", "spikingjelly_network"]


def snntorch_network(sizes: Sequence[int]) -> nn.Module:
    import snntorch
    from snntorch import surrogate

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pairs = pairwise(sizes)
            self.synapses = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairs)
            self.neurons: Any = nn.ModuleList(  # whose methods are snnTorch's
                snntorch.Leaky(beta=1.0, spike_grad=surrogate.fast_sigmoid()) for _ in self.synapses
            )

        def forward(self, train: Tensor) -> Tensor:
            potentials = [neuron.init_leaky() for neuron in self.neurons]
            counts = train.new_zeros(())
            for spikes in train:
                for index, (synapse, neuron) in enumerate(
                    zip(self.synapses, self.neurons, strict=True)
                ):
                    spikes, potentials[index] = neuron(synapse(spikes), potentials[index])
                counts = counts + spikes
            return counts

    return Network()


def spikingjelly_network(sizes: Sequence[int]) -> nn.Module:
    from spikingjelly.activation_based import functional, neuron, surrogate

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            blocks: list[nn.Module] = []
            for before, after in pairwise(sizes):
                blocks += [
                    nn.Linear(before, after, bias=False),
                    neuron.IFNode(surrogate_function=surrogate.ATan(), step_mode="m"),
                ]
            self.blocks = nn.Sequential(*blocks)

        def forward(self, train: Tensor) -> Tensor:
            functional.reset_net(self.blocks)
            spikes: Tensor = self.blocks(train)
            return spikes.sum(dim=0)

    return Network()
