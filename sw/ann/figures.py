"""What a simulated conversion reports."""

from collections.abc import Sequence
from dataclasses import dataclass

from sw.record import Record

__all__ = ["Conversion", "LayerFigures", "first_within"]


@dataclass(frozen=True, kw_only=True)
class LayerFigures(Record):
    """Neurons of a layer.

    Parameters
    ----------
    name : str
        Of its activation in the ANN; of synchronous neurons, of the sum that they hold back for.
    units : int
    spikes_mean : float
        Per image, in all steps.
    sin_share : float, 0 … 1, or None
        Spikes of inactivated neurons (SIN): the share of the spikes that come from units whose
        value in the ANN is 0; None without spikes.
    error : float, or None
        Of the values that the spikes stand for, in all steps: ‖difference from the ANN's‖ / ‖the
        ANN's‖ over all units and images; None of synchronous neurons.
    """

    name: str
    units: int
    spikes_mean: float
    sin_share: float | None
    error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Conversion(Record):
    """A conversion, simulated on images.

    Parameters
    ----------
    method : str
    settings : dict of float
    dataset : str
    part : str
        ``test``, or ``validation``: the images that were held out from training.
    images, steps : int
    ann_accuracy : float, 0 … 1
        Of the ANN on the same images.
    accuracy : tuple of float, 0 … 1
        If the answer after step 1, 2, … counts: the class with the largest potential, of several
        the first.
    spikes_mean : tuple of float
        Per image, of all neurons together, up to and with step 1, 2, … .
    sin_share : float, 0 … 1, or None
        Of all spikes.
    answer_step : int
        The first step after which each layer has heard an image once.
    half_point_step, tenth_point_step : int, or None
        The first step from which on the accuracy is never more than 0.5 or 0.1 percentage points
        below the ANN's; None if there is none.
    layers : tuple of LayerFigures
    """

    method: str
    settings: dict[str, float]
    dataset: str
    part: str
    images: int
    steps: int
    ann_accuracy: float
    accuracy: tuple[float, ...]
    spikes_mean: tuple[float, ...]
    sin_share: float | None
    answer_step: int
    half_point_step: int | None
    tenth_point_step: int | None
    layers: tuple[LayerFigures, ...]

    def reached(self, thousandths: int) -> int | None:
        """The first step after which the accuracy is at most so many ``thousandths`` below the
        ANN's, which need not last; None if there is none.
        """
        wanted = round(self.ann_accuracy * self.images)
        for step, accuracy in enumerate(self.accuracy, 1):
            if 1000 * (wanted - round(accuracy * self.images)) <= thousandths * self.images:
                return step
        return None


def first_within(right: Sequence[int], wanted: int, images: int, thousandths: int) -> int | None:
    """The first step, 1 … , from which on never more than ``thousandths`` of the ``images`` fewer
    than ``wanted`` are right; None if there is none. In integers, since such a difference is often
    exactly that.
    """
    result = None
    for step in range(len(right), 0, -1):
        if 1000 * (wanted - right[step - 1]) > thousandths * images:
            break
        result = step
    return result
