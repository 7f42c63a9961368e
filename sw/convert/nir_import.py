"""Networks out of graphs of NIR, of this project (:mod:`sw.convert.nir_export`) and of others."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sw import limits
from sw.container import parse_json, quoted
from sw.convert.errors import ConversionError, check_file
from sw.convert.layers import Converted, Levels, Stage, Target, most_spikes
from sw.convert.nir_export import FORMAT
from sw.convert.nir_run import stepper
from sw.convert.simulate import simulate
from sw.encoder import EventsEncoder, Inputs, LatencyEncoder
from sw.foreign import reason_of
from sw.network import Layer, Network

if TYPE_CHECKING:
    import nir

__all__ = ["convert_nir", "from_nir", "is_ours", "read", "target_of"]


def read(path: Path) -> nir.NIRGraph:
    """Reads a file. Raises :class:`ConversionError` with the path and the fault in one line."""
    import nir

    check_file(path)
    try:
        if (numbers := _numbers(path)) <= 4 * limits.WEIGHTS:
            return nir.read(path)
    except Exception as error:  # whatever HDF5 and the library raise for a damaged file
        raise ConversionError(f"{path}: is no NIR graph ({reason_of(error)})") from None
    raise ConversionError(
        f"{path}: must hold at most {4 * limits.WEIGHTS:,} numbers, not {numbers:,}"
    )


def _numbers(path: Path) -> int:
    """How many the data of a file are, which may be compressed."""
    import h5py

    sizes = []
    with h5py.File(path) as file:
        file.visititems(
            lambda _, item: sizes.append(item.size) if isinstance(item, h5py.Dataset) else None
        )
    return sum(sizes)


def from_nir(
    graph: nir.NIRGraph,
    *,
    encoder: LatencyEncoder | EventsEncoder | None = None,
    steps: int | None = None,
    labels: Sequence[str] | None = None,
    name: str | None = None,
    dataset: str | None = None,
    latched: bool = False,
) -> Network:
    """The network that a NIR graph is: a chain of Linear or Affine, Scale, Flatten and IF.

    Parameters
    ----------
    encoder, steps, labels, name, dataset
        As of :func:`sw.convert.from_torch`; what is not given is in the graph's metadata, if this
        project wrote it.
    latched : bool
        What runs the graph takes only the first spike of each hidden neuron.

    Raises
    ------
    ConversionError
        No network does the same, or something is not given. One line: node, reason, remedy.
    NetworkError
        Encoder, steps or labels do not fit the graph.
    """
    target = target_of(
        graph, encoder=encoder, steps=steps, labels=labels, name=name, dataset=dataset
    )
    return convert_nir(graph, target, latched=latched).network


def target_of(graph: nir.NIRGraph, **given: Any) -> Target:
    """What is given of a :class:`sw.convert.layers.Target`, and else what the metadata say.

    Raises
    ------
    ConversionError
        Neither says what must be known, or the metadata are damaged.
    """
    known = _read_metadata(graph) | {
        name: value for name, value in given.items() if value is not None
    }
    for name, what, flag in (
        ("encoder", "encoder", "--dataset, or --check"),
        ("steps", "number of steps", "--steps"),
        ("labels", "names of classes", "--dataset, or --check"),
    ):
        if name not in known:
            raise ConversionError(f"NIR graph: its metadata has no {what}; give {flag}")
    return Target(**known)


def convert_nir(graph: nir.NIRGraph, target: Target, *, latched: bool = False) -> Converted:
    """As :func:`from_nir`, with what runs the graph itself."""
    chain = _chain(graph)
    layers, notes = [], []
    most = most_spikes(target.encoder)
    stage: Stage | None = None
    neurons = [index for index, (_, node) in enumerate(chain) if _kind(node) == "IF"]
    for index, (key, node) in enumerate(chain):
        title = f"{key} ({_kind(node)})"
        if stage is None:
            stage = _stage(title, node, most)
        elif _kind(node) == "Scale":
            stage.affine(title, np.ravel(node.scale), [0.0])
        elif _kind(node) == "IF":
            last = index == neurons[-1]
            single = last or latched or target.steps == 1
            layers.append(_layer(title, node, stage, target.steps, single=single))
            if last and (note := stage.decides_in_spikes(_fractions(node.v_threshold))):
                notes.append(note)
            stage, most = None, layers[-1].outputs
        else:
            without = f"follows {stage.name} without an IF between them"
            raise ConversionError(f"{title}: {_REFUSED.get(_kind(node), without)}")
    if stage is not None or not layers:
        raise ConversionError("NIR graph: must end with an IF after a Linear or Affine")
    network = target.network(layers, "imported from NIR", "NIR")

    def classify(inputs: Inputs) -> np.ndarray:
        spikes = network.encoder.encode(inputs, network.steps)
        return simulate(spikes, network, stepper(chain, latched))

    return Converted(network, classify, tuple(notes))


def _kind(node: object) -> str:
    return type(node).__name__


def _chain(graph: nir.NIRGraph) -> list[tuple[str, Any]]:
    """The nodes from input to output, in order, without those that change nothing."""
    following: dict[str, list[str]] = {}
    for before, after in graph.edges:
        following.setdefault(before, []).append(after)
        for key in (before, after):
            if key not in graph.nodes:
                raise ConversionError(f"NIR graph: an edge names {quoted(key)}, which is no node")
    starts = [key for key, node in graph.nodes.items() if _kind(node) == "Input"]
    if len(starts) != 1:
        raise ConversionError(f"NIR graph: must have one Input, not {len(starts)}")
    chain, key, seen = [], starts[0], set(starts)
    while _kind(graph.nodes[key]) != "Output":
        after = following.get(key, [])
        if len(after) != 1:
            raise ConversionError(
                f"{key} ({_kind(graph.nodes[key])}): leads to {len(after)} nodes; a network is a "
                "chain"
            )
        key = after[0]
        if key in seen:
            raise ConversionError(f"{key} ({_kind(graph.nodes[key])}): is recurrent")
        seen.add(key)
        chain.append((key, graph.nodes[key]))
    if unused := set(graph.nodes) - seen:
        raise ConversionError(f"{min(unused)}: is not on the way from input to output")
    return [(key, node) for key, node in chain[:-1] if _kind(node) != "Flatten"]


_REFUSED = {
    "LIF": "a leak (tau)",
    "CubaLIF": "a leak (tau_mem, tau_syn)",
    "LI": "a leak (tau), and no spikes",
    "CubaLI": "a leak (tau_mem, tau_syn), and no spikes",
    "I": "no spikes",
    "Threshold": "no potential",
    "Conv1d": "a convolution; networks are converted with dense layers only",
    "Conv2d": "a convolution; networks are converted with dense layers only",
    "SumPool2d": "pooling between layers; networks are converted with dense layers only",
    "AvgPool2d": "pooling between layers; networks are converted with dense layers only",
    "Delay": "a delay; layers have none",
    "NIRGraph": "a graph within the graph; write its nodes out",
}


def _stage(title: str, node: nir.NIRNode, most: int) -> Stage:
    kind = _kind(node)
    if kind not in ("Linear", "Affine"):
        reason = _REFUSED.get(kind, "must be Linear or Affine here")
        raise ConversionError(f"{title}: {reason}")
    stage = Stage(name=title, weight=np.asarray(node.weight, float), inputs=Levels(), most=most)
    if kind == "Affine":
        stage.affine(title, [1.0], np.ravel(node.bias))
    return stage


def _layer(title: str, node: nir.IF, stage: Stage, steps: int, *, single: bool) -> Layer:
    """The layer of a neuron; unless it can be no other, or does not matter, a ``single`` spike."""
    for what in ("r", "v_threshold", "v_reset"):
        values = np.asarray(getattr(node, what), float)
        if values.shape != (len(stage.weight),) or not np.isfinite(values).all():
            raise ConversionError(
                f"{title}: {what} must be {len(stage.weight)} finite numbers, not {values.shape}"
            )
    biased = sum(rest != 0 for rest in stage.resting())
    if biased and steps > 1:
        raise ConversionError(
            f"{stage.name}: its bias is added in every step, to {biased} of {len(stage.weight)} "
            "units; a potential is a sum of weights alone"
        )
    stage.affine(title, np.ravel(node.r), [0.0])
    thresholds, resets = _fractions(node.v_threshold), _fractions(node.v_reset)
    again = [level - reset for level, reset in zip(thresholds, resets, strict=True)]
    if not single and stage.may_repeat(thresholds, again, strict=True):
        raise ConversionError(
            f"{title}: may fire again after its first spike: v_reset is {float(max(resets)):g}; "
            "lower it to below what a unit can gain later, or say that what runs the graph takes "
            "first spikes only (--latched)"
        )
    return stage.fires_at(thresholds, strict=True)


def _fractions(values: np.ndarray) -> list[Fraction]:
    return [Fraction(value) for value in np.asarray(values, np.float64).ravel().tolist()]


def is_ours(graph: nir.NIRGraph) -> bool:
    """Whether this project wrote ``graph``, so that its metadata say what it is for."""
    return "firstspike" in (graph.metadata or {})


def _read_metadata(graph: nir.NIRGraph) -> dict[str, Any]:
    """What this project wrote beside the graph, as parts of a target; empty if it did not."""
    text = (graph.metadata or {}).get("firstspike")
    if text is None:
        return {}
    try:
        given = parse_json(str(text))
        if not isinstance(given, dict) or given.get("format") != FORMAT:
            raise ValueError(f"its format must be {FORMAT!r}")
        encoder = dict(given["encoder"])
        kind = {"latency": LatencyEncoder, "events": EventsEncoder}[encoder.pop("kind")]
        for key in ("shape", "select"):
            if encoder.get(key) is not None:
                encoder[key] = tuple(encoder[key])
        labels = given["labels"]
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise ValueError("its labels must be a list of strings")
        if not isinstance(given["name"], str) or not isinstance(given["provenance"], dict):
            raise ValueError("its name must be a string, its provenance an object")
        known = {key: given[key] for key in ("steps", "labels", "name", "provenance")}
        return {**known, "encoder": kind(**encoder)}
    except (KeyError, TypeError, ValueError) as error:
        raise ConversionError(f"NIR graph: metadata 'firstspike': {error}") from None
