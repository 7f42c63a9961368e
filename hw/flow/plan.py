"""What the tools are given: files and command lines, as Amaranth makes them."""

import json
import os

from amaranth.build.run import BuildPlan

from hw.boards.families import ECP5
from hw.boards.table import SAFE_ROUTE, Board
from hw.boards.top import BoardTop
from hw.explore.resources import check_fit, resources_of
from hw.flow.tools import find_tool
from hw.rtl.config import DEFAULT, Config
from sw.network import Network

__all__ = ["commands", "plan"]

# Amaranth gives the register behind a memory's read port an initial value, which no one reads;
# Yosys would make it of a lookup table per bit.
_STORED = "setattr -unset init */w:stored_* "
# Amaranth names the elements of an array x x[0], x[1] and so on, which Yosys 0.70, where it hands
# over to ABC9, may mistake for the bits of x and stop. Only where it was seen: names change what
# placement comes to, and the designs known to route were placed with them.
_ELEMENTS = "rename -hide */w:*[[]*"
# ABC9 makes the trees that add eight values or more of lookup tables of five to seven inputs, each
# of two to eight cells of an ECP5: half as many cells again.
_NARROW = "-nowidelut"


def plan(
    network: Network,
    board: Board,
    *,
    config: Config = DEFAULT,
    clock: int | None = None,
    seed: int | None = None,
) -> BuildPlan:
    """What the tools are given: files and commands, the same for the same network and board.

    ``clock`` in Hz; without it, the one that the search for the fastest begins with. ``seed`` is
    where placement begins; without it, the board's.
    """
    check_fit(network, board, config)
    at = clock or board.clock
    for tool in board.family.tools:  # Amaranth looks for them by these variables
        os.environ[tool.upper().replace("-", "_")] = find_tool(tool)
    # Timing closure is checked by the clock search.
    options = f"--report nextpnr.json --timing-allow-fail --freq {at / 1e6:.9g}"
    options += f" --seed {board.seed if seed is None else seed}"
    _, spram = resources_of(network, config).memories_on(board)
    ecp5 = board.family == ECP5
    # Arrays of lanes: values go to all of them, and router1 is minutes over a thousand such arcs.
    arrays = ecp5 and config.coding == "bistable"
    route = board.route or (SAFE_ROUTE if spram or arrays else "")
    options += f" {route}" if route else ""
    script = "\n".join([_STORED, *([_ELEMENTS] if ecp5 else [])])
    return board.platform().prepare(
        BoardTop(network, board, clock=at, config=config),
        "top",
        emit_src=False,  # source positions would make the files depend on where the project lies
        nextpnr_opts=options,
        **({"script_after_read": script} if config.whole else {}),
        **({"synth_opts": _NARROW} if arrays else {}),
    )


def commands(the_plan: BuildPlan) -> list[list[str]]:
    """The tools' command lines, in order."""
    return json.loads(the_plan.files["build_top.json"])["commands"]
