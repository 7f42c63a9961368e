"""What a network of either coding answers, by the trainer's integer mode."""

import numpy as np
import torch

from sw.answer import Answer, BistableAnswer
from sw.encoder import Spikes
from sw.learn import bistable, inference
from sw.network import Network

__all__ = ["run_inputs"]


def run_inputs(
    network: Network, inputs: np.ndarray | Spikes, device: str | torch.device = "cpu"
) -> Answer | BistableAnswer:
    """The answer to ``inputs`` as the network takes them: images, or spikes."""
    if network.coding == "bistable":
        return bistable.run_images(network, inputs, device)
    return inference.run_inputs(network, inputs, device)
