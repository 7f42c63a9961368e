"""Answers to the test part of a data set: what sections of both codings have in common."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sw.answer import Answer, BistableAnswer, Decisions, Figures
from sw.cli import printable
from sw.network import Network
from sw.record import INLINE
from sw.reports.behaviour import confusion
from sw.reports.blocks import Highlight
from sw.reports.result import Result, portable

__all__ = ["Answers", "shown"]


@dataclass(frozen=True, kw_only=True)
class Answers(Result):
    """A network's answers to test examples, all of them or the first ones.

    Parameters
    ----------
    dataset : str
    figures : Figures
    confusion : tuple of C tuples of C int
        How often each class (outer) got each answer (inner).
    """

    dataset: str
    figures: Figures = field(metadata=INLINE)
    confusion: tuple[tuple[int, ...], ...]

    @property
    def variant(self) -> str:
        return self.dataset

    @property
    def extent(self) -> int:
        return self.figures.images

    @staticmethod
    def common(
        network: Network, labels: np.ndarray, answer: Answer | BistableAnswer, dataset: str
    ) -> dict[str, Any]:
        """The fields that tell of ``answer`` to examples of the true ``labels`` int [B]."""
        matrix = confusion(answer.label, labels, len(network.labels))
        return {
            "network_sha256": network.sha256,
            "dataset": portable(dataset),
            "figures": answer.figures(labels),
            "confusion": tuple(tuple(map(int, row)) for row in matrix),
        }

    def accuracy(self, network: Network) -> Highlight:
        """For the top of the page; it names the data set, where ``network`` learnt another."""
        usual = self.dataset == portable(str(network.provenance["dataset"]))
        return Highlight(
            name="accuracy" if usual else f"accuracy, {printable(self.dataset, 40)}",
            value=f"{self.figures.accuracy:.2%}",
            note=f"strict, {self.figures.images:,} test examples",
        )


def shown(answer: Decisions, labels: np.ndarray) -> list[int]:
    """The first example that is answered right and the first one that is not, where there are."""
    right = answer.correct(labels)
    return [int(each.argmax()) for each in (right, ~right) if each.any()]
