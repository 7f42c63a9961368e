"""The result of measuring a network of either coding on the test part of a data set."""

import numpy as np

from sw.answer import Answer, BistableAnswer
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.network import Network
from sw.reports.sections.evaluation import Evaluation
from sw.reports.sections.values import Values

__all__ = ["evaluation_of"]


def evaluation_of(
    network: Network,
    data: Dataset | EventDataset,
    answer: Answer | BistableAnswer,
    *,
    command: str,
    versions: dict[str, str],
) -> Evaluation | Values:
    """That of ``answer`` to the test part of ``data``."""
    inputs, labels = data.test_part(network.steps), data.test_labels
    if isinstance(answer, BistableAnswer):
        assert isinstance(inputs, np.ndarray)
        return Values.of(
            *(network, inputs, labels, answer),
            dataset=data.name,
            command=command,
            versions=versions,
        )
    return Evaluation.of(
        *(network, inputs, labels, answer), dataset=data.name, command=command, versions=versions
    )
