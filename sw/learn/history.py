"""What a training run reports of each of its epochs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

__all__ = ["Epoch"]


@dataclass(frozen=True, kw_only=True)
class Epoch:
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
    spikes_mean : list of float
        Spikes per example of each layer, over the whole window.
    """

    epoch: int
    rate: float
    validation_accuracy: float | None
    decision_step_mean: float
    spikes_mean: list[float]

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON and checkpoints."""
        return asdict(self)

    @classmethod
    def from_dict(cls, entry: Mapping[str, object]) -> "Epoch":
        """The epoch that :meth:`to_dict` gives.

        Raises
        ------
        ValueError
            ``entry`` is none.
        """
        try:
            epoch = cls(**entry)  # type: ignore[arg-type]  # checked below
            figures = (epoch.epoch, epoch.rate, epoch.decision_step_mean, *epoch.spikes_mean)
        except TypeError:
            raise ValueError("not an epoch") from None
        accuracy = epoch.validation_accuracy
        figures += () if accuracy is None else (accuracy,)
        if not all(isinstance(x, int | float) for x in figures):
            raise ValueError("not an epoch")
        return epoch
