"""Simulates a spiking network that an ANN was converted to, step by step, and counts its spikes.

In each step every image of a batch goes through the whole graph: what runs along it is what the
spikes of that step stand for, and the share of each bias that belongs to the step. The answer after
a step is the largest of the outputs' sums so far.
"""

import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from sw.ann.figures import Conversion, LayerFigures, first_within
from sw.ann.graph import INPUT, Affine, Graph, Node, Pool, Sum
from sw.ann.methods import Method, Thresholds
from sw.ann.methods.method import Spiking
from sw.ann.schedule import Schedule, schedule
from sw.cli import UserError

__all__ = ["Batch", "simulate"]

_BATCH = 50  # images at a time on a CPU, whose caches hold their potentials


class Batch:
    """The spiking network with one batch of images as its input.

    Parameters
    ----------
    graph : Graph
    method : Method
    thresholds : Thresholds
    values : float [B, …]
        The images, 0 … 1.
    heard : function of (Node, Tensor)
        Gets of each layer of neurons what comes in, in each step.
    """

    def __init__(
        self,
        graph: Graph,
        method: Method,
        thresholds: Thresholds,
        values: Tensor,
        *,
        heard: Callable[[Node, Tensor], None] = lambda node, current: None,
    ) -> None:
        self._heard = heard
        self.graph, self.method = graph, method
        self.schedule = schedule(graph, method)
        self._values = values
        self._neurons: dict[str, Spiking] = {
            node.name: method.neurons(thresholds[node.name]) for node in graph.neurons
        }
        self._fixed = self._fixed_values() if method.code(values[:1], 0) is None else {}
        self._sums: dict[str, tuple[Tensor, Tensor]] = {}  # of a pooling: before, and its largest
        self._held: dict[tuple[str, int], deque[Tensor]] = {
            key: deque() for key in self.schedule.delays
        }
        self.step = 0

    def advance(self, spiked: Callable[[Node, Tensor, Tensor], None]) -> Tensor:
        """One step: what is added to the outputs [B, classes]. ``spiked`` gets each layer of
        neurons, its spikes bool and what they stand for.
        """
        share = self.method.share(self.step)
        given = self.method.code(self._values, self.step)
        if given is None:
            given = self._values * share
        result = self.graph.walk(given, partial(self._compute, share, spiked))
        self.step += 1
        return result

    def spoken(self, node: Node) -> float:
        """How much of a value the neurons of a layer have had the time to say, in periods."""
        first = self.schedule.start[node.name] * self.method.period
        return sum(self.method.share(step) for step in range(first, self.step))

    def _compute(
        self,
        share: float,
        spiked: Callable[[Node, Tensor, Tensor], None],
        node: Node,
        inputs: tuple[Tensor, ...],
    ) -> Tensor:
        if node.name in self._fixed:
            fixed = self._fixed[node.name]
            return fixed if share == 1 else fixed * share
        match node.kind:
            case Affine(linear=linear, bias=bias):
                result = linear(inputs[0])
                begun = self.step >= self.schedule.start[node.name] * self.method.period
                return result if bias is None or not begun else result.add_(bias * share)
            case Sum():
                held = [self._hold((node.name, at), each) for at, each in enumerate(inputs)]
                return sum(held[1:], held[0])
            case Pool(largest=largest):
                return self._gain(node.name, largest, inputs[0])
            case _:
                self._heard(node, inputs[0])
                spikes, value = self._neurons[node.name].step(inputs[0], self.step)
                spiked(node, spikes, value)
                return value

    def _fixed_values(self) -> dict[str, Tensor]:
        """What affine nodes make of the image alone: it is the same in every step."""
        known: dict[str, Tensor] = {INPUT: self._values}
        for node in self.graph.nodes:
            if isinstance(node.kind, Affine) and node.inputs[0] in known:
                result = node.kind.linear(known[node.inputs[0]])
                known[node.name] = result if node.kind.bias is None else result + node.kind.bias
        del known[INPUT]
        return known

    def _hold(self, key: tuple[str, int], value: Tensor) -> Tensor:
        """The value of so many periods ago, of inputs of sums that are held back."""
        if key not in self._held:
            return value
        queue = self._held[key]
        queue.append(value)
        wait = self.schedule.delays[key].periods * self.method.period
        return queue.popleft() if len(queue) > wait else torch.zeros_like(value)

    def _gain(self, name: str, largest: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
        """Max pooling: by how much the largest sum of each window grows.

        Of rates this is a spike or none. Bits that come most significant first are compared as they
        come: a method that waits begins anew in each period, and gets the bits of the largest
        number, one spike or none; from one that does not, values of several periods are compared,
        and the gain may be no single spike's.
        """
        if name not in self._sums or (self.method.waits and self.step % self.method.period == 0):
            total, before = value.clone(), None
        else:
            total, before = self._sums[name]
            total.add_(value)
        after = largest(total)
        self._sums[name] = total, after
        return after if before is None else after - before


@torch.no_grad()
def simulate(
    graph: Graph,
    method: Method,
    thresholds: Thresholds,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int,
    name: str,
    dataset: str,
    part: str = "test",
    values: Callable[[Tensor], Tensor],
    batch: int = _BATCH,
    progress: Callable[[float], None] = lambda count: None,
) -> Conversion:
    """Runs ``images`` for ``steps``.

    Parameters
    ----------
    images, labels : uint8 [N, …], int64 [N]
    name : str
        The method's.
    values : function of Tensor
        What the ANN is given of a batch of images: float [B, …], 0 … 1.
    batch : int
        Images at a time.
    progress : function of float
        Gets how many images more are done; a step of some is a share of them.

    Raises
    ------
    UserError
        A value of an image is below 0 or above 1.
    """
    count = _Counter(graph, method, steps, images.device)
    for start in range(0, len(images), batch):
        given = values(images[start : start + batch])
        if given.min() < 0 or given.max() > 1:
            raise UserError(
                f"{dataset}: inputs must be in 0 … 1, not {float(given.min()):.3g} … "
                f"{float(given.max()):.3g}: spikes cannot be negative; scale them, and shift them "
                "back inside the ANN"
            )
        count.add(
            Batch(graph, method, thresholds, given), given, labels[start : start + batch], progress
        )
    return count.figures(name, dataset, part, len(images))


class _Row(NamedTuple):
    """A layer: in each step the spikes of all images, and those of inactivated neurons; float64
    [T].
    """

    name: str
    units: int
    spikes: Tensor
    sin: Tensor
    error: float | None


class _Counter:
    """Adds up what happens in each step, on the device."""

    def __init__(self, graph: Graph, method: Method, steps: int, device: torch.device) -> None:
        self._graph, self._method, self._steps = graph, method, steps
        self._names = [node.name for node in graph.neurons]
        self._spikes, self._sin = (
            torch.zeros(len(self._names), steps, dtype=torch.float64, device=device)
            for _ in range(2)
        )
        self._right = torch.zeros(steps, dtype=torch.int64, device=device)
        self._known = torch.zeros((), dtype=torch.int64, device=device)
        self._squares = torch.zeros(len(self._names), 2, dtype=torch.float64, device=device)

    def add(
        self, run: Batch, given: Tensor, labels: Tensor, progress: Callable[[float], None]
    ) -> None:
        """Runs a batch to the end."""
        activations, logits = self._graph.activations(given)
        self._known += (logits.argmax(dim=1) == labels).sum()
        silent = {name: value <= 0 for name, value in activations.items()}
        said = {name: torch.zeros_like(value) for name, value in activations.items()}
        place = {name: at for at, name in enumerate(self._names)}
        potential = torch.zeros_like(logits)

        def spiked(node: Node, spikes: Tensor, value: Tensor) -> None:
            at = place[node.name], run.step
            self._spikes[at] += torch.count_nonzero(spikes)
            self._sin[at] += torch.count_nonzero(spikes & silent[node.name])
            said[node.name] += value

        for step in range(self._steps):
            potential += run.advance(spiked)
            self._right[step] += (potential.argmax(dim=1) == labels).sum()
            progress(len(labels) / self._steps)
        for node in self._graph.neurons:
            spoken, value = run.spoken(node), activations[node.name]
            got = said[node.name] / spoken if spoken else torch.zeros_like(value)
            row = torch.stack([(got - value).square().sum(), value.square().sum()])
            self._squares[place[node.name]] += row

    def figures(self, name: str, dataset: str, part: str, images: int) -> Conversion:
        """All of it, for so many ``images``."""
        plan = schedule(self._graph, self._method)
        rows = self._rows(plan)
        by_step, sin = (
            torch.stack(each).sum(dim=0).cumsum(dim=0)
            for each in zip(*((row.spikes, row.sin) for row in rows), strict=True)
        )
        right, known = self._right.tolist(), int(self._known)
        return Conversion(
            method=name,
            settings=self._method.settings(),
            dataset=dataset,
            part=part,
            images=images,
            steps=self._steps,
            ann_accuracy=known / images,
            accuracy=tuple(count / images for count in right),
            spikes_mean=tuple((by_step / images).tolist()),
            sin_share=float(sin[-1] / by_step[-1]) if by_step[-1] else None,
            answer_step=(plan.start[self._graph.nodes[-1].name] + 1) * self._method.period,
            half_point_step=first_within(right, known, images, 5),
            tenth_point_step=first_within(right, known, images, 1),
            layers=tuple(
                LayerFigures(
                    name=row.name,
                    units=row.units,
                    spikes_mean=float(row.spikes.sum()) / images,
                    sin_share=float(row.sin.sum() / row.spikes.sum()) if row.spikes.any() else None,
                    error=row.error,
                )
                for row in rows
            ),
        )

    def _rows(self, plan: Schedule) -> list[_Row]:
        """Each layer of neurons, then each of synchronous ones."""
        rows = []
        for node, spikes, sin, squares in zip(
            self._graph.neurons, self._spikes.cpu(), self._sin.cpu(), self._squares, strict=True
        ):
            difference, square = squares.tolist()
            error = math.sqrt(difference / square) if square else None
            rows.append(_Row(node.name, math.prod(node.shape), spikes, sin, error))
        by_name = {row.name: row for row in rows}
        for (total, _), delay in plan.delays.items():
            wait = torch.zeros(delay.periods * self._method.period)
            for source in (by_name[name] for name in delay.sources):  # its spikes, sent again
                spikes, sin = (
                    torch.cat([wait, each])[: self._steps] for each in (source.spikes, source.sin)
                )
                rows.append(_Row(f"{total} (synchronous)", source.units, spikes, sin, None))
        return rows
