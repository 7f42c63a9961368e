"""The designs that are known to route: ``routed.json``, which ``python -m hw.table`` writes.

A design is a network with an engine on a board. The boards' table in docs/results.md is made of
these figures, and the design-space exploration marks what is not among them.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hw.boards.utilisation import Utilisation
from hw.explore.measure import Measurement
from sw.cli import UserError, atomic_path, read_json
from sw.record import INLINE, Record

__all__ = ["PATH", "Routed", "is_routed", "read_routed", "write_routed"]

PATH = Path(__file__).with_name("routed.json")


@dataclass(frozen=True, kw_only=True)
class Routed(Record):
    """A design that was placed and routed, and met timing.

    Parameters
    ----------
    board, network, network_sha256, engine : str
    utilisation : Utilisation
    fmax_mhz, clock_mhz : float
    placement_seed, router : int and str, or None
        What succeeded; None where it was not written down.
    digest : str or None
        Of the plan and the tools.
    measurement : Measurement
    interval_cycles_mean : float or None
        Initiation interval: cycles per image where images are streamed; None if not simulated.
    tools : dict of str to str
        Versions.
    """

    board: str
    network: str
    network_sha256: str
    engine: str
    utilisation: Utilisation = field(metadata=INLINE)
    fmax_mhz: float
    clock_mhz: float
    placement_seed: int | None = None
    router: str | None = None
    digest: str | None = None
    measurement: Measurement = field(metadata=INLINE)
    interval_cycles_mean: float | None = None
    tools: dict[str, str]

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one of: board, network and engine."""
        return self.board, self.network, self.engine


def read_routed(path: Path = PATH) -> list[Routed]:
    """The table. Raises :class:`UserError` if it is missing or damaged."""
    try:
        return [Routed.from_dict(row) for row in read_json(path)["designs"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: {error}; take it from the repository") from None


def write_routed(designs: Iterable[Routed], path: Path = PATH) -> None:
    """Writes the table: a line for each figure, so that a change shows up in a diff."""
    content = {"designs": [design.to_dict() for design in designs]}
    with atomic_path(path) as temporary:
        temporary.write_text(
            json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def is_routed(board: str, network_sha256: str, engine: str, designs: Iterable[Routed]) -> bool:
    """Whether a design is in the table."""
    wanted = board, network_sha256, engine
    return any((each.board, each.network_sha256, each.engine) == wanted for each in designs)
