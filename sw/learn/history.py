"""What a training run reports: of each epoch, and at its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sw.answer import Figures
from sw.cli import UserError, read_json
from sw.record import Record

__all__ = ["Epoch", "Log", "RunFigures", "read_epochs"]


@dataclass(frozen=True, kw_only=True)
class Epoch(Record):
    """Measured at the end of an epoch, on the validation part, or on up to 1,000 training examples
    without one.

    Parameters
    ----------
    epoch : int, 1 …
    rate : float
        Learning rate of the weights during the epoch.
    validation_accuracy : float, 0 … 1, or None
        Strict; None without a validation part.
    decision_step_mean : float, steps
        Steps taken until the decision; a decision in the first step counts 1.
    spikes_mean : tuple of float
        Spikes per example of each layer, over the whole window.
    """

    epoch: int
    rate: float
    validation_accuracy: float | None
    decision_step_mean: float
    spikes_mean: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class RunFigures(Figures):
    """Figures of the trained network on the test part of its data.

    Parameters
    ----------
    validation_accuracy : float, 0 … 1, or None
        That of the last epoch.
    """

    validation_accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Log:
    """What ``log.json`` of a run holds.

    Parameters
    ----------
    command : str
    recipe : dict
        ``Recipe.to_dict``.
    figures : RunFigures
    epochs : sequence of Epoch
    """

    command: str
    recipe: Mapping[str, object]
    figures: RunFigures
    epochs: Sequence[Epoch]


def read_epochs(log: Path) -> list[Epoch]:
    """The epochs of the run whose ``log.json`` is given.

    Raises
    ------
    UserError
        It is none, or cannot be read.
    """
    try:
        epochs = [Epoch.from_dict(entry) for entry in read_json(log)["epochs"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no list of epochs in it"
        raise UserError(
            f"{log}: is not the log of a training run ({reason}); name its log.json"
        ) from None
    if not epochs:
        raise UserError(f"{log}: is the log of a run without epochs; name another")
    return epochs
