"""What a bistable network answers on the test part of its data set, and the values in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sw.answer import BistableAnswer
from sw.bistable import highest
from sw.cli import printable
from sw.network import Network
from sw.reports.answers import Answers, shown
from sw.reports.blocks import Block, Facts, Figure, Highlight, Table
from sw.reports.classes import class_table, confusion_figure
from sw.reports.maps import draw_values, visible
from sw.reports.sections.base import Section
from sw.reports.svg import COLOURS, SERIES, drawing
from sw.reports.values import ValuesExample, heard, value_shares, values_example

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SECTION", "Values"]

_CHANNELS = 32  # of a map that are drawn
_WIDTH, _LEAST_COLUMNS = 5.0, 8  # inches, and channels that have room across them
_DRAWN = 6  # layers of an inference


@dataclass(frozen=True, kw_only=True)
class Values(Answers):
    """A bistable network's answers to test examples, all of them or the first ones.

    Parameters
    ----------
    dataset, figures, confusion
        As of Answers.
    accuracy_at_phase, certain_by_phase : tuple of K float, 0 … 1
        Strict, when the output layer is read at the end of each phase of its period; share of
        examples whose class nothing can change from then on.
    value_shares : tuple of tuples of 2^K float, 0 … 1
        Of each layer but the last, the share of units that have each value.
    examples : tuple of ValuesExample
        The first one that is answered right and the first one that is not, as far as there are.
    """

    kind = "values"

    accuracy_at_phase: tuple[float, ...]
    certain_by_phase: tuple[float, ...]
    value_shares: tuple[tuple[float, ...], ...]
    examples: tuple[ValuesExample, ...]

    @classmethod
    def of(
        cls,
        network: Network,
        images: np.ndarray,
        labels: np.ndarray,
        answer: BistableAnswer,
        *,
        dataset: str,
        command: str,
        versions: dict[str, str],
    ) -> "Values":
        """That of ``answer`` to ``images`` of the true ``labels`` int [B]."""
        phases = heard(network, images, answer)
        first = answer.latency - network.steps  # steps before the output layer listens
        rows = np.arange(len(labels))
        at_phase = [
            float(((each >= each[rows, labels][:, None]).sum(axis=1) == 1).mean())
            for each in phases
        ]
        return cls(
            **cls.common(network, labels, answer, dataset),
            command=command,
            versions=versions,
            accuracy_at_phase=tuple(at_phase),
            certain_by_phase=tuple(
                float((answer.certain <= first + phase).mean()) for phase in range(network.steps)
            ),
            value_shares=tuple(map(tuple, value_shares(answer))),
            examples=tuple(
                values_example(network, images, answer, labels, each)
                for each in shown(answer, labels)
            ),
        )


def _highlights(network: Network, result: Values) -> Iterator[Highlight]:
    yield result.accuracy(network)
    yield Highlight(
        name="decision",
        value=f"{result.figures.decision_step_mean:g} steps",
        note=f"a new image every {network.steps}",
    )


def _blocks(network: Network, result: Values) -> Iterator[Block]:
    figures = result.figures
    yield Figure(
        svg=_by_phase(result),
        title="Accuracy against phase",
        caption="If the output layer were read at the end of a phase of its period, in which bits "
        "come most significant first; and how many examples have a class that nothing that still "
        "comes can change.",
        description="Read at the end of each phase it is right on "
        + ", ".join(f"{share:.1%}" for share in result.accuracy_at_phase)
        + "; certain are "
        + ", ".join(f"{share:.1%}" for share in result.certain_by_phase)
        + ".",
    )
    if result.value_shares:
        yield Figure(
            svg=_shares(network, result),
            title="Values",
            caption="How many units of each layer have each value. A spike is a bit of it that is "
            "set, so the value 0 sends none.",
            description="Silent are "
            + ", ".join(
                f"{shares[0]:.0%} of {name}"
                for name, shares in zip(_names(network), result.value_shares, strict=True)
            )
            + ".",
        )
    matrix = np.array(result.confusion)
    yield confusion_figure(matrix, network.labels)
    yield Facts(
        rows=[
            ("data set", f"{result.dataset}, {figures.images:,} test examples"),
            ("accuracy, strict", f"{figures.accuracy:.2%} (a tie is wrong)"),
            ("accuracy, lenient", f"{figures.lenient_accuracy:.2%} (a tie counts)"),
            ("steps to the decision", f"{figures.decision_step_mean:g}"),
            ("steps until the class is certain", f"{figures.certain_step_mean:.2f}, mean"),
            ("hidden spikes per example", f"{figures.hidden_spikes_mean:.1f}"),
            ("tie of the largest potential", f"{figures.tie_share:.2%}"),
        ]
    )
    if result.value_shares:
        numbers = np.arange(len(result.value_shares[0]))
        yield Table(
            caption="Layers",
            head=("layer", "spikes per example", "of its units' bits", "mean value", "silent"),
            rows=[
                (
                    name,
                    f"{spikes:.1f}",
                    f"{spikes / (units * network.steps):.1%}",
                    f"{float(numbers @ np.array(shares)):.2f}",
                    f"{shares[0]:.1%}",
                )
                for name, units, spikes, shares in zip(
                    _names(network),
                    network.sizes[1:],
                    figures.layer_spikes_mean,
                    result.value_shares,
                    strict=False,
                )
            ],
        )
    yield class_table(matrix, network.labels)
    for each in result.examples:
        yield _inference(network, result, each)


def _inference(network: Network, result: Values, each: ValuesExample) -> Figure:
    label, answer = (printable(network.labels[i], 40) for i in (each.label, each.answer))
    most = max(channels for channels, *edges in network.maps)
    cut = f" Of a layer the first {_CHANNELS} channels are drawn." if most > _CHANNELS else ""
    return Figure(
        svg=_picture(network, each),
        title=f"{'Right' if each.label == each.answer else 'Wrong'}: a “{label}”, answered "
        f"“{answer}”",
        caption=f"Test example {each.index} of {result.dataset}: the values of each layer, the "
        "larger the darker, and the potentials of the outputs while they listen, in each phase "
        f"twice as exact.{cut}",
        description=f"Values of {', '.join(_names(network))}; then output “{answer}” has the "
        f"largest potential, {each.margin:,} more than the next.",
    )


def _names(network: Network) -> list[str]:
    """Of the layers but the last."""
    return [str(layer.kind) for layer in network.layers[:-1]]


def _by_phase(result: Values) -> str:
    from matplotlib.ticker import MaxNLocator

    phases = np.arange(1, len(result.accuracy_at_phase) + 1)
    with drawing(2.6) as picture:
        axes = picture.figure.subplots()
        certain = 100 * np.array(result.certain_by_phase)
        axes.bar(phases, certain, 0.5, color=COLOURS["grid"], label="certain by then")
        axes.plot(
            phases,
            100 * np.array(result.accuracy_at_phase),
            marker="o",
            markersize=4,
            color=COLOURS["accent"],
            label="right when read there",
        )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(
            xlabel="phase of the output layer's period",
            ylabel="test examples [%]",
            ylim=(0, 104),
            xlim=(0.5, len(phases) + 0.5),
        )
        axes.legend(loc="center left")
    return picture.svg


def _shares(network: Network, result: Values) -> str:
    layers = len(result.value_shares)
    width = 0.8 / layers
    with drawing(2.6) as picture:
        axes = picture.figure.subplots()
        for number, (name, shares) in enumerate(
            zip(_names(network), result.value_shares, strict=True)
        ):
            place = np.arange(len(shares)) + (number - (layers - 1) / 2) * width
            colour = COLOURS[f"series{number % SERIES}"]
            axes.bar(place, 100 * np.array(shares), width, color=colour, label=name)
        axes.set(xlabel="value", ylabel="units [%]")
        axes.legend(loc="upper right", ncols=-(-layers // 6))
    return picture.svg


def _picture(network: Network, each: ValuesExample) -> str:
    """The image, the values of inputs and layers, and the outputs' potentials."""
    drawn = [
        (name, np.array(values).reshape(output)[:_CHANNELS])
        for name, values, output in zip(
            ["inputs", *_names(network)], each.values, network.maps, strict=False
        )
    ][: _DRAWN + 1]
    columns = [_columns(values) for _, values in drawn]
    heights = [0.8]
    for (_, values), across in zip(drawn, columns, strict=True):
        rows = -(-len(values) // across)
        height = _WIDTH * rows * (values.shape[1] + 1) / _span(values, across)
        heights.append(max(0.15, min(2.5, height)) + 0.25)
    heights.append(1.5)
    with drawing(sum(heights) + 0.5) as picture:
        grid = picture.figure.add_gridspec(len(heights), height_ratios=heights)
        axes = [picture.figure.add_subplot(grid[row]) for row in range(len(heights))]
        _image(axes[0], each)
        for of_layer, (name, values), across in zip(axes[1:], drawn, columns, strict=False):
            draw_values(of_layer, values, most=highest(network.steps), columns=across)
            of_layer.set_xlim(-0.5, _span(values, across) - 1.5)
            of_layer.set_anchor("W")
            of_layer.set_title(name, loc="left", size=10)
        _potentials(axes[-1], network, each)
    return picture.svg


def _columns(values: np.ndarray) -> int:
    """Channels in a row, so that all together are about as wide as eight rows are high."""
    channels, height, width = values.shape
    across = min(channels, max(1, round((8 * channels * height / width) ** 0.5)))
    return -(-channels // -(-channels // across))  # as many in the last row, if they can


def _span(values: np.ndarray, columns: int) -> int:
    """Pixels across: a few channels are not drawn larger than many."""
    return max(columns, _LEAST_COLUMNS) * (values.shape[2] + 1)


def _potentials(axes: "Axes", network: Network, each: ValuesExample) -> None:
    phases = np.arange(1, len(each.potentials) + 1)
    for output, line in enumerate(zip(*each.potentials, strict=True)):
        won, true = output == each.answer, output == each.label
        name = f"“{printable(network.labels[output], 12)}”"
        axes.plot(
            phases,
            line,
            marker="o",
            markersize=3,
            color=COLOURS["accent" if won else "warn" if true else "muted"],
            linewidth=1.8 if won or true else 0.7,
            alpha=1.0 if won or true else 0.45,
            label=(f"{name}, the class" if true and not won else name) if won or true else None,
        )
    axes.set_xticks(phases)
    axes.set(xlabel="phase", ylabel="U")
    axes.set_title("outputs: the largest potential wins", loc="left", size=10)
    axes.legend(loc="best")


def _image(axes: "Axes", each: ValuesExample) -> None:
    image = np.array(each.image, np.uint8)
    if each.channels > 1:
        image = visible(image.reshape(len(image), -1, each.channels))
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.set_anchor("W")
    axes.set_axis_off()


SECTION = Section(
    anchor="values",
    title="On test examples",
    kind=Values,
    blocks=_blocks,
    highlights=_highlights,
    coding="bistable",
    missing=lambda network, named: f"python -m sw.report {named}",
)
