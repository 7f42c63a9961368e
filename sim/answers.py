"""What a network of either coding answers, by its golden model."""

from sim import bistable, golden
from sw.answer import Answer, BistableAnswer
from sw.encoder import Inputs
from sw.network import Network

__all__ = ["run_inputs"]


def run_inputs(network: Network, inputs: Inputs) -> Answer | BistableAnswer:
    """The answer to ``inputs`` as the network takes them: images, or spikes."""
    if network.coding == "bistable":
        return bistable.run_inputs(network, inputs)
    return golden.run_inputs(network, inputs)
