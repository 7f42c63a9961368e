"""From a network to a bitstream and its report: plan, search for the clock, tools."""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from amaranth.build.run import BuildPlan

from hw.boards.clock import check_clock, fastest_clock, needs_pll
from hw.boards.families import Family
from hw.boards.table import SAFE_ROUTE, Board
from hw.boards.top import BoardTop
from hw.explore.measure import measure
from hw.explore.resources import check_fit, resources_of
from hw.flow.route import UnroutedError, place_and_route
from hw.flow.tools import find_tool, run_tool, tool_version
from hw.link import weight_image
from hw.rtl.config import DEFAULT, Config
from hw.rtl.core import loaded_words
from sw.cli import UserError, atomic_path, write_json
from sw.network import Network

__all__ = ["bitstream_path", "build", "commands", "plan", "used_cells", "weight_paths"]

# A clock is chosen this much below what place and route reached, since the next run, for another
# PLL and another UART, comes out a little different.
_MARGIN = 0.05
_GAIN = 1.05  # in clock, that is worth another run of place and route
_RUNS = 3  # at most


def plan(
    network: Network,
    board: Board,
    *,
    config: Config = DEFAULT,
    clock: int | None = None,
    seed: int = 0,
) -> BuildPlan:
    """What the tools are given: files and commands, the same for the same network and board.

    ``clock`` in Hz; without it, the one that the search for the fastest begins with.
    """
    check_fit(network, board, config)
    at = clock or board.clock
    for tool in board.family.tools:  # Amaranth looks for them by these variables
        os.environ[tool.upper().replace("-", "_")] = find_tool(tool)
    # Whether the clock is reached is for the search to judge.
    options = f"--report nextpnr.json --timing-allow-fail --freq {at / 1e6:.9g} --seed {seed}"
    route = board.route or (SAFE_ROUTE if resources_of(network, config).spram() else "")
    options += f" {route}" if route else ""
    return board.platform().prepare(
        BoardTop(network, board, clock=at, config=config),
        "top",
        emit_src=False,  # source positions would make the files depend on where the project lies
        nextpnr_opts=options,
    )


def bitstream_path(network: Network, board: Board, config: Config, build_dir: Path) -> Path:
    """Where :func:`build` puts the bitstream; the report lies beside it."""
    name = network.file_name
    folder = name if config == DEFAULT else f"{name}-{config.name}"
    return build_dir / board.name / folder / f"{name}.{board.family.suffix}"


def build(
    network: Network,
    board: Board,
    *,
    build_dir: Path,
    config: Config = DEFAULT,
    data_dir: Path | None = None,
    clock: int | None = None,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> dict[str, object]:
    """Makes ``<build_dir>/<board>/<network>/`` with the bitstream and ``report.json``.

    Without ``clock`` (Hz) the design runs at the fastest that was found: it is placed and routed
    for the board's usual clock, and at most twice more for the fastest that the board has 5 %
    below what was reached, while that fails or gains 5 %. A clock for which no way is found for all
    wires (:mod:`hw.flow.route`) ends the search.

    Nothing is run if all is there and comes from the same plans and the same tools.

    Returns
    -------
    dict
        The report.

    Raises
    ------
    UserError
        The network does not fit, the clock is not reached, no way is found for all wires, or a
        tool is missing or fails.
    """
    if clock is not None:
        check_clock(board, clock)
    tools = {tool: tool_version(tool) for tool in board.family.tools}
    tools["amaranth"] = version("amaranth")
    bitstream = bitstream_path(network, board, config, build_dir)
    report_path = bitstream.with_name("report.json")

    @cache
    def planned(at: int) -> tuple[BuildPlan, str]:
        the_plan = plan(network, board, config=config, clock=at, seed=seed)
        content = the_plan.digest() + json.dumps(tools).encode()
        return the_plan, hashlib.sha256(content).hexdigest()

    start = clock or board.clock
    search = {"asked": clock, "begins": planned(start)[1], "margin": _MARGIN, "runs": _RUNS}
    report = _finished(report_path, bitstream, search, lambda at: planned(at)[1])
    if report is None:
        work = bitstream.parent / "work"
        figures = _reach(
            board,
            start,
            lambda at: _run(*planned(at), board=board, clock=at, folder=work, say=say),
            runs=_RUNS if clock is None else 1,
            say=say,
        )
        with atomic_path(bitstream) as temporary:
            shutil.copyfile(_packed(board, work, figures["clock_mhz"]), temporary)
        report = {
            "board": board.name,
            "part": board.part,
            "network": network.name,
            "network_sha256": network.sha256,
            "layers": network.structure,
            "steps": network.steps,
            "weight_bits": network.weight_bits,
            "engine": config.name,
            "bitstream": str(bitstream),
            **figures,
            "includes": _included(network, board, config, figures["clock_mhz"]),
            "tools": tools,
            "seed": seed,
            "search": search,
        }
    else:
        say(f"{bitstream} is up to date")
    report |= write_weights(network, board, config, bitstream)
    if report.get("accuracy") is None:
        report |= measure(network, data_dir, config)
        for key in ("mean", "max"):
            cycles = report[f"cycles_{key}"]
            report[f"microseconds_{key}"] = cycles and cycles / report["clock_mhz"]
            report[f"microseconds_at_fmax_{key}"] = cycles and cycles / report["fmax_mhz"]
    write_json(report_path, report)
    return report


def _included(network: Network, board: Board, config: Config, clock_mhz: float) -> str:
    """What the logic cells are of."""
    pll = "PLL, " if needs_pll(board, round(clock_mhz * 1e6)) else ""
    return f"{pll}UART link, {config.input(network).blocks}, all layers, decision"


def weight_paths(
    network: Network, board: Board, config: Config, bitstream: Path
) -> dict[str, Path]:
    """The files of :func:`write_weights`, by their names."""
    names = ["weights"] if config.loaded_layer(network) is not None else []
    names += ["flash"] if names and board.weights_at is not None else []
    return {name: bitstream.with_suffix(f".{name}") for name in names}


def write_weights(
    network: Network, board: Board, config: Config, bitstream: Path
) -> dict[str, object]:
    """Where weights are loaded: writes their image beside the bitstream, and what the flash is to
    hold if the board can read it.

    Returns
    -------
    dict
        Paths ``weights`` and ``flash``, and the ``commands`` that bring them to the board, of which
        one is enough; else empty.
    """
    words = loaded_words(network, config)
    if words is None:
        return {}
    content = weight_image.pack(network, words)
    paths = weight_paths(network, board, config, bitstream)
    to_board = {"host": f"python -m hw.host NETWORK --port PORT --load {paths['weights']}"}
    contents = {"weights": content}
    if "flash" in paths:
        at = board.weights_at
        contents["flash"] = weight_image.with_bitstream(bitstream.read_bytes(), content, at)
        to_board["flash"] = f"iceprog {paths['flash']}"
        to_board["weights"] = f"iceprog -o {at} {paths['weights']}"
    for name, path in paths.items():
        with atomic_path(path) as temporary:
            temporary.write_bytes(contents[name])
    return {**{name: str(path) for name, path in paths.items()}, "commands": to_board}


def _finished(
    report_path: Path, bitstream: Path, search: dict[str, object], digest: Callable[[int], str]
) -> dict[str, object] | None:
    """The report of a build that need not be made again."""
    try:
        report = json.loads(report_path.read_text(encoding="utf-8"))
        content = hashlib.sha256(bitstream.read_bytes()).hexdigest()
        same = report["search"] == search and report["bitstream_sha256"] == content
        same = same and report["digest"] == digest(round(report["clock_mhz"] * 1e6))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return report if same else None


def _reach(
    board: Board,
    start: int,
    attempt: Callable[[int], dict[str, object]],
    *,
    runs: int,
    say: Callable[[str], None],
) -> dict[str, object]:
    """The attempt with the fastest clock that was reached, of at most ``runs``."""
    tried: dict[int, dict[str, object]] = {}
    met: list[int] = []
    clock = start
    while clock not in tried and len(tried) < runs:
        try:
            tried[clock] = attempt(clock)
        except UnroutedError as error:
            if not met:
                raise UserError(f"clock {clock / 1e6:.9g} MHz: {error}") from None
            say(f"{clock / 1e6:g} MHz is not routed: it stays at {max(met) / 1e6:g} MHz")
            break
        met = [c for c, figures in tried.items() if figures["fmax_mhz"] * 1e6 >= c]
        clock = fastest_clock(board, (1 - _MARGIN) * 1e6 * tried[clock]["fmax_mhz"])
        if met and clock < _GAIN * max(met):
            break
    if not met:
        fmax = max(figures["fmax_mhz"] for figures in tried.values())
        raise UserError(
            f"clock {min(tried) / 1e6:.9g} MHz: {board.name} does not reach it, place and route "
            f"gives {fmax:g} MHz; name --clock {clock / 1e6:.9g} or a smaller network"
        )
    return tried[max(met)]


def _run(
    the_plan: BuildPlan,
    digest: str,
    *,
    board: Board,
    clock: int,
    folder: Path,
    say: Callable[[str], None],
) -> dict[str, object]:
    """Runs the tools for one clock in a folder of its own, and only once; what they gave."""
    packed = _packed(board, folder, clock / 1e6)
    work = packed.parent
    done = work / "done.json"
    try:
        figures = json.loads(done.read_text(encoding="utf-8"))
        content = hashlib.sha256(packed.read_bytes()).hexdigest()
        if figures["digest"] == digest and figures["bitstream_sha256"] == content:
            return figures
    except (OSError, ValueError, KeyError, TypeError):
        pass
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    the_plan.extract(work)
    for command in commands(the_plan):
        tool, *arguments = command
        start = time.monotonic()
        say(f"{tool} for {clock / 1e6:g} MHz …")
        if tool.startswith("nextpnr"):
            seed = place_and_route(tool, arguments, folder=work, say=say)
        else:
            run_tool(tool, arguments, cwd=work, log=work / f"{tool}.log")
        say(f"{tool}: {time.monotonic() - start:.0f} s")
        if tool == "yosys":
            _check_synthesis(work / "top.rpt", board)
    result = json.loads((work / "nextpnr.json").read_text(encoding="utf-8"))
    used = used_cells((work / "top.tim").read_text(encoding="utf-8"), board.family)
    figures = {
        "bitstream_sha256": hashlib.sha256(packed.read_bytes()).hexdigest(),
        "logic_cells": used[0],
        "ebr": used[1],
        "spram": used[2],
        "available": {
            "logic_cells": board.logic_cells,
            "ebr": board.memories,
            "spram": board.spram,
        },
        "fmax_mhz": round(min(domain["achieved"] for domain in result["fmax"].values()), 2),
        "clock_mhz": clock / 1e6,
        "placement_seed": seed,
        "digest": digest,
    }
    write_json(done, figures)
    return figures


def _packed(board: Board, folder: Path, clock_mhz: float) -> Path:
    """The bitstream as the tools make it."""
    return folder / f"{clock_mhz:.9g}MHz" / f"top.{board.family.suffix}"


def used_cells(log: str, family: Family) -> tuple[int, int, int]:
    """Logic cells, block RAMs and single-port RAMs in the log of place and route, after packing."""
    used = {name: int(n) for name, n in re.findall(r"^Info:\s+(\w+):\s+(\d+)/", log, re.MULTILINE)}
    kinds = (family.logic, family.memories, family.single_port)
    return tuple(sum(used.get(name, 0) for name in names) for names in kinds)


def commands(the_plan: BuildPlan) -> list[list[str]]:
    """The tools' command lines, in order."""
    return json.loads(the_plan.files["build_top.json"])["commands"]


def _check_synthesis(log: Path, board: Board) -> None:
    """Refuses before place and route what is larger than the part."""
    counts = re.findall(r"^\s+(\d+)\s+(\w+)\s*$", log.read_text(encoding="utf-8"), re.MULTILINE)
    cells = {name: int(count) for count, name in counts}  # the last, of the whole design, counts
    used = [
        sum(cells.get(name, 0) for name in names)
        for names in (board.family.mapped_logic, board.family.mapped_memories)
    ]
    needs = (
        ("logic cells", used[0], board.logic_cells),
        ("block RAMs", used[1], board.memories),
    )
    for what, least, there in needs:
        if least > there:
            raise UserError(
                f"the design does not fit {board.name}: synthesis needs at least {least} {what} of "
                f"{there}; train with fewer hidden units or --inputs, or take a larger --board"
            )
