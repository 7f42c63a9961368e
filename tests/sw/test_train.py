"""The command ``python -m sw.train``."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from networks import speech

from hw.boards.table import BOARDS
from hw.explore.resources import check_fit
from sw import train
from sw.cli import UserError
from sw.data import registry
from sw.encoder import EventsEncoder
from sw.evaluate import evaluate
from sw.network import Network

QUICK = ["--hidden", "20", "--epochs", "2", "--device", "cpu", "--no-report"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_writes_the_network_and_its_log(tmp_path, digits, capsys):
    train.main([*QUICK, "--hidden", "30,25", "--seed", "3", "--json", "figures.json"])
    network = Network.load(tmp_path / "build" / "digits-64-20-30-25-10-t16.safetensors")
    assert network.structure == "64-20-30-25-10"
    provenance = network.provenance
    assert (provenance["dataset"], provenance["rule"], provenance["seed"]) == ("digits", "bstdg", 3)
    assert provenance["epochs"] == 2
    assert provenance["command"] == (
        "python -m sw.train --hidden 20 --epochs 2 --device cpu --no-report --hidden 30,25 "
        "--seed 3 --json figures.json"
    )
    assert set(provenance["versions"]) == {"python", "numpy", "torch", "device"}
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert provenance["test_accuracy"] == figures["accuracy"]
    assert provenance["validation_accuracy"] == figures.pop("validation_accuracy")
    assert evaluate(network, digits).to_dict() == figures
    folder = tmp_path / "build" / "train" / network.name
    assert {path.name for path in folder.iterdir()} == {"log.json", "learning_curve.png"}
    assert (folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    log = json.loads((folder / "log.json").read_text())
    assert len(log["epochs"]) == 2
    assert log["recipe"]["hidden"] == [20, 30, 25]
    out = capsys.readouterr().out
    # a fifth of 1,442 images is held out: nine batches of 128
    assert out.startswith(
        "digits: 64-20-30-25-10, 16 steps, rule bstdg; 2 epochs of 9 batches of 128 on CPU\n"
    )
    assert "epoch 1/2  validation" in out
    assert f"{figures['accuracy']:.2%} strict" in out


def test_layers_on_maps(tmp_path, digits, capsys):
    layers = ["--layers", "4c3p1,f2", "--layers", "6c3-12"]
    train.main([*QUICK[2:], *layers, "--json", "figures.json"])
    name = "digits-1x8x8-4c3p1-f2-6c3-12-10-t4"
    network = Network.load(tmp_path / "build" / f"{name}.safetensors")
    assert (network.name, network.provenance["rule"]) == (name, "surrogate")
    figures = json.loads((tmp_path / "figures.json").read_text())
    figures.pop("validation_accuracy")
    assert evaluate(network, digits).to_dict() == figures
    log = json.loads((tmp_path / "build" / "train" / name / "log.json").read_text())
    assert log["recipe"]["hidden"] == ["4c3p1", "f2", "6c3", 12]
    assert "digits: 1x8x8-4c3p1-f2-6c3-12-10, 4 steps, rule surrogate;" in capsys.readouterr().out


def test_bistable(tmp_path, digits, capsys):
    """The file, its figures, and the page, which shows both."""
    layers = ["--layers", "4c3p1,m2,4c3p1+1x2", "--steps", "2"]
    teacher = ["--distil", "teacher_epochs=1", "teacher_width=2"]
    epochs = ["--epochs", "2", "--device", "cpu", "--json", "figures.json"]
    train.main(["--rule", "bistable", *layers, *teacher, *epochs])
    name = "digits-1x8x8-4c3p1-m2-4c3p1+1x2-10-k2"
    network = Network.load(tmp_path / "build" / f"{name}.safetensors")
    assert (network.name, network.coding, network.steps) == (name, "bistable", 2)
    layer = network.layers[2]  # of g (Σ b a + 2 a) the file has 2 g
    assert layer.kind.shortcut.gain == 2 * layer.gain[0] == 2 * layer.gain[-1]
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert network.provenance["validation_accuracy"] == figures.pop("validation_accuracy")
    assert network.provenance["test_accuracy"] == figures["accuracy"]
    assert evaluate(network, digits).to_dict() == figures
    assert network.provenance["values_changed_by_rounding"] == 0
    out = capsys.readouterr().out
    assert "digits: 1x8x8-4c3p1-m2-4c3p1+1x2-10, 2 steps, rule bistable;" in out
    assert "rounding to integers changes 0 of " in out
    page = (tmp_path / "build" / "report" / name / "report.html").read_text()
    assert f"{figures['accuracy']:.2%}" in page
    assert "phase: the 2 most significant bits, one spike each" in page


def test_a_teacher(tmp_path, capsys):
    """Its file stays where it is named; without a name it goes with the checkpoint."""
    distil = ["--distil", "teacher_epochs=1", "teacher_width=2"]
    train.main([*QUICK, *distil])
    assert "\nteacher: " in capsys.readouterr().out
    folder = tmp_path / "build" / "train" / "digits-64-20-10-t16"
    assert {path.name for path in folder.iterdir()} == {"log.json", "learning_curve.png"}
    log = json.loads((folder / "log.json").read_text())
    assert log["recipe"]["distillation"]["teacher_width"] == 2
    train.main([*QUICK, *distil, "--teacher", "t.pt", "-q"])
    assert (tmp_path / "t.pt").exists()


def test_the_report_page(tmp_path, capsys):
    """The same seed gives the same page; what it shows is what the log and the figures say."""
    pages = []
    for _ in range(2):
        train.main([*QUICK[:-1], "--out", "mine.safetensors", "--json", "figures.json"])
        folder = tmp_path / "build" / "report" / "mine"
        last = capsys.readouterr().out.splitlines()[-1]
        assert last == "report:           build/report/mine/report.html"
        pages.append((folder / "report.html").read_bytes())
        shutil.rmtree(folder)
    assert pages[0] == pages[1]
    figures = json.loads((tmp_path / "figures.json").read_text())
    text = pages[0].decode()
    for shown in (
        f"{figures['accuracy']:.2%}",
        f"{1 - figures['validation_accuracy']:.2%}",
        "python -m sw.train --hidden 20 --epochs 2 --device cpu --out mine.safetensors",
        "python -m sim.verify mine.safetensors",
    ):
        assert shown in text
    assert str(tmp_path) not in text


def test_events(tmp_path, rng, monkeypatch):
    words = speech(rng)
    monkeypatch.setattr(registry, "load", lambda name, data_dir: words)
    flags = ["--dataset", "fsdd", "--steps", "9", "--batch", "16", "--augment", "pitch=0"]
    train.main([*QUICK, *flags, "--json", "figures.json"])
    network = Network.load(tmp_path / "build" / "fsdd-12-20-3-t9.safetensors")
    assert network.encoder == EventsEncoder(channels=12)
    assert network.provenance["dataset"] == "fsdd"
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert network.provenance["validation_accuracy"] == figures.pop("validation_accuracy")
    assert evaluate(network, words).to_dict() == figures


def test_the_first_line_names_a_longer_recipe(digits, monkeypatch, capsys):
    mnist = replace(digits, name="mnist")
    monkeypatch.setattr(registry, "load", lambda name, data_dir: mnist)
    train.main([*QUICK, "--dataset", "mnist", "--epochs", "1"])
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("mnist: 64-20-10, 8 steps, rule bstdg; 1 epochs of ")
    assert first.endswith("; --augment learns more in 170 epochs")


def test_a_board_decides_the_size(tmp_path, capsys):
    train.main(["--epochs", "1", "--device", "cpu", "--board", "icestick", "--no-report"])
    first, *_, last = capsys.readouterr().out.splitlines()
    network = Network.load(next(tmp_path.glob("build/*.safetensors")))
    assert first.startswith(
        f"icestick: {network.structure} is the largest that fits: 64-192-10 needs about "
    )
    assert last.startswith("fits icestick: about ")
    assert last.endswith(
        f"; python -m hw.build --board icestick build/digits-{network.structure}-t16.safetensors"
    )
    check_fit(network, BOARDS["icestick"])


def test_a_board_and_what_is_named(tmp_path, capsys):
    train.main([*QUICK, "--board", "icestick", "--inputs", "25", "-q", "--out", "mine"])
    assert Network.load("mine").sizes == (25, 20, 10)
    train.main([*QUICK, "--board", "ulx3s", "--out", "mine"])
    assert capsys.readouterr().out.startswith("ulx3s: 64-20-10 fits\n")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--hidden", "500", "--inputs", "64"], "^--board icestick: no such network fits; 64-500-"),
        (["--layers", "200c3"], "^--board icestick: no such network fits; 1x8x8-200c3-10 needs "),
        (["--rule", "stdg"], "^--board: rule 'stdg' has real weights, which no board takes$"),
    ],
)
def test_what_no_board_takes_is_refused_before_training(flags, message):
    with pytest.raises(UserError, match=message):
        train.main(["--board", "icestick", *flags])
    assert not list(Path().rglob("checkpoint.pt"))


@pytest.mark.parametrize("flag", ["--pool", "--inputs", "--silent-below"])
def test_what_makes_no_sense_for_events_is_refused(flag):
    message = f"^fsdd: holds events, not images; leave out {flag}$"
    with pytest.raises(UserError, match=message):
        train.main(["--dataset", "fsdd", flag, "2"])


def test_quiet(capsys):
    train.main([*QUICK, "--quiet", "--out", "mine.safetensors", "--validation", "0"])
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert Network.load("mine.safetensors").name == "mine"


def test_real_weights_give_figures_but_no_file(tmp_path, capsys):
    train.main([*QUICK, "--rule", "stdg", "--json", "figures.json"])
    assert json.loads((tmp_path / "figures.json").read_text())["images"] == 355
    assert not list(tmp_path.rglob("*.safetensors"))
    assert (tmp_path / "build/train/digits-64-20-10-t16/log.json").exists()
    assert "no file: stdg has real weights" in capsys.readouterr().out


# Ends the command, as a power cut would, when its first checkpoint has appeared
KILLED = """
import os, pathlib, signal
from sw import train
replace = pathlib.Path.replace
def and_die(path, target):
    replace(path, target)
    if target.name == "checkpoint.pt":
        os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path.replace = and_die
train.main()
"""


def test_killed_and_resumed_ends_with_the_same_bits(tmp_path):
    """Kills the real command when its first checkpoint appears, and gives it again."""
    flags = [*QUICK, "-q", "--epochs", "3"]
    command = [sys.executable, "-m", "sw.train", *flags]
    results = []
    for name, kill in (("whole", False), ("killed", True)):
        folder = tmp_path / name
        folder.mkdir()
        if kill:
            checkpoint = folder / "build/train/digits-64-20-10-t16/checkpoint.pt"
            killed = subprocess.run([sys.executable, "-c", KILLED, *flags], cwd=folder, check=False)
            assert killed.returncode == -signal.SIGKILL
            assert checkpoint.exists()
            assert not (folder / "build/digits-64-20-10-t16.safetensors").exists()
        subprocess.run(command, cwd=folder, check=True)
        results.append((folder / "build/digits-64-20-10-t16.safetensors").read_bytes())
    assert results[0] == results[1]


def test_changed_command_is_refused_until_restart(tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "run_inputs", interrupt)  # after training, before the file
        with pytest.raises(KeyboardInterrupt):
            train.main([*QUICK, "-q"])
    with pytest.raises(UserError, match=r"another run \(seed 0, not 1\)"):
        train.main([*QUICK, "-q", "--seed", "1"])
    train.main([*QUICK, "-q", "--seed", "1", "--restart"])
    assert os.listdir("build/train/digits-64-20-10-t16")


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--hidden", "20,x"], "a layer must be a number of units, a convolution .*, not 'x'"),
        (["--layers", "16c3q1"], "a layer must be a number of units, a convolution .* '16c3q1'"),
        (["--layers", "8c3s0"], r"Stride must be 2 integers in 1 … .*, not \(0, 0\)"),
        (["--grow", "2,x"], "must be windows such as 2 or 2,4, not '2,x'"),
        (["--teacher", "t.pt"], "^--teacher: needs --distil, which learns from it$"),
        (["--distil", "share=2"], "^Distillation: share must be a number in 0 … 1, not 2$"),
        (["--set", "smoothing"], "must be NAME=VALUE, not 'smoothing'"),
        (["--dataset", "cifar"], "Data set must be one of .* or the path of a file or folder"),
        (["--rule", "hebb"], "invalid choice"),
        (["--name", "a b"], r"must be letters, digits .* such as a-b, not 'a b'"),
        (["--rule", "bistable", "--layers", "16c3p1,f2"], "^Layer 1, f2, is of first-spike netw"),
        (["--layers", "16c3p1,m2"], "^Layer 1, m2, is of bistable networks"),
        (["--rule", "bistable", "--board", "icebreaker"], "^--board: fits first-spike networks"),
        (["--hidden", "9999999"], "Units must be an integer in 1 … 1,048,576, not 9999999"),
    ],
)
def test_wrong_flags(flags, message):
    with pytest.raises(UserError, match=message):
        train.main(flags)


def test_unusable_device():
    with pytest.raises(UserError, match=r"Device 'abacus' cannot be used .*; name --device cpu"):
        train.main(["--device", "abacus"])


def test_help_lists_the_settings(capsys):
    with pytest.raises(SystemExit) as end:
        train.main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert "  smoothing=0.0 (a number in 0 … 1): Label smoothing.\n" in out
    assert "  degrees=10.0 (a number in 0 … 180): Rotation by up to this, either way.\n" in out
