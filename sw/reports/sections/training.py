"""How training went."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sw.cli import printable
from sw.learn.history import Epoch
from sw.network import Network
from sw.reports.blocks import Block, Facts, Figure, Note
from sw.reports.result import Result, made_by, portable
from sw.reports.sections.base import Section
from sw.reports.svg import COLOURS, SERIES, drawing

__all__ = ["SECTION", "Training", "flat"]


@dataclass(frozen=True, kw_only=True)
class Training(Result):
    """A training run.

    Parameters
    ----------
    recipe : dict of str to str
        Its settings as text, see :func:`flat`.
    epochs : tuple of Epoch
    """

    kind = "training"

    recipe: dict[str, str]
    epochs: tuple[Epoch, ...]

    @classmethod
    def of(
        cls,
        network: Network,
        recipe: Mapping[str, object],
        epochs: Sequence[Epoch],
        *,
        command: str,
        versions: dict[str, str],
    ) -> "Training":
        """That of the run which ``network`` comes from."""
        return cls(
            network_sha256=network.sha256,
            command=command,
            versions=versions,
            recipe=flat(recipe),
            epochs=tuple(epochs),
        )


def _blocks(network: Network, result: Training) -> Iterator[Block]:
    errors = [
        (each.epoch, 100 * (1 - each.validation_accuracy))
        for each in result.epochs
        if each.validation_accuracy is not None
    ]
    if errors:
        least = min(errors, key=lambda pair: pair[1])
        yield Figure(
            svg=_curve(errors),
            title="Learning curve",
            caption=f"Strict error on the part held out for validation; at the end "
            f"{errors[-1][1]:.2f}%, least {least[1]:.2f}% in epoch {least[0]}.",
            description=f"The validation error by epoch falls from {errors[0][1]:.2f}% in epoch "
            f"{errors[0][0]} to {errors[-1][1]:.2f}% in epoch {errors[-1][0]}.",
        )
    else:
        yield Note(
            text="Nothing was held out for validation, so there is no learning curve. "
            "This flag of sw.train holds out a tenth:",
            code="--validation 0.1",
        )
    if result.epochs:
        last = result.epochs[-1]
        spikes = ", ".join(f"{count:.1f}" for count in last.spikes_mean)
        yield Figure(
            svg=_activity(result.epochs, len(network.layers)),
            title="Activity",
            caption="Spikes per example of each layer over the whole window, and the mean step of "
            "the decision.",
            description=f"After the last epoch each example causes {spikes} spikes in the layers, "
            f"and is decided in step {last.decision_step_mean:.2f} on average.",
        )
    yield Facts(rows=list(result.recipe.items()))


def flat(recipe: Mapping[str, object]) -> dict[str, str]:
    """The settings of a recipe, ``Recipe.to_dict``, as text; those within others by both names."""
    found = {}
    for name, value in recipe.items():
        parts = value.items() if isinstance(value, Mapping) else [("", value)]
        for part, each in parts:
            if each is not None and each is not False and each != []:
                values = each if isinstance(each, list | tuple) else [each]
                shown = ", ".join(f"{x:.4g}" if isinstance(x, float) else str(x) for x in values)
                title = f"{name.replace('dataset', 'data set')}: {part}".removesuffix(": ")
                found[title.replace("_", " ")] = portable(printable(shown, 200))
    return found


def _curve(errors: Sequence[tuple[int, float]]) -> str:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

    epochs, values = zip(*errors, strict=True)
    with drawing(2.9) as picture:
        axes = picture.figure.subplots()
        axes.plot(
            epochs,
            [max(value, 1e-2) for value in values],
            color=COLOURS["accent"],
            marker="o" if len(errors) <= 60 else "",
            markersize=3,
        )
        axes.set_yscale("log")
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(plain)
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="epoch", ylabel="validation error, strict [%]")
        axes.grid(visible=True)
    return picture.svg


def _activity(epochs: Sequence[Epoch], outputs: int) -> str:
    """Of networks whose layer number ``outputs`` is the output layer, if that sends spikes."""
    from matplotlib.ticker import MaxNLocator

    at = [each.epoch for each in epochs]
    with drawing(2.9) as picture:
        upper, lower = picture.figure.subplots(2, sharex=True, height_ratios=(2, 1))
        for layer in range(len(epochs[0].spikes_mean)):
            name = "output" if layer == outputs - 1 else f"hidden {layer + 1}"
            values = [each.spikes_mean[layer] for each in epochs]
            upper.plot(at, values, label=name, color=COLOURS[f"series{layer % SERIES}"])
        upper.set(ylabel="spikes")
        upper.set_ylim(bottom=0)
        upper.legend(loc="best", ncols=2)
        lower.plot(at, [each.decision_step_mean for each in epochs], color=COLOURS["accent"])
        lower.set(xlabel="epoch", ylabel="step")
        lower.xaxis.set_major_locator(MaxNLocator(integer=True))
        for axes in (upper, lower):
            axes.grid(visible=True)
    return picture.svg


def _missing(network: Network, named: str) -> str:
    """The command that trained it, if that was one of ours."""
    command = made_by(network)
    return command if command.startswith("python -m sw.train") else ""


SECTION = Section(
    anchor="training",
    title="Training",
    kind=Training,
    blocks=_blocks,
    missing=_missing,
)
