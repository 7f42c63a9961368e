"""Place and route, and what to do where the router does not converge: abort and place again.

nextpnr has two routers. Either may rip up the same wires again and again, forever, where the other
one, or another placement, converges at once. Progress is counted in its log, not timed, so the
outcome is the same on any machine.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hw.flow.errors import NotRoutedError, ToolAborted, ToolFailedError
from hw.flow.tools import run_tool

__all__ = ["ROUTERS", "Progress", "place_and_route", "progress"]

ROUTERS = ("router1", "router2")  # the first is nextpnr's default for every family of ours

# Lines of a router's log without a new least number of unrouted arcs (router1: a line for each
# 1,000 arcs that it has tried) or overused wires (router2: a line for each pass). Designs that were
# routed had at most 3 of router1 in a row, and at most 34 of router2; of others there is no end.
_PATIENCE = {"router1": 50, "router2": 200}
_PLACEMENTS = 3
# A placer that finds no place for a carry chain tries on for hours: cells² / 8 times by default. A
# larger divisor ends it after seconds, and changes nothing where a place is found before.
_PLACER = ("--placer-heap-cell-placement-timeout", "100")
_SHOWN_EVERY = 15  # seconds


@dataclass(frozen=True)
class Progress:
    """How far a router is.

    Parameters
    ----------
    router : str
        Of :data:`ROUTERS`.
    left : int
        Arcs not routed yet, or wires that several nets use.
    stalled : int
        Lines of the log since ``left`` was less than ever before.
    """

    router: str
    left: int
    stalled: int

    @property
    def diverges(self) -> bool:
        """It does not converge."""
        return self.stalled >= _PATIENCE[self.router]

    def __str__(self) -> str:
        unit = "arcs to route" if self.router == "router1" else "wires overused"
        return f"{self.router}, {self.left:,} {unit}"


_LINE = re.compile(
    r"\biter=\d+ wires=\d+ overused=(?P<overused>\d+) overuse=\d+ archfail=(?P<fails>\w+)"
    r"|^Info:\s+\d+ \|\s+\d+\s+\d+ \|\s+\d+\s+\d+ \|\s+(?P<arcs>\d+)\|",
    re.MULTILINE,
)


def progress(log: str) -> Progress | None:
    """How far the router is by nextpnr's log; None before it begins."""
    router, least, stalled, left = "", 0, 0, 0
    for line in _LINE.finditer(log):
        now = ROUTERS[line["arcs"] is None]
        fails = line["fails"] or "NA"
        left = int(line["arcs"] or line["overused"]) + (int(fails) if fails != "NA" else 0)
        if now != router or left < least:
            router, least, stalled = now, left, 0
        else:
            stalled += 1
    return Progress(router, left, stalled) if router else None


def place_and_route(
    tool: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    log: Callable[[str], None],
    check: Callable[[str], None] = lambda text: None,
) -> tuple[int, str]:
    """Runs nextpnr, whose log is to be ``top.tim`` in ``folder``, by these ``arguments``. If the
    design is not routed it is tried with the other router, and if it is not placed or not routed by
    either, with the next ``--seed``, up to three seeds. ``check`` is given nextpnr's log now and
    then; what it raises ends it.

    Returns
    -------
    tuple of int and str
        The seed and the router that succeeded.

    Raises
    ------
    NotRoutedError
        None did.
    UserError
        The tool is missing or fails by itself.
    """
    seed, router = _option(arguments, "--seed", "0"), _option(arguments, "--router", ROUTERS[0])
    routers = (router, *(other for other in ROUTERS if other != router))
    seeds = range(int(seed), int(seed) + _PLACEMENTS)
    for at in seeds:
        for by in routers:
            (folder / "top.tim").unlink(missing_ok=True)
            line = _with(_with(arguments, "--seed", str(at)), *_PLACER)
            line = line if by == router else _with(line, "--router", by)
            watch = _Watch(f"{tool}, placement {at}", folder / "top.tim", log, check)
            try:
                run_tool(tool, line, cwd=folder, log=folder / f"{tool}.log", watch=watch)
                return at, by
            except ToolAborted as error:
                log(str(error))
            except ToolFailedError as error:
                unplaced = re.search(r"placement|to place", error.reason, re.IGNORECASE)
                if not unplaced and not re.search("rout", error.reason, re.IGNORECASE):
                    raise
                log(str(error))
                if unplaced:
                    break  # the other router would be given the same placement
    raise NotRoutedError(
        f"{tool} could not place and route any of {_PLACEMENTS} placements, from --seed {seed} on, "
        f"with either router (its log: {folder / 'top.tim'}); name another --seed, a smaller "
        "network or a larger --board"
    )


class _Watch:
    """Shows progress now and then. Raises ToolAborted where the router does not converge."""

    def __init__(
        self, title: str, path: Path, log: Callable[[str], None], check: Callable[[str], None]
    ) -> None:
        self._title = title
        self._path = path
        self._log = log
        self._check = check
        self._shown = time.monotonic()

    def __call__(self) -> None:
        text = (
            self._path.read_text(errors="replace", encoding="utf-8") if self._path.exists() else ""
        )
        self._check(text)
        now = progress(text)
        if now and now.diverges:
            raise ToolAborted(f"{self._title}: {now}: it does not converge, aborted")
        if time.monotonic() - self._shown >= _SHOWN_EVERY:
            self._shown = time.monotonic()
            self._log(f"{self._title}: {now or 'placing'} …")


def _option(arguments: Sequence[str], name: str, default: str) -> str:
    return arguments[list(arguments).index(name) + 1] if name in arguments else default


def _with(arguments: Sequence[str], name: str, value: str) -> list[str]:
    """The arguments with another value of one option."""
    if name not in arguments:
        return [*arguments, name, value]
    at = list(arguments).index(name) + 1
    return [*arguments[:at], value, *arguments[at + 1 :]]
