"""The worked examples: each page's commands run, print what the page shows, and reach its figures.

Figures depend on the machine in their last digits, as training does; so a line of the page must be
printed with other numbers at most, and what must hold is a bound.
"""

import os
import re
import shlex
import subprocess
import sys
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from sw.data import sources

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAGES = sorted(EXAMPLES.glob("*/README.md"))
BEATS = "mitbih_beats.npz"
STRICT = r"accuracy, strict +([\d.]+)%"
PREDICTED = r"  V +\d+ +([\d.]+)% +([\d.]+)%"

# Of each page: what must be printed by some command, and the least that its numbers may be
HOLDS = {
    "heartbeats": {STRICT: (92,), PREDICTED: (82, 85)},
    "table": {STRICT: (90,)},
    "vowels": {STRICT: (93,)},
}
NUMBER = re.compile(r"[\d,]*\d(?:\.\d+)?")


def module(path):
    spec = spec_from_file_location(path.stem, path)
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def ran(*words):
    """What a Python program did, with this interpreter."""
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)


def steps(page):
    """Commands of a page, each with the lines that it shows of the output."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)\n```\n(?:```\n(.*?)```\n)?", text, re.DOTALL)
    return [(command, shown.splitlines()) for command, shown in blocks]


def form(line):
    """A line with each number, and the width that it takes, as one sign."""
    return " ".join(NUMBER.sub("#", line).split())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder in which the commands run, as in a clone: examples are there, builds are new."""
    (tmp_path / "examples").symlink_to(EXAMPLES)
    (tmp_path / "build").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    return tmp_path


def place_beats(folder):
    for each in sources.places(None):
        if (each / BEATS).is_file():
            (folder / BEATS).symlink_to(each.absolute() / BEATS)
            return
    pytest.skip(f"{BEATS} is not in $FIRSTSPIKE_DATA; examples/heartbeats says how to make it")


def place_wheel(folder):
    if ran("-m", "pip", "download", "aeon==1.6.0", "--no-deps", "-d", folder).returncode:
        pytest.skip("the wheel of aeon 1.6.0 cannot be downloaded")


PLACES = {"heartbeats": place_beats, "vowels": place_wheel}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_a_page_is_short(page):
    assert 1 <= len(steps(page)) <= 6
    assert all(len(command.splitlines()) == 1 for command, _ in steps(page))


def test_the_index_names_each_page():
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"({page.parent.name}/README.md)" in index
    assert {page.parent.name for page in PAGES} == HOLDS.keys()


@pytest.mark.deep
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_commands_print_what_the_page_shows(page, folder):
    name = page.parent.name
    PLACES.get(name, lambda _: None)(folder)
    printed = []
    for command, shown in steps(page):
        words = shlex.split(command)
        assert words[0] == "python"
        result = ran(*words[1:])
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        forms = {form(line) for line in result.stdout.splitlines()}
        for line in shown:
            if line != "…":
                assert form(line) in forms, f"{command}\n{line}\n{result.stdout}"
        printed.append(result.stdout)
    everything = "\n".join(printed)
    assert "equal " in everything
    for pattern, least in HOLDS[name].items():
        found = re.search(pattern, everything)
        assert all(float(v) >= bound for v, bound in zip(found.groups(), least, strict=True))
    assert list(folder.glob("build/icebreaker/*/*.bin"))


# Heartbeats


def test_beats_of_a_record():
    """A record by hand: pairs of samples, the base line, classes, and what is left out."""
    signal = np.full(2000, 0.5)
    signal[[998, 999, 1000, 1001]] = 1.5, 2.5, 3.5, 1.5
    make = module(EXAMPLES / "heartbeats/make_beats.py")
    samples, symbols = [50, 400, 600, 1000, 1300, 1500, 1950], ["N", "~", "L", "V", "Q", "a", "N"]
    inputs, labels, rr = make.beats_of(signal, samples, symbols)
    assert labels.tolist() == ["N", "V", "S"]  # no mark, no unclear beat, none without neighbours
    assert rr.tolist() == [[550, 400], [400, 300], [200, 450]]
    assert (inputs.shape, inputs.dtype) == ((3, 1, 128), np.uint8)
    assert inputs[1, 0, 48:53].tolist() == [128, 128 + 75, 128 + 100, 128, 128]
    assert (inputs[0] == 128).all()


def test_records_of_physionet(folder):
    """Through files in WFDB's format, which wfdb writes."""
    warnings.simplefilter("ignore")  # what wfdb does with pandas is its own
    wfdb = pytest.importorskip("wfdb", reason="pip install wfdb")
    signal = np.zeros((3000, 2))
    signal[500:3000:300, 1] = 1.0
    beats = np.arange(500, 3000, 300)
    for name in ("101", "100"):
        wfdb.wrsamp(
            name, 360, ["mV"] * 2, ["V5", "MLII"], signal, fmt=["212"] * 2, adc_gain=[200] * 2,
            baseline=[1024] * 2,
        )  # fmt: skip
        wfdb.wrann(name, "atr", beats, ["N", "V"] * 4 + ["N"])
    script = EXAMPLES / "heartbeats/make_beats.py"
    run = ran(script, ".", "beats.npz", "--only", "101", "100")
    assert run.stdout == "beats.npz: 14 beats of 2 records\n", run.stderr
    made = np.load("beats.npz")
    assert made["labels"].tolist() == ["V", "N", "V", "N", "V", "N", "V"] * 2
    assert made["groups"].tolist() == [101] * 7 + [100] * 7
    assert made["test"].tolist() == [False] * 7 + [True] * 7
    assert (made["rr"] == 300).all()
    assert (made["inputs"][:, 0, 50] == 153).all()  # a sample of 1 mV and one of 0


def test_files_that_are_missing(folder):
    for script, missing in (
        ("heartbeats/features.py", "mine.npz"),
        ("heartbeats/make_beats.py", "records"),
        ("vowels/prepare.py", "mine.whl"),
    ):
        run = ran(EXAMPLES / script, missing, "out")
        assert run.returncode == 1
        assert re.fullmatch(rf"({missing}\S*: is not there; .*|wfdb is not .*)\n", run.stderr)
        assert not Path("out").exists()


def test_measurements_of_a_steady_heart():
    """All beats alike, one a second: relative measurements are 1, differences 0."""
    features = module(EXAMPLES / "heartbeats/features.py")
    wave = np.zeros(128)
    wave[50] = 50.0
    waves = np.stack([wave] * 20)
    relative, shape = features.measure(waves, np.ones((20, 2)))
    expected = [1, 1, 1, 1, 1, 0, 0, 50 / 60, 1, 1]
    assert relative[:, :10].tolist() == [expected] * 20
    assert relative[:, 12:15].tolist() == [[2, 1, 1]] * 20
    assert (relative.shape, shape.shape) == ((20, 17), (20, 42))
    assert shape[0, :21].sum() == 50 / 4
    assert not shape[:, 21:].any()


def test_a_premature_wide_beat_stands_out():
    features = module(EXAMPLES / "heartbeats/features.py")
    waves = np.zeros((40, 128))
    waves[:, 50] = 50.0
    waves[30, 40:70] = -60.0
    intervals = np.ones((40, 2))
    intervals[30] = 0.6, 1.4
    relative, _ = features.measure(waves, intervals)
    assert relative[30, 0] == 0.6
    assert relative[30, 5] > 5 * relative[29, 5] + 0.1
    assert relative[30, 10] < 0
    assert (relative[31, 5:7] == relative[29, 5:7]).all()  # it has not moved the template


def test_folds_keep_patients_whole():
    features = module(EXAMPLES / "heartbeats/features.py")
    groups = np.repeat(np.arange(22), 3)
    fold = features.fold_of(groups, groups % 4 == 0)
    assert all(len(set(fold[groups == group])) == 1 for group in range(22))
    assert sorted(set(fold)) == [0, 1, 2, 3, 4]


def test_utterances_are_stretched():
    prepare = module(EXAMPLES / "vowels/prepare.py")
    inputs, labels = prepare.read("@x 1:2\n@data\n0,7.5,15:5,5,5:3\n")
    assert labels.tolist() == [3]
    assert inputs[0, 0].tolist() == list(range(16))
    assert inputs[0, 1].tolist() == [5] * 16
