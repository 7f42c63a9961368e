"""Place and route: one that finds no way for a few last wires goes on for ever, and is given up."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from hw.flow.tools import HopelessError, run_tool
from sw.cli import UserError

__all__ = ["UnroutedError", "place_and_route"]

# Rounds of nextpnr's second router. Designs that it routed took 14 to 42 of them, while one that
# does not end stays at two wires for thousands. Counted, not timed: the same on any machine.
_ROUNDS = 500
_PLACEMENTS = 3
_MINUTES = 60  # for the first router, which counts no rounds; OrangeCrab takes 4


class UnroutedError(UserError):
    """No way was found for all wires."""


def place_and_route(
    tool: str, arguments: Sequence[str], *, folder: Path, say: Callable[[str], None]
) -> int:
    """Runs nextpnr, whose log is to be ``top.tim`` in ``folder``, by these ``arguments``; if the
    second router finds no way, again with the next ``--seed``, three times in all.

    Returns
    -------
    int
        The seed of the placement that was routed.

    Raises
    ------
    UnroutedError
        None was, or an hour was not enough.
    UserError
        The tool is missing or fails.
    """
    at = list(arguments).index("--seed") + 1
    log = folder / f"{tool}.log"
    first = int(arguments[at])
    for seed in range(first, first + _PLACEMENTS):
        placed = [*arguments[:at], str(seed), *arguments[at + 1 :]]
        try:
            run_tool(
                tool,
                placed,
                cwd=folder,
                log=log,
                minutes=_MINUTES,
                hopeless=lambda: _rounds(folder / "top.tim") > _ROUNDS,
            )
            return seed
        except HopelessError as error:
            if _rounds(folder / "top.tim") <= _ROUNDS:
                raise UnroutedError(str(error)) from None
            say(f"{tool}: no way for all wires of placement {seed} in {_ROUNDS} rounds")
            (folder / "top.tim").unlink()
    raise UnroutedError(
        f"{tool} found no way for all wires in {_PLACEMENTS} placements, from --seed {first} on; "
        "name another --seed, a smaller network or a larger --board"
    )


def _rounds(log: Path) -> int:
    """How often the router has tried, by its log; 0 before it began."""
    text = log.read_text(errors="replace", encoding="utf-8") if log.exists() else ""
    return max(map(int, re.findall(r"\biter=(\d+)", text)), default=0)
