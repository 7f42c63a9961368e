"""The result of measuring a network of either coding on examples."""

import numpy as np

from sw.answer import Answer, BistableAnswer
from sw.encoder import Inputs
from sw.network import Network
from sw.reports.sections.evaluation import Evaluation
from sw.reports.sections.values import Values

__all__ = ["evaluation_of"]


def evaluation_of(
    network: Network,
    inputs: Inputs,
    labels: np.ndarray,
    answer: Answer | BistableAnswer,
    *,
    dataset: str,
    command: str,
    versions: dict[str, str],
) -> Evaluation | Values:
    """That of ``answer`` to ``inputs`` of the true ``labels`` int [B]."""
    if isinstance(answer, BistableAnswer):
        assert isinstance(inputs, np.ndarray)
        return Values.of(
            *(network, inputs, labels, answer), dataset=dataset, command=command, versions=versions
        )
    return Evaluation.of(
        *(network, inputs, labels, answer), dataset=dataset, command=command, versions=versions
    )
