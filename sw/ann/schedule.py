"""When values arrive at each node of a graph, in periods: of methods whose neurons wait."""

from collections.abc import Mapping
from typing import NamedTuple

from sw.ann.graph import INPUT, Graph, Neuron, Sum
from sw.ann.methods import Method

__all__ = ["Delay", "Schedule", "schedule"]


class Delay(NamedTuple):
    """Synchronous neurons: what an input of a sum waits for.

    Parameters
    ----------
    periods : int, at least 1
    sources : tuple of str
        The neurons whose spikes are held back; empty where it is the image itself.
    """

    periods: int
    sources: tuple[str, ...]


class Schedule(NamedTuple):
    """When values arrive.

    Parameters
    ----------
    start : mapping of str to int
        The first period in which a node has a value, of an image that is given from period 0 on.
    delays : mapping of (str, int) to Delay
        By the name of a sum and the place of the input in it.
    """

    start: Mapping[str, int]
    delays: Mapping[tuple[str, int], Delay]


def schedule(graph: Graph, method: Method) -> Schedule:
    """When values of ``graph`` arrive by ``method``: a neuron that waits speaks a period after what
    it hears. A sum starts with its last input, which synchronous neurons hold the others back for;
    without them with its first.
    """
    start = {INPUT: 0}
    delays: dict[tuple[str, int], Delay] = {}
    for node in graph.nodes:
        periods = [start[name] for name in node.inputs]
        start[node.name] = max(periods) if method.synchronous else min(periods)
        if isinstance(node.kind, Neuron) and method.waits:
            start[node.name] += 1
        if isinstance(node.kind, Sum) and method.synchronous:
            for place, (name, period) in enumerate(zip(node.inputs, periods, strict=True)):
                if period < start[node.name]:
                    wait = start[node.name] - period
                    delays[node.name, place] = Delay(wait, tuple(_sources(graph, name)))
    return Schedule(start, delays)


def _sources(graph: Graph, name: str) -> list[str]:
    """The neurons that ``name`` is an affine function of."""
    if name == INPUT:
        return []
    node = graph[name]
    if isinstance(node.kind, Neuron):
        return [name]
    return [source for each in node.inputs for source in _sources(graph, each)]
