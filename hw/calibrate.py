"""``python -m hw.calibrate``: synthesises and packs a range of designs, to fit the estimate to it.

Writes tests/hw/explore/built.json: for each design its board, logic cells and block RAMs as the
tools count them, and a digest of what they were given; then prints the table of
hw/explore/coefficients.py. To be run when a block changes. The file is written after each design,
and a design whose digest is the same is not built again.
"""

import hashlib
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from amaranth.build.run import BuildPlan

from hw.boards.families import Family
from hw.boards.table import Board, find_board
from hw.explore.designs import DESIGNS, design_network, fitted
from hw.explore.resources import resources_of, shortage
from hw.flow.implement import used_cells
from hw.flow.plan import commands, plan
from hw.flow.tools import run_tool, scratch_folder, tool_version
from hw.rtl.config import find_config
from sw.cli import UserError, atomic_path, read_json, run
from sw.flags import output_file, parser

__all__ = ["main"]

_BOARDS = ("icebreaker", "ulx3s", "tangnano9k")  # one of each family


def _built(the_plan: BuildPlan, board: Board) -> tuple[int, int]:
    """Logic cells and block RAMs after synthesis and packing; placing would not change them."""
    with scratch_folder(f"calibrate-{board.name}") as folder:
        the_plan.extract(folder)
        run_tool("yosys", ["-q", "-l", "top.rpt", "top.ys"], cwd=folder, log=folder / "yosys.log")
        _, (tool, *arguments), _ = commands(the_plan)
        run_tool(tool, _pack_only(arguments, board.family), cwd=folder, log=folder / "log")
        text = (folder / "log").read_text(encoding="utf-8")
    return used_cells(text, board.family)[:2]


def _pack_only(arguments: Sequence[str], family: Family) -> list[str]:
    """The command line of place and route, cut to stop after packing: it writes no design."""
    result, rest = ["--pack-only"], iter(arguments)
    for argument in rest:
        if argument in family.outputs:
            next(rest)
        elif argument != "--quiet":  # for the table of utilisation
            result.append(argument)
    return result


def _kept(path: Path) -> dict[tuple[str, int], list[Any]]:
    """The rows of an earlier run, by board and design; none if there is no such file."""
    try:
        rows = read_json(path)["built"]
    except (OSError, ValueError, KeyError):
        return {}
    return {(board, index): [board, index, *rest] for board, index, *rest in rows}


def _write(path: Path, tools: dict[str, str], rows: dict[tuple[str, int], list[Any]]) -> None:
    """The rows of boards and designs that there still are, in their order."""
    keys = [(board, index) for board in _BOARDS for index in range(len(DESIGNS))]
    body = ",\n".join(f"    {json.dumps(rows[key])}" for key in keys if key in rows)
    with atomic_path(path) as temporary:
        temporary.write_text(
            f'{{\n  "tools": {json.dumps(tools)},\n  "built": [\n{body}\n  ]\n}}\n',
            encoding="utf-8",
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser(
        "Synthesise a range of designs and fit the resource estimate to them.", json=False
    )
    options.add_argument(
        "--out", type=output_file, default=Path("tests/hw/explore/built.json"), metavar="FILE"
    )
    args = options.parse_args(arguments)
    if not args.out.parent.is_dir():  # as from outside of a clone
        raise UserError(f"{args.out.parent}: no such folder; name a file in one with --out")
    families = [find_board(board).family for board in _BOARDS]
    names = dict.fromkeys(tool for family in families for tool in (family.synthesis, family.route))
    tools = {tool: tool_version(tool) for tool in names}
    rows = _kept(args.out)
    for board, (index, design) in product(map(find_board, _BOARDS), enumerate(DESIGNS)):
        network, config = design_network(design), find_config(design.engine)
        needed = resources_of(network, config)
        if shortage(needed, board):
            rows.pop((board.name, index), None)
            continue  # a small board builds those that fit
        the_plan = plan(network, board, config=config)
        digest = hashlib.sha256(the_plan.digest() + json.dumps(tools).encode()).hexdigest()[:16]
        if rows.get((board.name, index), [None])[-1] != digest:
            rows[board.name, index] = [board.name, index, *_built(the_plan, board), digest]
            _write(args.out, tools, rows)
        cells, memories = rows[board.name, index][2:4]
        estimated = needed.logic_cells(board.family)
        if not args.quiet:
            print(
                f"{board.name:12} {network.name:28} {config.name:24} {cells:6} {estimated:6} "
                f"{estimated / cells - 1:+7.1%} {memories:4} {needed.memories_on(board)[0]:4}",
                flush=True,
            )
    if not args.quiet:
        for family in families:
            print(f'    "{family.name}": {{')
            for term, cells in fitted(rows.values(), family).items():
                print(f'        "{term}": {cells},')
            print("    },")


if __name__ == "__main__":
    run(main)
