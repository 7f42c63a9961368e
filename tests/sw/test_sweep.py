"""A sweep trains what it says, goes on where it was, and is refused what does not fit."""

import json
from dataclasses import fields

import pytest

from sw import sweep, train
from sw.cli import UserError
from sw.learn import flags as training
from sw.learn.history import RunFigures

FLAGS = ["--", "--epochs", "2", "--steps", "4"]


def arguments(folder, *more):
    return [
        "--build-dir",
        str(folder),
        "--vary",
        "hidden=8,16",
        "--seeds",
        "2",
        *more,
        "-q",
        *FLAGS,
    ]


def test_each_value_and_seed(tmp_path, monkeypatch, capsys):
    sweep.main(arguments(tmp_path))
    folder = tmp_path / "sweep" / "hidden"
    result = json.loads((folder / "sweep.json").read_text())
    assert [row["value"] for row in result["rows"]] == ["8", "16"]
    assert (folder / "sweep.png").stat().st_size > 5000
    # the same run by hand gives the same figures
    alone = tmp_path / "alone.json"
    out = str(tmp_path / "alone.safetensors")
    flags = ["--hidden", "16", "--seed", "1", "--out", out, "--json", str(alone), "-q"]
    train.main([*FLAGS[1:], *flags, "--build-dir", str(tmp_path)])
    figures = json.loads(alone.read_text())
    assert result["rows"][1]["accuracies"][1] == figures["accuracy"]
    assert figures == json.loads((folder / "16-s1.json").read_text())

    # killed before its last run, it makes that one only
    (folder / "16-s1.json").unlink()
    made = []
    original = train.main
    monkeypatch.setattr(train, "main", lambda argv: (made.append(argv), original(argv)))
    sweep.main(arguments(tmp_path))
    assert len(made) == 1
    assert json.loads((folder / "sweep.json").read_text()) == result

    with pytest.raises(UserError, match=r"flags\.json: made with '--epochs 2 --steps 4'"):
        sweep.main([*arguments(tmp_path), "--batch", "64"])


def test_damaged_figures_of_a_run(tmp_path):
    folder = tmp_path / "sweep" / "hidden"
    folder.mkdir(parents=True)
    (folder / "flags.json").write_text(json.dumps({"flags": FLAGS[1:]}))
    names = [field.name for field in fields(RunFigures)]
    for content in ({"accuracy": 1}, [], None, dict.fromkeys(names, "1"), dict.fromkeys(names)):
        (folder / "8-s0.json").write_text(json.dumps(content))
        line = r"8-s0\.json: not the figures of a run; --restart drops"
        with pytest.raises(UserError, match=line):
            sweep.main(arguments(tmp_path))


@pytest.mark.parametrize(
    "content",
    ["", "{", "[" * 100_000, "[]", "{}", '{"flags": 3}', '{"flags": [3]}'],
    ids=lambda content: content[:14],
)
def test_damaged_flags_of_a_sweep(tmp_path, content):
    folder = tmp_path / "sweep" / "hidden"
    folder.mkdir(parents=True)
    (folder / "flags.json").write_text(content)
    (folder / "8-s0.json").write_text("{}")
    line = r"flags\.json: not the flags of a sweep; --restart drops that sweep"
    with pytest.raises(UserError, match=line):
        sweep.main(arguments(tmp_path))


def test_values_of_like_names_are_told_apart(tmp_path, monkeypatch):
    """Each has its own run: no value is given the figures of another."""
    asked = []

    def trained(argv):
        given = training.arguments().parse_args(argv)
        asked.append(given.rate)
        figures = {
            field.name: [given.rate] if "layer" in field.name else given.rate
            for field in fields(RunFigures)
        }
        given.json.write_text(json.dumps(figures | {"images": 1}))

    monkeypatch.setattr(train, "main", trained)
    flags = ["--build-dir", str(tmp_path), "--vary", "rate=.5,5,5.", "--seeds", "1", "-q"]
    sweep.main(flags)
    assert asked == [0.5, 5, 5]
    rows = json.loads((tmp_path / "sweep" / "rate" / "sweep.json").read_text())["rows"]
    assert [row["accuracies"] for row in rows] == [[0.5], [5], [5]]


def test_what_failed_at_the_start_is_in_nobodys_way(tmp_path):
    """Nor is a value of the flag tried before all of them are known to be possible."""
    begin = ["--build-dir", str(tmp_path), "--seeds", "1", "-q", "--vary"]
    with pytest.raises(UserError, match=r"^--layers/--hidden: a layer must be a number"):
        sweep.main([*begin, "hidden=8,x", *FLAGS])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="Batch must be at most"):
        sweep.main([*begin, "hidden=8", *FLAGS, "--batch", "5000"])
    sweep.main([*begin, "hidden=8", *FLAGS])
    assert (tmp_path / "sweep" / "hidden" / "8-s0.safetensors").is_file()


@pytest.mark.parametrize(
    ("vary", "flags", "named"),
    [
        ("seed=1,2", [], "--seed"),
        ("seed=0", [], "--seed"),
        ("out=a,b", [], "--out"),
        ("hidden=8", ["--seed", "3"], "--seed"),
        ("hidden=8", ["--build-dir", "x"], "--build-dir"),
        ("hidden=8", ["-q"], "--quiet"),
    ],
)
def test_refuses_flags_that_it_sets_itself(tmp_path, vary, flags, named):
    with pytest.raises(UserError, match=f"^{named}: a sweep sets it for each run"):
        sweep.main(["--build-dir", str(tmp_path), "--vary", vary, *FLAGS, *flags])


@pytest.mark.parametrize("flag", ["restart", "help", "quiet"])
def test_refuses_a_flag_that_takes_no_value(tmp_path, flag):
    with pytest.raises(UserError, match=f"--{flag}: ignored explicit argument '1'"):
        sweep.main(["--build-dir", str(tmp_path), "--vary", f"{flag}=1"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("restart", [[], ["--restart"]])
@pytest.mark.parametrize(
    "before", [["thesis.txt"], ["flags.json", "thesis.txt"], ["train", "8-s0.json"]]
)
def test_never_deletes_what_it_did_not_make(tmp_path, before, restart):
    folder = tmp_path / "sweep" / "hidden"
    folder.mkdir(parents=True)
    for name in before:
        (folder / name).write_text('{"flags": []}')
    with pytest.raises(UserError, match="no sweep made it; move it, or name another --build-dir"):
        sweep.main(arguments(tmp_path, *restart))
    assert sorted(path.name for path in folder.iterdir()) == sorted(before)


def test_restart_drops_what_a_sweep_made(tmp_path, monkeypatch):
    folder = tmp_path / "sweep" / "hidden"
    (folder / "train" / "8-s0").mkdir(parents=True)
    for name in ("8-s0.json", "8-s0.safetensors", ".8-s0.json.x7", "sweep.json", "sweep.png"):
        (folder / name).touch()
    (folder / "flags.json").write_text('{"flags": ["--epochs", "9"]}')

    def stopped(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "main", stopped)
    with pytest.raises(KeyboardInterrupt):
        sweep.main(arguments(tmp_path, "--restart"))
    assert [path.name for path in folder.iterdir()] == ["flags.json"]
    assert json.loads((folder / "flags.json").read_text()) == {"flags": FLAGS[1:]}


@pytest.mark.smoke
@pytest.mark.parametrize("vary", ["hidden", "=3", "hidden="])
def test_refuses_what_names_no_values(tmp_path, vary):
    with pytest.raises(UserError, match="must be FLAG=V"):
        sweep.main(["--build-dir", str(tmp_path), "--vary", vary])
