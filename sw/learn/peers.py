"""Back-propagation through time as snnTorch and SpikingJelly do it, as baselines of training speed.

This project depends on neither; each function raises ImportError where its library is missing.
Neurons integrate without a leak, weights are real, pooling takes the largest of a window's spikes.
A network takes spikes float32 [T, B, N_in] and gives each class's number of spikes, [B, N_out].
SpikingJelly gets all steps at once (its multi-step mode), by the fastest kernels that it finds.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sw.structure import Conv, Pooling, Structure

__all__ = ["half_spikingjelly_network", "snntorch_network", "spikingjelly_network"]


def snntorch_network(structure: Structure | Sequence[int]) -> nn.Module:
    import snntorch
    from snntorch import surrogate

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            groups = _synapses(Structure.of(structure))
            self.synapses = nn.ModuleList(nn.Sequential(*group) for group in groups)
            self.neurons: Any = nn.ModuleList(  # whose methods are snnTorch's
                snntorch.Leaky(beta=1.0, spike_grad=surrogate.fast_sigmoid()) for _ in groups
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


def spikingjelly_network(structure: Structure | Sequence[int]) -> nn.Module:
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            blocks: list[nn.Module] = []
            for group in _synapses(Structure.of(structure)):
                dense = isinstance(group[0], nn.Linear)  # takes steps and examples as they are
                blocks += [
                    group[0] if dense else layer.SeqToANNContainer(*group),
                    neuron.IFNode(surrogate_function=surrogate.ATan(), step_mode="m"),
                ]
            self.blocks = nn.Sequential(*blocks)

        def forward(self, train: Tensor) -> Tensor:
            functional.reset_net(self.blocks)
            spikes: Tensor = self.blocks(train)
            return spikes.sum(dim=0)

    return Network()


def half_spikingjelly_network(structure: Structure | Sequence[int]) -> nn.Module:
    """The same with the products in half precision, and channels last, as tensor cores like it."""
    network = spikingjelly_network(structure)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

        def forward(self, train: Tensor) -> Tensor:
            with torch.autocast(train.device.type, torch.float16):
                counts: Tensor = self.network(train)
            return counts.float()

    return Network()


def _synapses(structure: Structure) -> list[list[nn.Module]]:
    """What lies before each layer of neurons, as modules on [B, …]."""
    result: list[list[nn.Module]] = []
    waiting: list[nn.Module] = []
    if not structure.dense:
        waiting.append(nn.Unflatten(1, structure.inputs))
    for kind, inputs in zip(structure.kinds, structure.maps, strict=False):
        if isinstance(kind, Pooling):
            waiting.append(nn.MaxPool2d(kind.kernel))
            continue
        if isinstance(kind, Conv):
            top, bottom, left, right = kind.padding
            padding = top, left
            if padding != (bottom, right):
                waiting.append(nn.ZeroPad2d((left, right, top, bottom)))
                padding = 0, 0
            sizes = inputs[0], kind.channels, kind.kernel, kind.stride, padding
            waiting.append(nn.Conv2d(*sizes, bias=False))
        else:
            if waiting or (result and isinstance(result[-1][-1], nn.Conv2d)):
                waiting.append(nn.Flatten())
            rows, columns = kind.weights(inputs)
            waiting.append(nn.Linear(columns, rows, bias=False))
        result.append(waiting)
        waiting = []
    return result
