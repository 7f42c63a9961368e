"""What each flow gets, against its documented schema, and by the flow itself where it is there."""

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from exported import export, make, needs
from linters import lint
from samples import deep, image_network

from hw.flow.asic.tiles import TILES
from hw.flow.bundle.flows.registry import FLOWS, find_flow
from sw.cli import UserError

yaml = pytest.importorskip("yaml", reason="pyyaml is not installed (pip install pyyaml)")

MACROS = ["--engine", "folded-32-spram,event", "--macros", "all"]


@pytest.fixture
def small(rng):
    """A network that fits on few tiles."""
    return image_network(rng, shape=(4, 4), hidden=(5,), classes=4, steps=1)


@pytest.fixture
def loaded(rng):
    return image_network(rng, shape=(8, 8), hidden=(70,), steps=16)


@pytest.fixture(scope="module")
def tiny_tapeout(tmp_path_factory):
    """It is synthesised to see whether it fits, so it is made once."""
    network = image_network(np.random.default_rng(0), shape=(4, 4), hidden=(5,), classes=4, steps=1)
    flags = ["--engine", "popcount", "--port", "binary", "--tiles", "2x2", "--prefix", "my_net"]
    folder = tmp_path_factory.mktemp("tt")
    return export(network, folder, "--flow", "tinytapeout", "--author", 'A "B" C', *flags)


def test_each_flow_says_what_it_is():
    assert list(FLOWS) == [
        *("generic", "tinytapeout", "librelane", "orfs", "siliconcompiler", "fusesoc")
    ]
    for name, flow in FLOWS.items():
        assert find_flow(name) is flow
        assert flow.text
        assert flow.documentation
    with pytest.raises(UserError, match="flow 'vivado' is not known; choose of generic, tiny"):
        find_flow("vivado")


# --- Tiny Tapeout: tt-support-tools, project_info.py, of info.yaml version 6


def test_info_yaml(tiny_tapeout):
    info = yaml.safe_load((tiny_tapeout / "info.yaml").read_text())
    assert set(info) == {"project", "pinout", "yaml_version"}
    assert info["yaml_version"] == 6
    project = info["project"]
    assert all(project[key] for key in ("title", "author", "description", "language"))
    assert project["author"] == 'A "B" C'
    assert project["language"] == "Verilog"
    assert project["tiles"] == "2x2"
    assert project["tiles"] in TILES
    assert project["clock_hz"] == 50_000_000
    assert isinstance(project["clock_hz"], int)
    assert project["top_module"] == "tt_um_my_net"
    for name in project["source_files"]:
        assert (tiny_tapeout / "src" / name).is_file()
    pins = {f"{kind}[{k}]" for kind in ("ui", "uo", "uio") for k in range(8)}
    assert set(info["pinout"]) == pins
    assert all(isinstance(text, str) for text in info["pinout"].values())
    assert info["pinout"]["ui[0]"] == "pixel data bit 0"
    assert info["pinout"]["ui[1]"] == ""  # of one bit


def test_the_wrapper_has_the_pins(tiny_tapeout):
    """Those of the template, in its order; all files are clean."""
    text = (tiny_tapeout / "src" / "tt_um_my_net.v").read_text()
    ports = re.findall(r"^ +(input|output) +wire( \[7:0\])? +(\w+)", text, re.M)
    assert [(way, bool(wide), name) for way, wide, name in ports] == [
        ("input", True, "ui_in"),
        ("output", True, "uo_out"),
        ("input", True, "uio_in"),
        ("output", True, "uio_out"),
        ("output", True, "uio_oe"),
        ("input", False, "ena"),
        ("input", False, "clk"),
        ("input", False, "rst_n"),
    ]
    lint(tiny_tapeout / "src", ["tt_um_my_net.v", "my_net.v"], "tt_um_my_net")


@pytest.mark.deep
def test_the_wrapper_that_loads(rng, tmp_path):
    """Weights come in by the pins of the pixels."""
    network = image_network(rng, shape=(4, 4), hidden=(33,), classes=4, steps=32)
    flags = ["--engine", "folded-16-spram,event", "--port", "bit", "--tiles", "8x2"]
    folder = export(network, tmp_path, "--flow", "tinytapeout", *flags)
    lint(folder / "src", ["tt_um_firstspike.v", "firstspike.v"], "tt_um_firstspike")
    pins = yaml.safe_load((folder / "info.yaml").read_text())["pinout"]
    assert pins["ui[0]"] == "pixel data bit 0, weight bit 0"
    assert pins["ui[7]"] == "weight bit 7"
    assert pins["uio[4]"] == "load weights (in)"
    # Of 5 bits the upper three.
    assert [pins[f"uio[{k}]"] for k in (5, 6, 7)] == [
        f"decision step bit {k} (out)" for k in (2, 3, 4)
    ]
    text = (folder / "docs" / "info.md").read_text()
    assert "a pixel in 8 beats of 1 bit, the most significant first, 128 beats in all" in text
    assert "`uio[7:5]` the upper 3 of the 5 bits of the decision step. Set" in text


def test_the_rest_of_the_template(tiny_tapeout):
    text = (tiny_tapeout / "docs" / "info.md").read_text()
    headings = ["## How it works", "## How to test", "## External hardware"]
    assert re.findall(r"^## .*$", text, re.M) == headings
    assert "16 beats in all" in text
    # Of one step a pixel is a bit.
    assert "A pixel x in 0 … 255 is sent as 0 if x < 32, else as 1 − ((255 − x) · 1 >> 8)." in text
    assert "change them\nwhile `clk` is low" in text
    assert "`uio[7:4]` the decision step. Set" in text
    makefile = (tiny_tapeout / "test" / "Makefile").read_text()
    info = yaml.safe_load((tiny_tapeout / "info.yaml").read_text())
    (sources,) = re.findall(r"^PROJECT_SOURCES = (.*)$", makefile, re.M)
    assert sources.split() == info["project"]["source_files"]
    assert "cocotb==" in (tiny_tapeout / "test" / "requirements.txt").read_text()
    compile((tiny_tapeout / "test" / "test.py").read_text(), "test.py", "exec")
    config = json.loads((tiny_tapeout / "src" / "config.json").read_text())
    assert (config["CLOCK_PORT"], config["CLOCK_PERIOD"]) == ("clk", 20)


@pytest.mark.deep
@needs("make", "iverilog")
@pytest.mark.parametrize(
    ("port", "engine"), [("binary", "popcount"), ("byte", "folded-16-spram,event")]
)
def test_the_template_s_test(rng, tmp_path, port, engine):
    """cocotb drives the wrapper's pins, as Tiny Tapeout's action runs it; a fault is found."""
    hidden = (5,) if engine == "popcount" else (33,)
    network = image_network(rng, shape=(4, 4), hidden=hidden, classes=4, steps=2)
    flags = ["--engine", engine, "--port", port, "--tiles", "8x2"]
    folder = export(network, tmp_path, "--flow", "tinytapeout", *flags) / "test"
    path = f"{sys.prefix}/bin:/usr/bin:/bin"
    run = ["make", f"PYTHON_BIN={sys.executable}"]
    result = subprocess.run(
        run, cwd=folder, env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert "PASS=1 FAIL=0" in result.stdout, result
    test = folder / "test.py"
    test.write_text(test.read_text().replace("RESULTS = [(", "RESULTS = [(1 + "))
    result = subprocess.run(
        run, cwd=folder, env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert "FAIL=1" in result.stdout, result


# --- LibreLane: reference/common_flow_vars and step_config_vars of its documentation

VARIABLES = {
    "DESIGN_NAME": str,
    "VERILOG_FILES": list,
    "CLOCK_PORT": str,
    "CLOCK_PERIOD": (int, float),
    "EXTRA_VERILOG_MODELS": list,
    "PNR_SDC_FILE": str,
    "SIGNOFF_SDC_FILE": str,
    "FP_SIZING": str,
    "FP_CORE_UTIL": (int, float),
}


def test_librelane(loaded, tmp_path):
    folder = export(loaded, tmp_path, "--flow", "librelane", *MACROS)
    config = json.loads((folder / "config.json").read_text())
    assert config.pop("meta") == {"version": 2, "flow": "Classic"}
    assert set(config) == set(VARIABLES)
    for name, value in config.items():
        assert isinstance(value, VARIABLES[name]), name
    files = [*config["VERILOG_FILES"], *config["EXTRA_VERILOG_MODELS"], config["PNR_SDC_FILE"]]
    for name in files:  # dir:: is the folder of the file
        assert (folder / name.removeprefix("dir::")).is_file()


# --- OpenROAD-flow-scripts: its Makefile includes the file, whatever folder it is run in


@needs("make")
def test_orfs(loaded, tmp_path):
    folder = export(loaded, tmp_path, "--flow", "orfs", "--platform", "asap7", *MACROS)
    elsewhere = tmp_path / "flow"
    elsewhere.mkdir()
    names = ["DESIGN_NAME", "PLATFORM", "VERILOG_FILES", "SDC_FILE", "CORE_UTILIZATION"]
    (elsewhere / "Makefile").write_text(
        "include $(DESIGN_CONFIG)\nall:\n" + "".join(f'\t@echo "{n}=$${n}"\n' for n in names)
    )
    result = make(elsewhere, f"DESIGN_CONFIG={folder / 'config.mk'}")
    values = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert (values["DESIGN_NAME"], values["PLATFORM"]) == ("firstspike", "asap7")
    files = [*values["VERILOG_FILES"].split(), values["SDC_FILE"]]
    assert files == [
        str(folder / name)
        for name in (
            "rtl/firstspike.v",
            "rtl/firstspike_macros_stub.v",
            "constraints/firstspike.sdc",
        )
    ]
    assert 0 < int(values["CORE_UTILIZATION"]) < 100


# --- SiliconCompiler: its Design and ASIC classes


def test_siliconcompiler(small, tmp_path):
    """The script names files that are there, and methods that there are."""
    folder = export(small, tmp_path, "--flow", "siliconcompiler", "--target", "asap7")
    text = (folder / "make.py").read_text()
    tree = ast.parse(text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    methods = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}
    assert methods <= {
        *("set_dataroot", "active_dataroot", "active_fileset", "set_topmodule", "add_file"),
        *("set_design", "add_fileset", "run", "summary"),
    }
    files = [
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "add_file"
    ]
    assert files == ["rtl/firstspike.v", "constraints/firstspike.sdc"]
    assert all((folder / name).is_file() for name in files)
    assert "from siliconcompiler.targets import asap7_demo" in text


@pytest.mark.skipif(
    importlib.util.find_spec("siliconcompiler") is None,
    reason="siliconcompiler is not installed (pip install siliconcompiler)",
)
def test_siliconcompiler_itself(small, tmp_path):
    folder = export(small, tmp_path, "--flow", "siliconcompiler")
    code = "import make; assert make.project().check_manifest()"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


# --- FuseSoC: CAPI2


def core_file(folder):
    text = (folder / "firstspike.core").read_text()
    first, rest = text.split("\n", 1)
    assert first == "CAPI=2:"
    return yaml.safe_load(rest)


@pytest.mark.parametrize("flags", [[], *deep((MACROS,))])
def test_fusesoc(loaded, tmp_path, flags):
    """Names are vendor, library, name and version; targets have file sets, which have files."""
    folder = export(loaded, tmp_path, "--flow", "fusesoc", *flags)
    core = core_file(folder)
    assert set(core) == {"name", "description", "filesets", "targets"}
    assert re.fullmatch(r"\w+:\w+:\w+:\d+\.\d+\.\d+", core["name"])
    for fileset in core["filesets"].values():
        assert set(fileset) <= {"files", "file_type"}
        for entry in fileset["files"]:
            if isinstance(entry, dict):
                ((entry, how),) = entry.items()
                assert how == {"file_type": "user", "copyto": entry}
            assert (folder / entry).is_file()
    assert set(core["targets"]) == {"default", "asic", "sim", "lint"}
    for target in core["targets"].values():
        assert set(target) <= {"filesets", "toplevel", "default_tool", "tools"}
        assert set(target["filesets"]) <= set(core["filesets"])
    macros = ("models", "stubs") if flags else ()
    assert set(core["filesets"]) == {"rtl", "bench", "vectors", "constraints", *macros}
    # What is simulated has the memories' models, what is made of it their ports.
    assert ("models" in core["targets"]["sim"]["filesets"]) == bool(flags)
    assert ("stubs" in core["targets"]["asic"]["filesets"]) == bool(flags)


@pytest.mark.skipif(
    shutil.which("fusesoc") is None, reason="fusesoc is not installed (pip install fusesoc)"
)
def test_fusesoc_itself(loaded, tmp_path):
    folder = export(loaded, tmp_path, "--flow", "fusesoc")
    result = subprocess.run(
        ["fusesoc", "--cores-root", ".", "core", "show", core_file(folder)["name"]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Targets:" in result.stdout, result
