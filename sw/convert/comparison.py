"""A source beside the network that it became: both run on each example, and are compared."""

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from sim import golden
from sw.convert.layers import Converted
from sw.data import registry
from sw.data.dataset import Dataset
from sw.data.events import EventDataset

__all__ = ["Comparison", "compare"]

_PART = 256  # examples at a time


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Source and result on the test part of a data set.

    Parameters
    ----------
    dataset : str
    examples : int
    different : int
        Examples to which source and result give different classes.
    source_accuracy, accuracy : float, 0 … 1
        Of the source, run in its own arithmetic, and of the result by the golden model.
    """

    dataset: str
    examples: int
    different: int
    source_accuracy: float
    accuracy: float


def compare(
    converted: Converted, data: Dataset | EventDataset, *, progress: bool = False
) -> Comparison:
    """Runs source and result on each example of the test part of ``data``, with a progress bar
    if it is asked for.

    Raises
    ------
    UserError
        The network does not take these inputs or does not name these classes.
    """
    network = converted.network
    registry.check(network, data)
    inputs = data.test_part(network.steps)
    source, result = [], []
    with tqdm(total=len(inputs), unit="example", leave=False, disable=not progress) as bar:
        for start in range(0, len(inputs), _PART):
            part = inputs[start : start + _PART]
            source.append(converted.classify(part))
            result.append(golden.run_inputs(network, part).label)
            bar.update(len(part))
    theirs, ours = np.concatenate(source), np.concatenate(result)
    return Comparison(
        dataset=data.name,
        examples=len(ours),
        different=int((theirs != ours).sum()),
        source_accuracy=float((theirs == data.test_labels).mean()),
        accuracy=float((ours == data.test_labels).mean()),
    )
