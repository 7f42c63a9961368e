"""``python -m sim.raster NETWORK --image N --out FILE``: one inference as a raster plot.

Input spikes, hidden spikes and the outputs' margins over the steps, with the decision marked; of
layers on maps when each unit of each channel fires, the earlier the darker. All from the golden
model.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim import golden
from sw.answer import Answer
from sw.cli import PICTURES, UserError, run, save_picture
from sw.data.dataset import Dataset
from sw.data.registry import load_dataset_for
from sw.encoder import LatencyEncoder, Spikes
from sw.flags import natural, parser, picture_file
from sw.network import Network, find
from sw.reports.maps import draw_times, visible
from sw.selection import Selection

__all__ = ["draw"]

_CHANNELS, _COLUMNS = 32, 16  # of a layer on maps that are drawn, and side by side


def draw(network: Network, image: np.ndarray, label: int, path: Path) -> Answer:
    """Draws the answer of ``network`` to ``image`` uint8 [height, width], or [height, width,
    channels], into a picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    assert isinstance(network.encoder, LatencyEncoder)
    steps = network.steps
    answer = golden.run_images(network, image[None])
    decision, winner = int(answer.step[0]), int(answer.label[0])
    inputs = network.encoder.times(image[None], steps)[0]
    hidden = [times[0] for times in answer.times[:-1]]
    before = Spikes.from_times((hidden[-1] if hidden else inputs)[None], steps)
    margins = golden.margins(network.layers[-1], before, steps)[0].T

    rows = [inputs, *hidden]
    names = [
        "input unit" if network.dense else "inputs",
        *(f"hidden unit, layer {row}" for row in range(1, len(rows))),
    ]
    if not network.dense:
        names[1:] = [str(layer.kind) for layer in network.layers[:-1]]
    late = "never computed" if network.dense else "after it"  # engines for maps go layer by layer
    figure = plt.figure(figsize=(10, max(7, 1.6 * len(rows))), layout="constrained")
    grid = figure.add_gridspec(len(rows) + 1, 2, width_ratios=(1, 3))
    picture = figure.add_subplot(grid[:, 0])
    picture.imshow(visible(image), cmap="gray_r")
    picture.set_axis_off()
    picture.set_title(
        f"test image of a “{network.labels[label]}”\n"
        f"answer “{network.labels[winner]}” in step {decision + 1} of {steps}\n"
        f"margin {int(answer.margin[0])}"
    )
    by_step: list[Any] = []  # axes whose x is the step
    for row, (times, size) in enumerate(zip(rows, network.maps, strict=False)):
        units = np.flatnonzero(times < steps)
        early = times[units] <= decision
        title = f"{early.sum()} spikes to the decision, {(~early).sum()} {late}"
        if size[1:] != (1, 1) and not network.dense:
            axes = figure.add_subplot(grid[row, 1])
            shown = times.reshape(size)[:_CHANNELS]
            columns = -(-len(shown) // -(-len(shown) // _COLUMNS))
            draw_times(axes, shown, steps=steps, decision=decision, columns=columns)
            axes.set_anchor("W")
            title = f"{names[row]}: {title}"
        else:
            axes = figure.add_subplot(grid[row, 1], sharex=by_step[0] if by_step else None)
            axes.scatter(times[units][early], units[early], s=6, color="black")
            axes.scatter(times[units][~early], units[~early], s=6, color="silver")
            axes.set_ylabel(names[row])
            axes.tick_params(labelbottom=False)
            by_step.append(axes)
        axes.set_title(title, fontsize=9, loc="left")
    axes = figure.add_subplot(grid[-1, 1], sharex=by_step[0] if by_step else None)
    by_step.append(axes)
    for unit, line in enumerate(margins):
        style = {"color": "tab:red", "linewidth": 2} if unit == winner else {"color": "silver"}
        axes.plot(np.arange(steps), line, drawstyle="steps-post", **style)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("output V − θ")
    axes.set_xlabel("step")
    axes.set_xticks(range(0, steps, max(1, steps // 16)))
    for each in by_step:
        each.axvline(decision, color="tab:red", linestyle="--", linewidth=1)
    save_picture(path, figure, dpi=110)
    plt.close(figure)
    return answer


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser(
        "Plot one inference: spikes, margins, decision.",
        json=False,
        dataset="the one the network was trained on",
    )
    options.add_argument("network", help="path of a network file, or a name in the zoo")
    options.add_argument(
        "--image", metavar="N", type=natural, default=0, help="number of the test image"
    )
    options.add_argument(
        "--out", type=picture_file, required=True, metavar="FILE", help=" ".join(PICTURES)
    )
    args = options.parse_args(arguments)
    network = find(args.network)
    if not isinstance(network.encoder, LatencyEncoder):
        raise UserError(
            f"network {network.name!r} takes {network.encoder.examples}; name one that takes images"
        )
    data = load_dataset_for(network, Selection.of(args))
    assert isinstance(data, Dataset)
    if not 0 <= args.image < len(data.test_images):
        raise UserError(f"--image must be in 0 … {len(data.test_images) - 1}, not {args.image}")
    label = int(data.test_labels[args.image])
    draw(network, data.test_images[args.image], label, args.out)
    if not args.quiet:
        print(args.out)


if __name__ == "__main__":
    run(main)
