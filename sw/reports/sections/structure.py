"""The network itself: its layers, its encoder, and where it comes from."""

from collections.abc import Iterator

import numpy as np

from sw.cli import printable
from sw.data.provenance import MADE_OF, kind_of
from sw.encoder import ImageEncoder, PhaseEncoder
from sw.network import Layer, Network
from sw.reports.blocks import Block, Facts, Figure, Highlight, Table
from sw.reports.maps import draw_kernels
from sw.reports.result import portable
from sw.reports.svg import COLOURS, drawing
from sw.structure import Conv, Map

__all__ = ["blocks", "highlights"]

_DRAWN = 12  # layers
_CONVOLUTIONS = 4  # of which kernels are drawn
_FILTERS = 64  # channels of a convolution, each way
_WIDTH, _LEAST = 5.0, 64  # inches, and weights with their gaps across them at least


def highlights(network: Network) -> Iterator[Highlight]:
    """For the top of the page."""
    accuracy = network.provenance["test_accuracy"]
    if isinstance(accuracy, int | float):
        yield Highlight(name="accuracy", value=f"{accuracy:.2%}", note="strict, when trained")


def blocks(network: Network) -> Iterator[Block]:
    """What stands in the section."""
    sizes = ", ".join(f"{size:,}" for size in network.sizes)
    yield Figure(
        svg=_picture(network),
        title="Layers",
        caption="Heights are by the square root of the number of units. Above each arrow stands "
        "the number of weights, of 1 bit each.",
        description=f"Units per layer: {sizes}.",
    )
    by_size = network.dense and network.coding == "first-spike"
    yield _table(network) if by_size else _table_of_maps(network)
    convolutions = [
        (index, layer.kind, layer)
        for index, layer in enumerate(network.layers)
        if isinstance(layer.kind, Conv)
    ]
    for index, kind, layer in convolutions[:_CONVOLUTIONS]:
        yield _filters(index, kind, layer, network.maps[index][0])
    yield Facts(rows=list(_facts(network)))


def _table(network: Network) -> Table:
    return Table(
        caption="Layers",
        head=("layer", "units", "weight bits", "of them +1", "thresholds", "median"),
        rows=[
            (
                "output" if index == len(network.layers) else f"hidden {index}",
                f"{layer.outputs:,}",
                *_weights(layer),
            )
            for index, layer in enumerate(network.layers, 1)
        ],
    )


def _table_of_maps(network: Network) -> Table:
    bistable = network.coding == "bistable"
    return Table(
        caption="Layers",
        head=(
            *("layer", "map", "weight bits", "of them +1", "thresholds", "median"),
            *(("biases", "gains") if bistable else ()),
        ),
        rows=[
            (
                str(layer.kind),
                _size(output),
                *(_weights(layer) if layer.weight.size else ["–"] * 4),
                *(_affine(layer) if bistable else ()),
            )
            for layer, output in zip(network.layers, network.maps[1:], strict=True)
        ],
    )


def _affine(layer: Layer) -> tuple[str, ...]:
    """Biases and gains of a bistable network's layer."""
    if not layer.weight.size:
        return "–", "–"
    bias = f"{layer.bias.min():,} … {layer.bias.max():,}".replace("-", "−")
    low, high = layer.gain.min(), layer.gain.max()
    return bias, f"{low:,}" if low == high else f"{low:,} … {high:,}"


def _weights(layer: Layer) -> tuple[str, ...]:
    """Weight bits, of them +1, thresholds and their median."""
    return (
        f"{layer.weight.size:,}",
        f"{layer.weight.mean():.1%}",
        f"{layer.threshold.min():,} … {layer.threshold.max():,}".replace("-", "−"),
        f"{np.median(layer.threshold):g}".replace("-", "−"),
    )


def _filters(index: int, kind: Conv, layer: Layer, channels: int) -> Figure:
    """The kernels of a convolution: a column for each of its channels, a row for each channel that
    it reads; those of one channel in rows of many.
    """
    kernels = layer.weight.reshape(kind.channels, channels, *kind.kernel)
    shown = kernels[:_FILTERS, :_FILTERS]
    outputs, inputs = shown.shape[:2]
    columns = min(outputs, 16) if inputs == 1 else outputs
    rows = -(-outputs // columns) * inputs
    edges = kind.kernel[0] + 1, kind.kernel[1] + 1
    height = _WIDTH * rows * edges[0] / max(columns * edges[1], _LEAST)
    with drawing(max(0.4, min(6.0, height))) as picture:
        axes = picture.figure.subplots()
        draw_kernels(axes, shown.swapaxes(0, 1).reshape(-1, *kind.kernel), columns)
        # Of a few kernels each stays as small as those of many
        axes.set_xlim(-0.5, max(columns * edges[1], _LEAST) - 1.5)
        axes.set_anchor("W")
    layout = (
        "A kernel for each channel."
        if inputs == 1
        else "A column for each channel, a row for each channel that it reads."
    )
    cut = (
        f" The first {outputs} of {kind.channels} channels and {inputs} of {channels} are drawn."
        if shown.size < kernels.size
        else ""
    )
    return Figure(
        svg=picture.svg,
        title=f"Kernels of layer {index + 1}, {kind}",
        caption=f"{layout} Blue is +1, grey −1.{cut}",
        description=f"{kind.channels} × {channels} kernels of {kind.kernel[0]} × {kind.kernel[1]} "
        f"weights, of which {layer.weight.mean():.1%} are +1.",
    )


def _facts(network: Network) -> Iterator[tuple[str, str]]:
    encoder, came = network.encoder, network.provenance
    yield "structure", network.structure
    if network.coding == "bistable":
        yield "steps of a period", f"{network.steps}, one for each bit of a value"
    else:
        yield "steps of the window", str(network.steps)
    yield "weight bits", f"{network.weight_bits:,}"
    if isinstance(encoder, ImageEncoder):
        height, width = encoder.shape[-2:]
        made_of = MADE_OF.get(kind_of(network))
        if made_of is None:
            yield "input", f"{encoder.examples}, 8 bits"
        else:
            yield "input", f"{made_of}, as {height} × {width} bytes"
        if isinstance(encoder, PhaseEncoder):
            yield "encoder", f"phase: the {network.steps} most significant bits, one spike each"
        else:
            larger = "brighter a pixel" if made_of is None else "larger a byte"
            yield "encoder", f"latency: the {larger}, the earlier its one spike"
        if encoder.pool > 1:
            yield "mean pooling", f"{encoder.pool} × {encoder.pool} pixels"
        if not isinstance(encoder, PhaseEncoder) and encoder.silent_below:
            yield "silent", f"pixels below {encoder.silent_below}"
        if encoder.select is not None:
            yield "selected inputs", f"{encoder.inputs:,} of {encoder.pooled:,} pixels"
    else:
        of = "" if encoder.shape is None else f", a map of {' × '.join(map(str, encoder.shape))}"
        yield "input", f"sensor events of {encoder.inputs:,} channels{of}"
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


def _size(output: Map) -> str:
    """Channels, height and width; of what has no places, units."""
    return f"{output[0]:,}" if output[1:] == (1, 1) else "×".join(map(str, output))


def _names(network: Network, index: int) -> tuple[str, str]:
    """Of a layer, 0 the inputs: its name, and its units or its map."""
    units = _size(network.maps[index])
    if not index:
        return "inputs", units
    if network.dense:
        return ("output" if index == len(network.layers) else f"hidden {index}"), units
    return str(network.layers[index - 1].kind), units


def _picture(network: Network) -> str:
    """A bar for each layer, with the weights between them."""
    sizes = network.sizes
    shown = list(range(len(sizes)))
    if len(sizes) > _DRAWN:
        shown = [*range(_DRAWN // 2), *range(len(sizes) - _DRAWN // 2, len(sizes))]
    highest = max(sizes) ** 0.5
    text = 10 if network.dense else min(10, 51 / len(shown))
    with drawing(2.3) as picture:
        axes = picture.figure.subplots()
        for place, index in enumerate(shown):
            height = max(0.04, sizes[index] ** 0.5 / highest)
            ends = index == 0, index == len(sizes) - 1
            colour = COLOURS["muted"] if ends[0] else COLOURS["accent"]
            axes.bar(place, height, 0.22, bottom=-height / 2, color=colour)
            name, size = _names(network, index)
            axes.text(place, -0.6, size, ha="center", va="top", weight="bold", size=text)
            axes.text(place, -0.72, name, ha="center", va="top", size=text, color=COLOURS["muted"])
            if place:
                skipped = index - shown[place - 1] > 1
                weights = network.layers[index - 1].weight.size
                bits = f"{weights:,}" if weights else "pooled"
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
                    size=min(text, 10 if len(shown) < 5 else 8),
                )
        axes.set(xlim=(-0.5, len(shown) - 0.5), ylim=(-0.9, 0.55))
        axes.set_axis_off()
    return picture.svg
