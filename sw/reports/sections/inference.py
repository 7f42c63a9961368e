"""One inference, spike by spike: of an example that is answered right, and of one that is not."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sw.cli import printable
from sw.network import Network
from sw.reports.behaviour import Example
from sw.reports.blocks import Block, Figure
from sw.reports.sections.base import Section
from sw.reports.sections.evaluation import Evaluation
from sw.reports.svg import COLOURS, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SECTION"]

_DRAWN = 2000  # spikes of a layer
_PIXELS = 96  # along an edge of the image
_OUTPUTS = 12  # lines that are named


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
            "What comes after the decision is grey: hardware never computes it.",
            description=f"Raster of the inference: {early:,} of {inputs:,} input spikes and "
            + ", ".join(
                f"{sum(step <= each.step for step in times):,} of "
                f"{sum(step < network.steps for step in times):,} spikes of hidden layer {number}"
                for number, times in enumerate(each.hidden, 1)
            )
            + f" come up to the decision in step {each.step + 1}, then output “{answer}” wins.",
        )


def _picture(network: Network, each: Example) -> str:
    from matplotlib.ticker import MaxNLocator

    above = [] if each.image is None else [0.75]
    heights = [*above, 1.2, *[0.9] * len(each.hidden), 1.2]
    with drawing(sum(heights) + 0.8) as picture:
        grid = picture.figure.add_gridspec(len(heights), height_ratios=heights)
        rows = [picture.figure.add_subplot(grid[row]) for row in range(len(heights))]
        if each.image is not None:
            _image(rows.pop(0), np.array(each.image))
        step = np.repeat(np.arange(network.steps), [len(units) for units in each.inputs])
        unit = np.array([unit for units in each.inputs for unit in units], int)
        _spikes(rows[0], step, unit, network.sizes[0], each.step, "inputs")
        for number, times in enumerate(each.hidden, 1):
            at = np.array(times)
            units = np.flatnonzero(at < network.steps)
            name = "hidden" if len(each.hidden) == 1 else f"hidden {number}"
            _spikes(rows[number], at[units], units, len(at), each.step, name)
        _race(rows[-1], network.labels, each)
        for axes in rows:
            axes.axvline(each.step + 1.5, color=COLOURS["warn"], linewidth=1, linestyle="--")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
            axes.set_xlim(0.5, network.steps + 0.5)
            axes.tick_params(axis="x", labelbottom=axes is rows[-1])
        rows[-1].set_xlabel("step")
        picture.figure.legend(loc="outside lower center", ncols=2)
    return picture.svg


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


def _image(axes: "Axes", image: np.ndarray) -> None:
    """The input."""
    every = max(1, -(-max(image.shape) // _PIXELS))
    axes.imshow(image[::every, ::every], cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.set_axis_off()


SECTION = Section(
    anchor="inference",
    title="One inference",
    kind=Evaluation,
    blocks=_blocks,
    missing=lambda network, named: f"python -m sw.report {named}",
)
