"""The command that builds."""

import json
from pathlib import Path

import pytest
from samples import command, image_network
from stubs import ICE40_TOOLS

from hw import build as builder
from hw.boards.table import BOARDS
from hw.explore import measure
from hw.rtl.config import find_config
from sim import golden
from sw.cli import UserError
from sw.data import registry
from sw.network import find

PLACING = """
while [ "$1" != --write ]; do shift; done
cat > "$2" <<END
{"modules": {"top": {"cells": {"accelerator.core.decide.x": {"attributes":
{"NEXTPNR_BEL": "X1/Y1/lc0"}}}}}}
END
echo '{"fmax": {"clk": {"achieved": 25.0}}}' > nextpnr.json
printf 'Info: ICESTORM_LC: 123/ 5280 1%%\\n' > top.tim"""
MHZ = BOARDS["icebreaker"].clock / 1e6
LOADED = find_config("folded-16-spram,event")


def test_command(stubs, tiny, tmp_path):
    tiny.save(tmp_path / "tiny.safetensors")
    arguments = ("hw.build", tmp_path / "tiny.safetensors", "--board", "ice40", "--seed", 3)
    arguments += ("--build-dir", tmp_path / "b", "--json", tmp_path / "out.json", "--no-report")
    result = command(*arguments, **stubs.variables)
    assert (result.returncode, result.stderr) == (0, "")
    folder = tmp_path / "b" / "icebreaker" / "tiny"
    report = json.loads((folder / "report.json").read_text())
    assert json.loads((tmp_path / "out.json").read_text()) == report
    assert report["seed"] == 3
    for text in (
        "board:            icebreaker (iCE40UP5K-SG48)",
        f"network sha256:   {tiny.sha256}",
        "logic cells:      123 of 5,280",
        "block RAMs:       4 of 30",
        f"clock:            {MHZ:g} MHz (reaches {report['fmax_mhz']} MHz)",
        f"accuracy, strict: {report['accuracy']:.2%} of {report['images']} test images",
        f"bitstream:        {folder / 'tiny.bin'}",
    ):
        assert f"{text}\n" in result.stdout
    assert command(*arguments, "-q", **stubs.variables).stdout == ""


def test_the_report_page(stubs, tiny, tmp_path, capsys, monkeypatch):
    """It has what the build's report has; a second build measures nothing again."""
    tiny.save(tmp_path / "tiny.safetensors")
    stubs.write("nextpnr-ice40", PLACING)
    arguments = [str(tmp_path / "tiny.safetensors"), "--board", "ice40"]
    arguments += ["--build-dir", str(tmp_path / "b")]
    builder.main(arguments)
    folder = tmp_path / "b" / "report" / "tiny"
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"verify its RTL:   python -m sim.verify {arguments[0]}",
        f"report:           {folder}/report.html",
    ]
    report = json.loads((tmp_path / "b" / "icebreaker" / "tiny" / "report.json").read_text())
    build = json.loads((folder / "build-icebreaker-event.json").read_text())
    evaluation = json.loads((folder / "evaluation-digits.json").read_text())
    assert build["uses"][0]["used"] == report["logic_cells"] == 123
    for name in ("clock_mhz", "fmax_mhz", "accuracy", "images", "bitstream_sha256"):
        assert build[name] == report[name]
    pairs = list(zip(build["cycles"]["values"], build["cycles"]["counts"], strict=True))
    assert sum(count for _, count in pairs) == evaluation["images"] == report["images"]
    total = sum(value * count for value, count in pairs)
    assert total / report["images"] == pytest.approx(report["cycles_mean"])
    assert evaluation["accuracy"] == report["accuracy"]
    assert [part["part"] for part in build["placement"]["parts"]] == ["decision"]
    assert str(tmp_path) not in json.dumps([build, evaluation])
    page = (folder / "report.html").read_bytes()
    monkeypatch.setattr(golden, "run_inputs", None)
    builder.main([*arguments, "-q"])
    assert (folder / "report.html").read_bytes() == page


def test_the_report_page_without_data(stubs, rng, tmp_path, monkeypatch):
    def missing(*arguments):
        raise UserError("mnist: not here; name --data-dir")

    monkeypatch.setattr(registry, "load_for", missing)
    monkeypatch.setattr(measure, "load_for", missing)
    image_network(rng, name="lonely").save(tmp_path / "lonely")
    builder.main([str(tmp_path / "lonely"), "--board", "ice40", "--build-dir", str(tmp_path)])
    page = (tmp_path / "report" / "lonely" / "report.html").read_text(encoding="utf-8")
    assert "not measured: mnist: not here; name --data-dir" in page
    assert "python -m sw.report" in page


def test_the_next_best_design_is_built(stubs, tiny, tmp_path, capsys):
    """Where synthesis makes the best of a search too large, or it is not routed."""
    tiny.save(tmp_path / "tiny.safetensors")
    # Only one synthesis gives what fits: the first one does not.
    stubs.write(
        "yosys",
        'if [ -e "$home/once" ]; then echo "   100   SB_LUT4" > top.rpt; '
        'else touch "$home/once"; echo "  9999   SB_LUT4" > top.rpt; fi',
    )
    out = tmp_path / "out.json"
    arguments = [tmp_path / "tiny.safetensors", "--board", "ice40", "--engine", "auto"]
    arguments += ["--goal", "area", "--build-dir", tmp_path / "b", "--json", out, "--no-report"]
    builder.main(list(map(str, arguments)))
    lines = capsys.readouterr().out.splitlines()
    (refused,) = (line for line in lines if " cannot be built: " in line)
    (following,) = (line for line in lines if line.startswith("next best: tiny with "))
    assert "synthesis needs at least 9999 logic cells of 5280" in refused
    assert refused.split(" cannot ")[0] in lines
    engine = following.removeprefix("next best: tiny with ")
    assert refused.split()[2] != engine == json.loads(out.read_text())["engine"]
    assert lines[-1].endswith(f"sim.verify {arguments[0]} --engine {engine}")
    assert stubs.take_runs() == ["yosys", *ICE40_TOOLS]


@pytest.mark.smoke
def test_dry_run(stubs, tiny, tmp_path, capsys):
    tiny.save(tmp_path / "tiny.safetensors")
    arguments = [tmp_path / "tiny.safetensors", "--board", "icebreaker", "--dry-run", "--seed", 5]
    arguments += ["--clock", 30]
    builder.main([*map(str, arguments), "--build-dir", str(tmp_path / "b")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tiny (4-4-10) on 1BitSquared iCEBreaker, iCE40UP5K-SG48:"
    assert [line.split()[0] for line in lines[1:4]] == ICE40_TOOLS
    assert "--freq 30 --seed 5 " in lines[2]
    folder = tmp_path / "b" / "icebreaker" / "tiny"
    page = tmp_path / "b" / "report" / "tiny" / "report.html"
    assert lines[4:] == [f"  {p}" for p in (folder / "tiny.bin", folder / "report.json", page)]
    assert not (tmp_path / "b").exists()
    assert stubs.take_runs() == []


@pytest.mark.parametrize(
    ("board", "suffixes"),
    [("icebreaker", ["bin", "weights", "flash"]), ("upduino3", ["bin", "weights"])],
)
def test_dry_run_with_weights_to_load(stubs, lanes, tmp_path, capsys, board, suffixes):
    lanes.save(tmp_path / "tiny.safetensors")
    arguments = ["--board", board, "--engine", LOADED.name, "--dry-run", "--build-dir", "b"]
    arguments.append("--no-report")
    builder.main([str(tmp_path / "tiny.safetensors"), *arguments])
    lines = capsys.readouterr().out.splitlines()
    folder = Path("b") / board / f"tiny-{LOADED.name}"
    names = [*(f"tiny.{suffix}" for suffix in suffixes), "report.json"]
    assert lines[4:] == [f"  {folder / name}" for name in names]


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--board", "de10nano"], {}, "board 'de10nano' is not known; choose one of icebreaker, "),
        (["damaged", "--board", "ice40"], {}, "damaged: not a safetensors file, or a damaged one"),
        (
            ["missing", "--board", "ice40"],
            {},
            "missing: cannot be read (No such file or directory)",
        ),
        (["--board", "ice40"], {"ICEPACK": "/no/such"}, "$ICEPACK names '/no/such', which is not"),
        (
            ["--board", "ice40", "--clock", "24.1"],
            {},
            "clock 24.1 MHz: icebreaker cannot run at it with its crystal or PLL and a UART of 1,0",
        ),
        (["mnist-784-600-10-t8", "--board", "ice40"], {}, "network 'mnist-784-600-10-t8' does not"),
        (["many", "--board", "ulx3s"], {}, "network 'many': the link carries at most 256 classes"),
        (
            ["unsorted", "--board", "ice40"],
            {},
            "network 'unsorted': Select must be strictly increasing; sort",
        ),
    ],
)
def test_bad_input(rng, tmp_path, arguments, variables, message):
    """One line on stderr, exit code 2, nothing made."""
    if arguments[0] == "damaged":
        content = find("digits-64-192-10-t16").to_bytes()
        (tmp_path / "damaged").write_bytes(content[: len(content) // 2])
    elif arguments[0] != "missing" and not arguments[0].startswith(("-", "mnist")):
        {
            "many": lambda: image_network(rng, hidden=(), classes=257, name="many"),
            "unsorted": lambda: image_network(rng, select=(3, 2, 5), name="unsorted"),
        }[arguments[0]]().save(tmp_path / arguments[0])
    if not arguments[0].startswith(("-", "mnist")):
        arguments = [tmp_path / arguments[0], *arguments[1:]]
        message = message if message.startswith("network") else f"{tmp_path}/{message}"
    result = command("hw.build", *arguments, "--build-dir", tmp_path / "b", **variables)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {message}"), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "b").exists()
