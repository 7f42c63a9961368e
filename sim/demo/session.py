"""What the page shows: a network, its test examples, and what RTL and golden model make of an
input, as plain values for JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim import golden
from sim.verilator.probes import probed_layers
from sim.verilator.tracer import Trace, Tracer
from sw.answer import Answer
from sw.cli import UserError, printable
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.provenance import MADE_OF, kind_of, reading_of
from sw.data.raw import Kind
from sw.encoder import EventsEncoder, Inputs, LatencyEncoder, NetworkEncoder, Spikes
from sw.network import Network
from sw.structure import Map

__all__ = ["Session"]

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Session:
    """A network that is played with.

    Parameters
    ----------
    tracer : Tracer
        The network's compiled hardware.
    data : Dataset, EventDataset or None
        Test examples, if they are at hand.
    missing : str
        Why they are not.
    """

    tracer: Tracer
    data: Dataset | EventDataset | None
    missing: str = ""

    @property
    def network(self) -> Network:
        return self.tracer.network

    @property
    def picture(self) -> bool:
        """An input is one grey picture, so that it can be drawn."""
        grey = reading_of(self.network).get("grey") is not False or self.channels == 1
        return self.pictures and grey and self.own_channels == 1

    @property
    def pictures(self) -> bool:
        """An input is a picture, grey or in colours, as files have them."""
        if not self.array or min(self.shape[:2]) == 1:
            return False
        if self.channels > 1:
            return self.own_channels in (1, 3)
        grey = reading_of(self.network).get("grey") is not False
        return grey and getattr(self.data, "maps", 1) == 1

    @property
    def channels(self) -> int:
        """Of a pixel as the network takes it; 1 if it is grey."""
        encoder = self.network.encoder
        return encoder.channels if isinstance(encoder, LatencyEncoder) else 1

    @property
    def own_channels(self) -> int:
        """Of a pixel, without what is made of them: each one's 255 − x."""
        return self.channels // 2 if self.off_channel else self.channels

    @property
    def off_channel(self) -> bool:
        """Each channel is followed by its 255 − x."""
        return bool(reading_of(self.network).get("off_channel")) and self.channels > 1

    @property
    def array(self) -> bool:
        """An input is an image as the network takes it, and not made of something else."""
        return self.kind is Kind.IMAGES

    @property
    def kind(self) -> Kind:
        """What an example was before it became an input."""
        return kind_of(self.network)

    @property
    def takes(self) -> str:
        """What an input is, as text."""
        encoder = self.network.encoder
        if self.kind not in MADE_OF or not isinstance(encoder, LatencyEncoder):
            return encoder.examples
        return f"{MADE_OF[self.kind]}, as {' × '.join(map(str, encoder.shape))} bytes"

    @property
    def inverted(self) -> bool:
        """The network was trained on images that were inverted before: dark on light."""
        match reading_of(self.network).get("quantiser"):
            case {"low": [int() | float() as low], "high": [int() | float() as high]}:
                return high < low
        return False

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width of an image, and its channels if the network takes some. Raises
        UserError if it takes something else.
        """
        encoder = self.network.encoder
        if not self.array or not isinstance(encoder, LatencyEncoder):
            raise UserError(f"this network takes {self.takes}; choose a test example")
        channels = (self.own_channels,) if len(encoder.shape) == 3 else ()
        return (*encoder.shape[-2:], *channels)

    def describe(self) -> Json:
        """The network, and what one can give it."""
        network = self.network
        return {
            "name": network.title,
            "structure": network.structure,
            "steps": network.steps,
            "labels": network.labels,
            "engine": self.tracer.config.name,
            "takes": self.takes,
            "kind": self.kind.value,
            "cycles_from": self.tracer.config.input(network).cycles_from,
            "inputs": _places(network.encoder),
            "hidden": [_grid(each) for each in network.maps[1:-1]],
            "layers": [] if network.dense else [str(layer.kind) for layer in network.layers[:-1]],
            "whole": self.tracer.config.whole is not None,
            "thresholds": network.layers[-1].threshold.tolist(),
            "data": printable(self.data.name, 60) if self.data else "",
            "examples": len(self.data.test_labels) if self.data else 0,
            "missing": self.missing,
            "picture": self.picture,
            "pictures": self.pictures,
            "array": self.array,
        }

    def example(self, index: int) -> Json:
        """The answer to a test example. Raises UserError if there is none with this number."""
        if self.data is None:
            raise UserError(self.missing)
        count = len(self.data.test_labels)
        if not 0 <= index < count:
            raise UserError(f"the test example must be in 0 … {count - 1}, not {index}")
        if isinstance(self.data, EventDataset):
            inputs: Inputs = self.data.test_events[np.array([index])].spikes(self.network.steps)
        else:
            inputs = self.data.test_images[index : index + 1]
        return {"truth": int(self.data.test_labels[index]), **self._answer(inputs)}

    def image(self, image: np.ndarray) -> Json:
        """The answer to an ``image`` uint8 of :attr:`shape`."""
        if self.off_channel:
            image = np.concatenate([image, 255 - image], axis=2)
        return self._answer(image[None])

    @property
    def _probed(self) -> set[int]:
        """Layers of which the spikes that enter them are seen in the RTL."""
        config, network = self.tracer.config, self.network
        if config.whole:
            return {index + 1 for index in probed_layers(network, config)}
        return set(range(len(network.layers)))

    def _answer(self, inputs: Inputs) -> Json:
        network, steps = self.network, self.network.steps
        trace, answer = self.tracer.run(inputs), golden.run_inputs(network, inputs)
        spikes = [network.encoder.encode(inputs, steps)]
        spikes += [Spikes.from_times(times, steps) for times in answer.times[:-1]]
        margins = golden.margins(network.layers[-1], spikes[-1], steps)[0]
        step_cycles: list[int | None] = [None] * steps
        for cycle, step in trace.margins[:, :2].tolist():
            step_cycles[step] = cycle
        probed = self._probed
        layers: list[Json] = [
            _merged(seen, expected, trace.step) if index in probed else _unseen(expected)
            for index, (seen, expected) in enumerate(zip(trace.spikes, spikes, strict=True))
        ]
        # What each spike that enters the output layer adds to each output: + 1 or − 1.
        weights = network.layers[-1].weight[:, layers[-1]["unit"]].T
        layers[-1]["signs"] = ["".join(np.where(row, "+", "-")) for row in weights]
        levels = None
        if isinstance(network.encoder, LatencyEncoder):
            levels = (network.encoder.values(inputs)[0] / 255).round(3).tolist()
        return {
            "image": inputs[0].tolist() if isinstance(inputs, np.ndarray) else None,
            "levels": levels,
            "rtl": {
                "label": trace.label,
                "step": trace.step,
                "margin": trace.margin,
                "cycles": trace.cycles,
                "first_cycle": trace.first_cycle,
            },
            "golden": {
                "label": int(answer.label[0]),
                "step": int(answer.step[0]),
                "margin": int(answer.margin[0]),
            },
            "compared": _compared(trace, answer, spikes, margins, probed),
            "layers": layers,
            "margins": _merged_margins(trace, margins).tolist(),
            "step_cycles": step_cycles,
        }


def _places(encoder: NetworkEncoder) -> Json:
    """As :func:`_grid`, of the inputs; of selected pixels where they lie in the image."""
    if isinstance(encoder, EventsEncoder) or encoder.select is None:
        return _grid(encoder.map)
    height, width = (n // encoder.pool for n in encoder.shape[-2:])
    grid = _grid((encoder.channels, height, width))
    return {**grid, "places": [grid["places"][unit] for unit in encoder.select]}


def _grid(units: Map) -> Json:
    """Where the units of a map lie: rows and columns of a grid, and of each unit its place in it.
    Channels stand side by side, in nearly a square; what has one dimension only is wrapped into
    one.
    """
    channels, height, width = units
    if 1 in (height, width):
        channels, height, width = channels * height * width, 1, 1
    gap = int(height > 1)  # between channels
    across = int(np.ceil(np.sqrt(channels * height / width)))
    down = -(-channels // across)
    rows, columns = down * (height + gap) - gap, across * (width + gap) - gap
    c, y, x = np.indices((channels, height, width)).reshape(3, -1)
    places = ((c // across) * (height + gap) + y) * columns + (c % across) * (width + gap) + x
    return {"rows": rows, "columns": columns, "places": places.tolist()}


def _compared(
    trace: Trace,
    answer: Answer,
    spikes: Sequence[Spikes],
    margins: np.ndarray,
    probed: set[int],
) -> dict[str, bool]:
    """Whether RTL and golden model are equal, by what was compared: all up to the decision."""
    decision = int(answer.step[0])

    def same(seen: np.ndarray, expected: Spikes) -> bool:
        computed = sorted((step, unit) for _, unit, step in seen.tolist() if step <= decision)
        pairs = zip(expected.step.tolist(), expected.unit.tolist(), strict=True)
        return computed == sorted(pair for pair in pairs if pair[0] <= decision)

    equal = {index: same(trace.spikes[index], spikes[index]) for index in probed}
    visited = trace.margins[trace.margins[:, 1] <= decision]
    return {
        "class": trace.label == int(answer.label[0]),
        "step": trace.step == decision,
        "margin": trace.margin == int(answer.margin[0]),
        **({"input spikes": equal[0]} if 0 in equal else {}),
        **({"hidden spikes": all(equal.values())} if equal.keys() - {0} else {}),
        "output margins": bool((visited[:, 2:] == margins[visited[:, 1]]).all()),
    }


def _merged(seen: np.ndarray, expected: Spikes, decision: int) -> Json:
    """The spikes of a layer: up to the decision those of the RTL, with their cycles; after it those
    that the golden model has and the hardware never computes, without.
    """
    computed = seen[seen[:, 2] <= decision]
    late = np.flatnonzero(expected.step > decision)
    return {
        "cycle": [*computed[:, 0].tolist(), *[None] * len(late)],
        "unit": [*computed[:, 1].tolist(), *expected.unit[late].tolist()],
        "step": [*computed[:, 2].tolist(), *expected.step[late].tolist()],
    }


def _unseen(expected: Spikes) -> Json:
    """The spikes of a layer of which the golden model alone tells."""
    return {
        "cycle": [None] * len(expected.unit),
        "unit": expected.unit.tolist(),
        "step": expected.step.tolist(),
    }


def _merged_margins(trace: Trace, expected: np.ndarray) -> np.ndarray:
    """Likewise the outputs' margins [T, N_out]; in a step that the RTL skips nothing changes."""
    margins = expected.astype(np.int64)
    steps = np.arange(trace.step + 1)
    last_visited = np.searchsorted(trace.margins[:, 1], steps, side="right") - 1
    margins[steps] = trace.margins[last_visited, 2:]
    return margins
