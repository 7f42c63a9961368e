"""The network itself: its layers, its encoder, and where it comes from."""

from collections.abc import Iterator

import numpy as np

from sw.cli import printable
from sw.data.provenance import MADE_OF, kind_of
from sw.encoder import LatencyEncoder
from sw.network import Network
from sw.reports.blocks import Block, Facts, Figure, Highlight, Table
from sw.reports.result import portable
from sw.reports.svg import COLOURS, drawing

__all__ = ["blocks", "highlights"]

_DRAWN = 12  # layers


def highlights(network: Network) -> Iterator[Highlight]:
    """For the top of the page."""
    accuracy = network.provenance["test_accuracy"]
    if isinstance(accuracy, int | float):
        yield Highlight(name="accuracy", value=f"{accuracy:.2%}", note="strict, when trained")


def blocks(network: Network) -> Iterator[Block]:
    """What stands in the section."""
    yield Figure(
        svg=_picture(network),
        title="Layers",
        caption="Heights are by the square root of the number of units.",
        description=f"Units per layer: {', '.join(f'{size:,}' for size in network.sizes)}.",
    )
    yield Table(
        caption="Layers",
        head=("layer", "units", "weight bits", "of them +1", "thresholds", "median"),
        rows=[
            (
                "output" if index == len(network.layers) else f"hidden {index}",
                f"{layer.outputs:,}",
                f"{layer.weight.size:,}",
                f"{layer.weight.mean():.1%}",
                f"{layer.threshold.min():,} … {layer.threshold.max():,}".replace("-", "−"),
                f"{np.median(layer.threshold):g}".replace("-", "−"),
            )
            for index, layer in enumerate(network.layers, 1)
        ],
    )
    yield Facts(rows=list(_facts(network)))


def _facts(network: Network) -> Iterator[tuple[str, str]]:
    encoder, came = network.encoder, network.provenance
    yield "structure", network.structure
    yield "steps of the window", str(network.steps)
    yield "weight bits", f"{network.weight_bits:,}"
    if isinstance(encoder, LatencyEncoder):
        height, width = encoder.shape[-2:]
        if (made_of := MADE_OF.get(kind_of(network))) is None:
            yield "input", f"{encoder.examples}, 8 bits"
            yield "encoder", "latency: the brighter a pixel, the earlier its one spike"
        else:
            yield "input", f"{made_of}, as {height} × {width} bytes"
            yield "encoder", "latency: the larger a byte, the earlier its one spike"
        if encoder.pool > 1:
            yield "mean pooling", f"{encoder.pool} × {encoder.pool} pixels"
        if encoder.silent_below:
            yield "silent", f"pixels below {encoder.silent_below}"
        if encoder.select is not None:
            yield "selected inputs", f"{encoder.inputs:,} of {encoder.pooled:,} pixels"
    else:
        yield "input", f"sensor events of {encoder.inputs:,} channels"
        yield "encoder", "none: events are spikes"
    yield "classes", _classes(network.labels)
    for key in ("dataset", "rule", "seed", "epochs"):
        yield key.replace("dataset", "data set"), portable(printable(str(came[key]), 200))
    for key in ("validation_accuracy", "test_accuracy"):
        if isinstance(came[key], int | float):
            yield key.replace("_", " "), f"{came[key]:.2%}"
    yield "SHA-256", network.sha256


def _classes(labels: tuple[str, ...]) -> str:
    names = ", ".join(printable(label, 40) for label in labels[:20])
    return f"{len(labels)}: {names}" + (", …" if len(labels) > 20 else "")


def _picture(network: Network) -> str:
    """A bar for each layer, with the weights between them."""
    sizes = network.sizes
    shown = list(range(len(sizes)))
    if len(sizes) > _DRAWN:
        shown = [*range(_DRAWN // 2), *range(len(sizes) - _DRAWN // 2, len(sizes))]
    highest = max(sizes) ** 0.5
    with drawing(2.3) as picture:
        axes = picture.figure.subplots()
        for place, index in enumerate(shown):
            height = max(0.04, sizes[index] ** 0.5 / highest)
            ends = index == 0, index == len(sizes) - 1
            colour = COLOURS["muted"] if ends[0] else COLOURS["accent"]
            axes.bar(place, height, 0.22, bottom=-height / 2, color=colour)
            name = "inputs" if ends[0] else "output" if ends[1] else f"hidden {index}"
            axes.text(place, -0.6, f"{sizes[index]:,}", ha="center", va="top", weight="bold")
            axes.text(place, -0.72, name, ha="center", va="top", size=10, color=COLOURS["muted"])
            if place:
                skipped = index - shown[place - 1] > 1
                bits = f"{sizes[index - 1] * sizes[index]:,} bit"
                axes.annotate(
                    "",
                    (place - 0.16, 0),
                    (place - 0.84, 0),
                    arrowprops={"arrowstyle": "->", "color": COLOURS["muted"], "linewidth": 0.8},
                )
                axes.text(
                    place - 0.5,
                    0.04,
                    "…" if skipped else bits,
                    ha="center",
                    va="bottom",
                    size=10 if len(shown) < 5 else 7,
                )
        axes.set(xlim=(-0.5, len(shown) - 0.5), ylim=(-0.9, 0.55))
        axes.set_axis_off()
    return picture.svg
