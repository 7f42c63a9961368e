"""One design for one clock: synthesis, place and route, and its bitstream, as the tools make them.

Nothing is run a second time for the same plan and the same tools.
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from amaranth.build.run import BuildPlan

from hw.boards.families import Family
from hw.boards.table import Board
from hw.boards.utilisation import Available, Utilisation
from hw.flow.errors import DesignError
from hw.flow.placement import read_placement
from hw.flow.plan import commands
from hw.flow.route import place_and_route
from hw.flow.tools import run_tool, tool_version
from sw.cli import read_json, write_json
from sw.record import INLINE, Record

__all__ = [
    "PLACEMENT",
    "Implementation",
    "implement",
    "packed_path",
    "plan_digest",
    "sha256_of",
    "tool_versions",
    "used_cells",
]

PLACEMENT = "placement.json"  # where each part of the design was placed, if that is known
_PLACED = "placed.json"  # the design that nextpnr placed


@dataclass(frozen=True, kw_only=True)
class Implementation(Record):
    """What place and route made of a plan.

    Parameters
    ----------
    bitstream_sha256 : str
        Of the bitstream, in hexadecimal.
    utilisation : Utilisation
    fmax_mhz, clock_mhz : float
        The slowest domain's by timing analysis; the one that was asked for.
    placement_seed : int
        Of the placement that was routed.
    router : str
        nextpnr's router that succeeded.
    digest : str
        Of the plan and the tools' versions.

    Raises
    ------
    ValueError
        A frequency is not above 0.
    """

    bitstream_sha256: str
    utilisation: Utilisation = field(metadata=INLINE)
    fmax_mhz: float
    clock_mhz: float
    placement_seed: int
    router: str
    digest: str

    def __post_init__(self) -> None:
        if min(self.fmax_mhz, self.clock_mhz) <= 0:
            raise ValueError("fmax and clock must be above 0")

    @property
    def clock(self) -> int:
        """In Hz."""
        return round(self.clock_mhz * 1e6)

    @property
    def meets_timing(self) -> bool:
        """Whether it reaches the clock that was asked for."""
        return self.fmax_mhz * 1e6 >= self.clock


def implement(
    the_plan: BuildPlan,
    digest: str,
    *,
    board: Board,
    clock: int,
    folder: Path,
    log: Callable[[str], None],
) -> Implementation:
    """Runs the tools for ``clock`` Hz in a folder of its own in ``folder``, unless that was done.

    Raises
    ------
    DesignError
        It is too large for the part, or not routed.
    UserError
        A tool is missing or fails.
    """
    packed = packed_path(board, folder, clock / 1e6)
    work = packed.parent
    done = _done(work / "done.json")
    if done and done.digest == digest and done.bitstream_sha256 == sha256_of(packed):
        return done
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    the_plan.extract(work)
    family = board.family
    for tool, *arguments in commands(the_plan):
        start = time.monotonic()
        log(f"{tool} for {clock / 1e6:g} MHz …")
        if tool == family.route:
            if "--write" not in arguments:  # no part of the plan: what is made stays the same
                arguments += ["--write", _PLACED]
            placed = arguments[arguments.index("--write") + 1]
            seed, router = place_and_route(
                tool,
                arguments,
                folder=work,
                log=log,
                check=lambda text: _check_packing(text, board),
            )
            _keep_placement(work, placed)
        else:
            run_tool(tool, arguments, cwd=work, log=work / f"{tool}.log")
        log(f"{tool}: {time.monotonic() - start:.0f} s")
        if tool == family.synthesis:
            _check_synthesis((work / "top.rpt").read_text(encoding="utf-8"), board)
    timing = json.loads((work / "nextpnr.json").read_text(encoding="utf-8"))
    cells, memories, spram = used_cells((work / "top.tim").read_text(encoding="utf-8"), family)
    result = Implementation(
        bitstream_sha256=sha256_of(packed),
        utilisation=Utilisation(
            logic_cells=cells, ebr=memories, spram=spram, available=Available.on(board)
        ),
        fmax_mhz=round(min(domain["achieved"] for domain in timing["fmax"].values()), 2),
        clock_mhz=clock / 1e6,
        placement_seed=seed,
        router=router,
        digest=digest,
    )
    write_json(work / "done.json", result)
    return result


def _keep_placement(work: Path, placed: str) -> None:
    """Keeps what is known of the placement; of the whole design only what the packer takes."""
    placement = read_placement(work / placed)
    if placement is not None:
        write_json(work / PLACEMENT, placement)
    (work / _PLACED).unlink(missing_ok=True)


def tool_versions(board: Board) -> dict[str, str]:
    """The versions of what makes a bitstream for ``board``."""
    tools = {tool: tool_version(tool) for tool in board.family.tools}
    return tools | {"amaranth": version("amaranth")}


def plan_digest(the_plan: BuildPlan, tools: dict[str, str]) -> str:
    """Of all that decides what the tools make: the plan, and their versions."""
    return hashlib.sha256(the_plan.digest() + json.dumps(tools).encode()).hexdigest()


def packed_path(board: Board, folder: Path, clock_mhz: float) -> Path:
    """The bitstream as the tools make it."""
    return folder / f"{clock_mhz:.9g}MHz" / f"top.{board.family.suffix}"


def sha256_of(path: Path) -> str:
    """Of a file, in hexadecimal; empty if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def used_cells(log: str, family: Family) -> tuple[int, int, int]:
    """Logic cells, block RAMs and single-port RAMs in nextpnr's log, after packing."""
    used = {name: int(n) for name, n in re.findall(r"^Info:\s+(\w+):\s+(\d+)/", log, re.MULTILINE)}
    cells, memories, spram = (
        sum(used.get(name, 0) for name in names)
        for names in (family.logic, family.memories, family.single_port)
    )
    return cells, memories, spram


def _done(path: Path) -> Implementation | None:
    """What was made before; None if there is nothing, or the file is damaged."""
    try:
        return Implementation.from_dict(read_json(path))
    except (OSError, ValueError):
        return None


def _check_synthesis(report: str, board: Board) -> None:
    """Refuses before place and route what is larger than the part, by yosys' report."""
    counts = re.findall(r"^\s+(\d+)\s+(\w+)\s*$", report, re.MULTILINE)
    cells = {name: int(count) for count, name in counts}  # the last table is the whole design's
    family = board.family
    logic, memories = (
        sum(cells.get(name, 0) for name in names)
        for names in (family.mapped_logic, family.mapped_memories)
    )
    _check_size("synthesis", logic, memories, board)


def _check_packing(log: str, board: Board) -> None:
    """Refuses before placement what is larger than the part, by nextpnr's log so far."""
    logic, memories, _ = used_cells(log, board.family)
    _check_size("packing", logic, memories, board)


def _check_size(stage: str, logic: int, memories: int, board: Board) -> None:
    for resource, least, available in (
        ("logic cells", logic, board.logic_cells),
        ("block RAMs", memories, board.memories),
    ):
        if least > available:
            raise DesignError(
                f"the design does not fit {board.name}: {stage} needs at least {least} {resource} "
                f"of {available}; train with fewer hidden units or --inputs, or take a larger "
                "--board"
            )
