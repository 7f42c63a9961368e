"""One inference, spike by spike: of an example that is answered right, and of one that is not."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sw.cli import printable
from sw.network import Network
from sw.reports.behaviour import Example
from sw.reports.blocks import Block, Figure
from sw.reports.maps import draw_times, visible
from sw.reports.sections.base import Section
from sw.reports.sections.evaluation import Evaluation
from sw.reports.svg import COLOURS, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SECTION"]

_DRAWN = 2000  # spikes of a layer
_PIXELS = 96  # along an edge of the image
# What is after the decision; engines for maps work layer by layer, and may have computed it
_AFTER = {True: "hardware never computes it", False: "it cannot change the answer"}
_CHANNELS = 32  # of a map that are drawn
_WIDTH, _LEAST_COLUMNS = 5.0, 8  # inches, and channels that have room across them


def _blocks(network: Network, result: Evaluation) -> Iterator[Block]:
    for each in result.examples:
        right = each.label == each.answer
        label, answer = (printable(network.labels[i], 40) for i in (each.label, each.answer))
        margin = str(each.margin).replace("-", "−")
        inputs = sum(map(len, each.inputs))
        early = sum(map(len, each.inputs[: each.step + 1]))
        yield Figure(
            svg=_picture(network, each),
            title=f"{'Right' if right else 'Wrong'}: a “{label}”, answered “{answer}”",
            caption=f"Test example {each.index} of {result.dataset}, decided in step "
            f"{each.step + 1} of {network.steps} with a margin of {margin}. "
            f"What comes after the decision is grey: {_AFTER[network.dense]}.",
            description=f"Raster of the inference: {early:,} of {inputs:,} input spikes and "
            + ", ".join(
                f"{sum(step <= each.step for step in times):,} of "
                f"{sum(step < network.steps for step in times):,} spikes of hidden layer {number}"
                for number, times in enumerate(each.hidden, 1)
            )
            + f" come up to the decision in step {each.step + 1}, then output “{answer}” wins.",
        )
        if not network.dense:
            yield Figure(
                svg=_maps(network, each),
                title=f"Its maps, “{label}” answered “{answer}”",
                caption="When the units of each channel fire: the earlier the darker. What comes "
                f"after the decision is grey{_cut(network)}.",
                description=f"Firing times of {', '.join(_named(network, each))}.",
            )


def _cut(network: Network) -> str:
    most = max(channels for channels, *edges in network.maps if edges != [1, 1])
    return f"; of a layer the first {_CHANNELS} channels are drawn" if most > _CHANNELS else ""


def _picture(network: Network, each: Example) -> str:
    from matplotlib.ticker import MaxNLocator

    above = [] if each.image is None else [0.75]
    hidden = [  # layers on maps have a picture of their own
        (number, np.array(times))
        for number, times in enumerate(each.hidden, 1)
        if not _is_map(network, number)
    ]
    heights = [*above, 1.2, *[0.9] * len(hidden), 1.2]
    with drawing(sum(heights) + 0.8) as picture:
        grid = picture.figure.add_gridspec(len(heights), height_ratios=heights)
        rows = [picture.figure.add_subplot(grid[row]) for row in range(len(heights))]
        if each.image is not None:
            _image(rows.pop(0), each)
        step = np.repeat(np.arange(network.steps), [len(units) for units in each.inputs])
        unit = np.array([unit for units in each.inputs for unit in units], int)
        _spikes(rows[0], step, unit, network.sizes[0], each.step, "inputs")
        for axes, (number, times) in zip(rows[1:], hidden, strict=False):
            units = np.flatnonzero(times < network.steps)
            name = f"hidden {number}" if len(each.hidden) > 1 else "hidden"
            if not network.dense:
                name = f"hidden, {network.layers[number - 1].kind}"
            _spikes(axes, times[units], units, len(times), each.step, name)
        _race(rows[-1], network.labels, each)
        for axes in rows:
            axes.axvline(each.step + 1.5, color=COLOURS["warn"], linewidth=1, linestyle="--")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
            axes.set_xlim(0.5, network.steps + 0.5)
            axes.tick_params(axis="x", labelbottom=axes is rows[-1])
        rows[-1].set_xlabel("step")
        picture.figure.legend(loc="outside lower center", ncols=2)
    return picture.svg


def _is_map(network: Network, number: int) -> bool:
    """Whether the units of a layer, 0 the inputs, have places."""
    return network.maps[number][1:] != (1, 1)


def _named(network: Network, each: Example) -> Iterator[str]:
    """The layers on maps and their spikes, as text."""
    for number, times in enumerate(_times(network, each)):
        if _is_map(network, number):
            early, all_ = (times <= each.step).sum(), (times < network.steps).sum()
            name = str(network.layers[number - 1].kind) if number else "inputs"
            yield f"{name}: {early:,} spikes to the decision, {all_ - early:,} after it"


def _times(network: Network, each: Example) -> list[np.ndarray]:
    """First times int [C, H, W] of the inputs and of each hidden layer."""
    inputs = np.full(network.sizes[0], network.steps)
    for step in reversed(range(network.steps)):
        inputs[list(each.inputs[step])] = step
    return [
        np.array(times).reshape(size)
        for times, size in zip((inputs, *each.hidden), network.maps, strict=False)
    ]


def _maps(network: Network, each: Example) -> str:
    """Firing times of inputs and layers on maps: a row of channels for each, the first ones."""
    layers = [
        times[:_CHANNELS]
        for number, times in enumerate(_times(network, each))
        if _is_map(network, number)
    ]
    columns = [_columns(times) for times in layers]
    heights = [
        _WIDTH * (-(-len(times) // across)) * (times.shape[1] + 1) / _span(times, across) + 0.25
        for times, across in zip(layers, columns, strict=True)
    ]
    with drawing(sum(heights) + 0.1) as picture:
        grid = picture.figure.add_gridspec(len(heights), height_ratios=heights)
        for row, (times, across, name) in enumerate(
            zip(layers, columns, _named(network, each), strict=True)
        ):
            axes = picture.figure.add_subplot(grid[row])
            draw_times(axes, times, steps=network.steps, decision=each.step, columns=across)
            axes.set_xlim(-0.5, _span(times, across) - 1.5)
            axes.set_anchor("W")
            axes.set_title(name, loc="left", size=10)
    return picture.svg


def _columns(times: np.ndarray) -> int:
    """Channels in a row, so that all together are about as wide as eight rows are high."""
    channels, height, width = times.shape
    across = min(channels, max(1, round((8 * channels * height / width) ** 0.5)))
    rows = -(-channels // across)
    return -(-channels // rows)  # as many in the last row, if they can


def _span(times: np.ndarray, columns: int) -> int:
    """Pixels across: a few channels are not drawn larger than many."""
    return max(columns * (times.shape[2] + 1), _LEAST_COLUMNS * (times.shape[2] + 1))


def _spikes(
    axes: "Axes", step: np.ndarray, unit: np.ndarray, units: int, decision: int, name: str
) -> None:
    """A dash for each spike; of too many every k-th."""
    every = max(1, len(step) // _DRAWN)
    early = step <= decision
    for which, colour in ((early, "ink"), (~early, "muted")):
        at, of = step[which][::every] + 1.0, unit[which][::every].astype(float)
        gap = np.full(len(at), np.nan)
        axes.plot(
            np.stack([at - 0.36, at + 0.36, gap], axis=1).ravel(),
            np.stack([of, of, gap], axis=1).ravel(),
            color=COLOURS[colour],
            linewidth=max(0.4, min(1.2, 50 / units)),
            solid_capstyle="butt",
            alpha=1.0 if colour == "ink" else 0.5,
        )
    note = f", every {every}th drawn" if every > 1 else ""
    axes.set_title(
        f"{name}: {early.sum():,} spikes to the decision, {(~early).sum():,} after it{note}",
        loc="left",
        size=10,
    )
    axes.set(ylabel="unit", ylim=(units - 0.5, -0.5))


def _race(axes: "Axes", labels: Sequence[str], each: Example) -> None:
    """The margins of the outputs."""
    steps = np.arange(1, len(each.margins[0]) + 2)
    for output, line in enumerate(each.margins):
        won, true = output == each.answer, output == each.label
        colour = "accent" if won else "warn" if true else "muted"
        axes.step(
            steps - 0.5,
            [*line, line[-1]],
            where="post",
            color=COLOURS[colour],
            linewidth=1.8 if won or true else 0.7,
            alpha=1.0 if won or true else 0.45,
            label=f"“{printable(labels[output], 12)}”" + (", the class" if true and not won else "")
            if won or true
            else None,
            zorder=3 if won else 2,
        )
    axes.axhline(0, color=COLOURS["ink"], linewidth=0.8)
    fires = each.margin >= 0
    rule = "the first to reach 0 wins" if fires else "none reaches 0, the largest wins"
    axes.set_title(f"outputs: {rule}", loc="left", size=10)
    axes.set_ylabel("V − θ")


def _image(axes: "Axes", each: Example) -> None:
    """The input."""
    image = np.array(each.image, np.uint8)
    if each.channels > 1:
        image = visible(image.reshape(len(image), -1, each.channels))
    every = max(1, -(-max(image.shape[:2]) // _PIXELS))
    axes.imshow(image[::every, ::every], cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.set_axis_off()


SECTION = Section(
    anchor="inference",
    title="One inference",
    kind=Evaluation,
    blocks=_blocks,
    coding="first-spike",
    missing=lambda network, named: f"python -m sw.report {named}",
)
