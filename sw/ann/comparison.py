"""Several ANNs of one structure, converted by several methods: which, and the table of results."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any, NamedTuple

from sw.ann.figures import Conversion
from sw.ann.graph import Graph, Sum
from sw.ann.methods import METHODS, Method
from sw.ann.subject import Subject
from sw.cli import UserError
from sw.rules.settings import check, settings_of

__all__ = ["Variant", "markdown", "variants"]

_HALF_START = "rate, half start"
_NOT_SYNCHRONOUS = "bistable, not synchronous"
_QUANTISED = "{}, quantised ANN"


class Variant(NamedTuple):
    """A method with its settings.

    Parameters
    ----------
    name : str
        In tables and pictures.
    method : str
        In ``METHODS``.
    made : Method
    """

    name: str
    method: str
    made: Method


def variants(
    subject: Subject, methods: Sequence[str], settings: Mapping[str, Mapping[str, object]]
) -> Iterator[Variant]:
    """What an ANN is converted by: with ReLU by all methods but qcfs, rate also from half a
    threshold, and bistable also without synchronous neurons where there is a shortcut; with
    quantised activations by qcfs, by rate and, where L + 1 is a power of two, by phase and bistable
    with as many bits.

    Parameters
    ----------
    methods : sequence of str
        Only these.
    settings : mapping of str to mapping
        By method, those that are not as usual.
    """
    for name in settings:
        if name not in METHODS:
            raise UserError(f"--set {name}.…: must be one of {', '.join(METHODS)}")
        check(f"--set {name}", settings_of(METHODS[name]), settings[name])

    def made(method: str, name: str = "", **changed: object) -> Iterator[Variant]:
        if method in methods:
            given: dict[str, Any] = {**settings.get(method, {}), **changed}
            yield Variant(name or method, method, METHODS[method](**given))

    if subject.levels:
        yield from made("qcfs")
        yield from made("rate", _QUANTISED.format("rate"))
        bits = (subject.levels + 1).bit_length() - 1
        if 2**bits == subject.levels + 1:
            for method in ("phase", "bistable"):
                yield from made(method, _QUANTISED.format(method), phases=bits)
        return
    yield from made("rate")
    yield from made("rate", _HALF_START, start=0.5)
    for method in ("rnl", "phase", "bistable"):
        yield from made(method)
    if _has_shortcut(subject.graph):
        yield from made("bistable", _NOT_SYNCHRONOUS, synchronous=False)


def _has_shortcut(graph: Graph) -> bool:
    return any(isinstance(node.kind, Sum) for node in graph.nodes)


def markdown(runs: Mapping[str, Sequence[Conversion]]) -> str:
    """A table of ``runs``, those of each method together, one per ANN."""
    steps = next(iter(runs.values()))[0].steps
    columns = (
        *("method", "ANN", "first answer"),
        *(f"within {points} points: reached, kept from" for points in (0.5, 0.1)),
        *("spikes per image when reached", f"after {steps} steps", "SIN"),
    )
    head = f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"
    return "\n".join([*head, *(_row(name, group) for name, group in runs.items())]) + "\n"


def _row(name: str, group: Sequence[Conversion]) -> str:
    reached = [run.reached(1) for run in group]
    spikes = [run.spikes_mean[step - 1] for run, step in zip(group, reached, strict=True) if step]
    shares = [run.sin_share for run in group if run.sin_share is not None]
    cells = [
        name,
        f"{mean(run.ann_accuracy for run in group):.2%}",
        str(group[0].answer_step),
        " / ".join(_steps(run, run.reached(5), run.half_point_step) for run in group),
        " / ".join(_steps(run, run.reached(1), run.tenth_point_step) for run in group),
        f"{mean(spikes):,.0f}" if len(spikes) == len(group) else "–",
        f"{mean(run.accuracy[-1] for run in group):.2%}",
        f"{mean(shares):.2%}" if shares else "–",
    ]
    return f"| {' | '.join(cells)} |"


def _steps(run: Conversion, reached: int | None, kept: int | None) -> str:
    """Two steps of a run, of those that never come more than it has."""
    return ", ".join(f"> {run.steps}" if step is None else str(step) for step in (reached, kept))
