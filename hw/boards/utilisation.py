"""How much of a board's part a design uses: part of what builds and estimates report."""

from dataclasses import dataclass

from hw.boards.table import Board
from sw.record import Record

__all__ = ["Available", "Utilisation"]


@dataclass(frozen=True, kw_only=True)
class Available(Record):
    """What a part has: logic cells, block RAMs (``ebr``), single-port RAMs."""

    logic_cells: int
    ebr: int
    spram: int

    @classmethod
    def on(cls, board: Board) -> "Available":
        """What the board's part has."""
        return cls(logic_cells=board.logic_cells, ebr=board.memories, spram=board.spram)


@dataclass(frozen=True, kw_only=True)
class Utilisation(Record):
    """What a design takes, and of how many."""

    logic_cells: int
    ebr: int
    spram: int
    available: Available

    def lines(self, about: str = "") -> list[tuple[str, str]]:
        """As human-readable text; ``about`` stands before an estimate."""
        available = self.available
        return [
            ("logic cells", f"{about}{self.logic_cells:,} of {available.logic_cells:,}"),
            ("block RAMs", f"{self.ebr} of {available.ebr}"),
            ("SPRAM", f"{self.spram} of {available.spram}"),
        ]
