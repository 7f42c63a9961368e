"""One design for one clock, by the tools."""

import hashlib
import json

import pytest
from stubs import ICE40_TOOLS

from hw.boards.families import ECP5
from hw.boards.table import BOARDS
from hw.flow.errors import DesignError, ToolFailedError
from hw.flow.implement import Implementation, implement, used_cells
from hw.flow.plan import plan

BOARD = BOARDS["icebreaker"]
MHZ = BOARD.clock / 1e6


@pytest.fixture
def made(stubs, tiny, tmp_path):
    """Runs the tools for a digest."""
    the_plan = plan(tiny, BOARD)

    def run(digest="d"):
        return implement(
            the_plan,
            digest,
            board=BOARD,
            clock=BOARD.clock,
            folder=tmp_path / "work",
            log=lambda text: None,
        )

    run.folder = tmp_path / "work" / f"{MHZ:g}MHz"
    return run


def test_what_the_tools_gave(stubs, made):
    result = made()
    assert stubs.take_runs() == ICE40_TOOLS
    assert result.to_dict() == {
        "bitstream_sha256": hashlib.sha256(b"whole\n").hexdigest(),
        "logic_cells": 123,
        "ebr": 4,
        "spram": 0,
        "available": {"logic_cells": 5280, "ebr": 30, "spram": 4},
        "fmax_mhz": pytest.approx(1.02 * MHZ, abs=0.01),
        "clock_mhz": MHZ,
        "placement_seed": BOARD.seed,
        "router": "router2",
        "digest": "d",
    }
    assert result.meets_timing
    assert Implementation.from_dict(json.loads((made.folder / "done.json").read_text())) == result


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ("nothing", []),
        ("digest", ICE40_TOOLS),
        ("bitstream altered", ICE40_TOOLS),
        ("bitstream gone", ICE40_TOOLS),
        ("done damaged", ICE40_TOOLS),
        ("done of another kind", ICE40_TOOLS),
    ],
)
def test_nothing_is_run_twice(stubs, made, change, runs):
    """Unless what there is is damaged."""
    first = made()
    stubs.take_runs()
    if change == "bitstream altered":
        (made.folder / "top.bin").write_text("else")
    elif change == "bitstream gone":
        (made.folder / "top.bin").unlink()
    elif change == "done damaged":
        (made.folder / "done.json").write_text("{")
    elif change == "done of another kind":
        (made.folder / "done.json").write_text(json.dumps(first.to_dict() | {"ebr": None}))
    assert made("e" if change == "digest" else "d").utilisation == first.utilisation
    assert stubs.take_runs() == runs


@pytest.mark.parametrize("tool", ICE40_TOOLS)
@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("echo starting; echo 'ERROR: it is broken'; exit 1", "ERROR: it is broken"),
        ("printf half > top.bin; kill -9 $$", "no output"),
    ],
)
def test_a_tool_that_fails(stubs, made, tool, action, message):
    stubs.write(tool, action)
    log = made.folder / f"{tool}.log"
    with pytest.raises(ToolFailedError) as error:
        made()
    assert str(error.value) == f"{tool} failed: {message} (its log: {log})"
    assert log.exists()
    assert stubs.take_runs() == ICE40_TOOLS[: ICE40_TOOLS.index(tool) + 1]
    stubs.write(tool)
    made()
    assert (made.folder / "top.bin").read_text() == "whole\n"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            "5281 SB_LUT4",
            r"^the design does not fit icebreaker: .* at least 5281 logic cells of 5280;",
        ),
        (
            "31 SB_RAM40_4K",
            r"needs at least 31 block RAMs of 30; train with fewer hidden units or ",
        ),
    ],
)
def test_what_synthesis_finds_too_large(stubs, made, cells, message):
    stubs.write("yosys", f"echo '  {cells}' > top.rpt")
    with pytest.raises(DesignError, match=message):
        made()
    assert stubs.take_runs() == ["yosys"]


def test_what_writes_distributed_ram_takes_two_logic_cells():
    """As nextpnr-ecp5 0.11 writes it."""
    log = (
        "Info: \t              DP16KD:      37/     56    66%\n"
        "Info: \t        TRELLIS_COMB:   11890/  24288    48%\n"
        "Info: \t        TRELLIS_RAMW:     648/   3036    21%\n"
    )
    assert used_cells(log, ECP5) == (11890 + 2 * 648, 37, 0)


@pytest.mark.parametrize("action", ["exit 1", "exec sleep 600"])
def test_what_packing_finds_too_large(stubs, made, action):
    """Nothing is placed: nextpnr would go on, or end with an error of its own."""
    lines = "echo 'Info: \t         ICESTORM_LC:    5281/   5280   100%' > top.tim"
    stubs.write("nextpnr-ice40", f"{lines}; echo 'ERROR: Failed to expand region'; {action}")
    message = r"^the design does not fit icebreaker: packing needs at least 5281 logic cells of "
    with pytest.raises(DesignError, match=message):
        made()
    assert stubs.take_runs() == ICE40_TOOLS[:2]
