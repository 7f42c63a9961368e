"""Networks as graphs of NIR, the neuromorphic intermediate representation (https://neuroir.org).

A layer of a network is ``Linear`` with weights ±1, then ``IF`` with r = 1, v_threshold = θ − ½ and
v_reset = −M. NIR's neuron fires when v > v_threshold, which for integers is V ≥ θ. M is above what
a unit can gain later, so that it never fires again: the reset is the latch. A simulator calls each
node once per step, in order, without a delay between layers, with Δt = 1. What NIR has no word for,
T, encoder, labels and how ties are broken, is JSON in the graph's metadata.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sw.cli import atomic_path
from sw.convert.errors import ConversionError
from sw.convert.layers import most_spikes
from sw.encoder import EventsEncoder
from sw.network import Layer, Network

if TYPE_CHECKING:
    import nir

__all__ = ["FORMAT", "to_nir", "write"]

FORMAT = "firstspike-nir/1"
_TIES = (
    "The first output to fire names the class; of several in one step the one with the largest "
    "v - v_threshold before its reset, then the lowest index; if none fires, so in the last step."
)
_FLOAT32 = 1 << 22  # up to here float32 has the halves


def to_nir(network: Network) -> nir.NIRGraph:
    """The graph of ``network``. Raises ConversionError for layers on maps."""
    import nir

    if not network.dense:
        raise ConversionError(
            f"network {network.name!r}: layers on maps are not written as NIR "
            f"({network.structure}); name a dense network, or keep its file, which docs/spec.md "
            "describes"
        )
    nodes: dict[str, Any] = {"input": nir.Input(input_type=np.array([network.encoder.inputs]))}
    most = most_spikes(network.encoder)
    for index, layer in enumerate(network.layers):
        nodes[f"linear_{index}"] = nir.Linear(np.where(layer.weight, 1, -1).astype(np.float32))
        nodes[f"if_{index}"] = _neurons(layer, most)
        most = layer.outputs
    nodes["output"] = nir.Output(output_type=np.array([network.layers[-1].outputs]))
    names = list(nodes)
    graph = nir.NIRGraph(nodes=nodes, edges=list(pairwise(names)))
    graph.metadata = {"firstspike": json.dumps(_metadata(network))}
    return graph


def _neurons(layer: Layer, most: int) -> nir.IF:
    import nir

    threshold = layer.threshold.astype(np.float64)
    depth = most + np.abs(threshold).max() + 1  # one for the layer: some tools take no more
    kind = np.float32 if depth < _FLOAT32 else np.float64
    return nir.IF(
        r=np.ones(layer.outputs, kind),
        v_threshold=(threshold - 0.5).astype(kind),
        v_reset=np.full(layer.outputs, -depth, kind),
    )


def _metadata(network: Network) -> dict[str, Any]:
    encoder = network.encoder
    kind = "events" if isinstance(encoder, EventsEncoder) else "latency"
    return {
        "format": FORMAT,
        "name": network.name,
        "steps": network.steps,
        "encoder": {"kind": kind, **asdict(encoder)},
        "labels": list(network.labels),
        "ties": _TIES,
        "provenance": network.provenance,
    }


def write(path: Path, network: Network) -> None:
    """Writes the graph of ``network``, whole or not at all."""
    import nir

    with atomic_path(path) as temporary:
        nir.write(temporary, to_nir(network))
