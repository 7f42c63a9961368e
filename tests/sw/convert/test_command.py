"""The command ``python -m sw.convert``."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from networks import speech

from sw.cli import UserError
from sw.convert import main
from sw.data import registry
from sw.encoder import EventsEncoder
from sw.network import find

DIGITS = "digits-64-38-10-t2"
MODEL = """
import torch
from torch import nn
from beside import Sign

torch.manual_seed(0)

def model():
    layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 30), Sign(), nn.Linear(30, 10, bias=False))
    with torch.no_grad():
        layers[1].weight.copy_(0.5 * layers[1].weight.sign())
        layers[3].weight.copy_(layers[3].weight.sign())
    return layers

ready = model()
nothing = 3
"""
BESIDE = """
from torch import nn

class Sign(nn.Module):
    def forward(self, x):
        return x.sign()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "beside.py").write_text(BESIDE)
    yield tmp_path
    sys.modules.pop("beside", None)


@pytest.mark.smoke
def test_nir_there_and_back(folder, capsys):
    pytest.importorskip("nir")
    main([DIGITS, "--out", "a.nir", "--check", "digits", "--json", "a.json"])
    figures = json.loads((folder / "a.json").read_text())
    assert figures == {
        "dataset": "digits",
        "examples": 355,
        "different": 0,
        "source_accuracy": find(DIGITS).provenance["test_accuracy"],
        "accuracy": find(DIGITS).provenance["test_accuracy"],
    }
    out = capsys.readouterr().out
    assert out.startswith("a.nir: 64-38-10, 2 steps\n")
    assert out.count(f"{figures['accuracy']:.2%}") == 2
    main(["a.nir", "--out", "b.safetensors", "-q"])
    assert (folder / "b.safetensors").read_bytes() == find(DIGITS).to_bytes()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("steps", ["1", "8"])
def test_pytorch(folder, capsys, steps):
    flags = ["--steps", steps, "--silent-below", "64", "--check", "digits", "--json", "a.json"]
    main(["model.py:model", "--out", "mine.safetensors", *flags])
    figures = json.loads((folder / "a.json").read_text())
    assert figures["source_accuracy"] == figures["accuracy"]
    assert (figures["examples"], figures["different"]) == (355, 0)
    network = find("mine.safetensors")
    assert (network.name, network.structure, network.steps) == ("mine", "64-30-10", int(steps))
    assert network.encoder.silent_below == 64
    assert network.provenance["dataset"] == "digits"


def test_pytorch_to_nir_with_other_weights(folder):
    pytest.importorskip("nir")
    main(["model.py:ready", "--out", "a.safetensors", "--dataset", "digits", "--steps", "4", "-q"])
    weights = {
        "1.weight": -torch.ones(30, 64),
        "1.bias": torch.full((30,), 2.5),
        "3.weight": torch.ones(10, 30),
    }
    torch.save(weights, "weights.pt")
    flags = ["--dataset", "digits", "--steps", "4", "--weights", "weights.pt", "-q"]
    main(["model.py:ready", "--out", "b.nir", *flags])
    main(["b.nir", "--out", "b.safetensors", "-q"])
    first, second = find("a.safetensors"), find("b.safetensors")
    assert first.layers[0].weight.any()
    assert not second.layers[0].weight.any()
    assert (second.layers[0].threshold == -2).all()


class Evil:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.py:model", "--out", "a.safetensors"], "give --dataset or --check"),
        (["model.py:model", "--out", "a.safetensors", "--dataset", "digits"], "give --steps"),
        (["model.py:model", "--out", "a.safetensors", "--dataset", "no.csv"], "give --steps"),
        (["model.py:nothing"], "model.py:nothing: gives no module of PyTorch; it has ready"),
        (["model.py:nosuch"], "model.py:nosuch: gives no module of PyTorch; it has ready"),
        (["model.py"], r"model\.py: name what in it is the module: model\.py:NAME"),
        (["broken.py:x"], r"broken\.py: cannot be run \(ZeroDivisionError: division by zero\)"),
        (["ended.py:x"], r"ended\.py: cannot be run \(SystemExit: 0\)"),
        (["missing.py:x"], r"missing\.py: cannot be run \(FileNotFoundError"),
        (["model.py:ready", "--weights", "evil.pt"], r"evil\.pt: is no state_dict of Sequential"),
        (["model.py:ready", "--weights", "other.pt"], r"other\.pt: is no state_dict .*Missing key"),
        (
            ["model.py:ready", "--pool", "4", "--silent-below", "257"],
            "digits: Silent_below must be",
        ),
        ([DIGITS, "--out", "a.safetensors"], "is a network, and so would be the result"),
        ([DIGITS, "--out", "a.onnx"], r"--out a\.onnx: must end in \.safetensors or \.nir"),
        ([DIGITS, "--out", "a.nir", "--steps", "4"], "--steps: a network says so itself; leave"),
        ([DIGITS, "--out", "a.nir", "--bipolar"], "--bipolar: is for PyTorch or QONNX"),
        ([DIGITS, "--out", "a.nir", "--json", "x"], "--json: there are figures with --check only"),
        ([DIGITS, "--out", "a.nir", "--size", "8", "8"], "--size: is for data of --dataset or"),
        (
            ["model.py:ready", "--out", "a.nir", "--dataset", "digits", "--steps", "1"],
            "--steps 1: every pixel fires in the one step",
        ),
        (["model.py:ready", "--dataset", "no.csv"], r"no\.csv: cannot be read"),
    ],
)
def test_refuses(folder, arguments, message):
    """One line, and nothing written."""
    (folder / "broken.py").write_text("x = 1 / 0")
    (folder / "ended.py").write_text("import sys; sys.exit(0)")
    torch.save(Evil(), "evil.pt")
    torch.save({"weight": torch.ones(3)}, "other.pt")
    before = sorted(folder.iterdir())
    if "--out" not in arguments:
        known = [] if "--dataset" in arguments else ["--dataset", "digits"]
        arguments = [*arguments, "--out", "a.safetensors", "--steps", "8", *known]
    with pytest.raises(UserError, match=message) as refused:
        main(arguments)
    assert "\n" not in str(refused.value)
    assert sorted(path for path in folder.iterdir() if path.name != "__pycache__") == before


@pytest.fixture
def table(folder, rng):
    """Own data: 3 columns of real numbers that tell the class, and one that does not."""
    rows = ["a,b,c,d,kind"]
    for index in range(150):
        kind = index % 3
        values = rng.normal(size=4) + 4 * (np.arange(4) == kind)
        rows.append(",".join(f"{value:.4f}" for value in values) + f",{'xyz'[kind]}")
    (folder / "mine.csv").write_text("\n".join(rows))
    (folder / "model.py").write_text(MODEL.replace("64", "32").replace("30, 10", "30, 3"))
    return ["--check", "mine.csv", "--label-column", "kind"]


def test_own_data(table, folder, capsys):
    """A path instead of a name, for every kind of source, read as the network's own data were."""
    pytest.importorskip("pandas")
    pytest.importorskip("nir")
    main(["model.py:model", "--out", "a.safetensors", "--steps", "8", *table, "--json", "a.json"])
    figures = json.loads((folder / "a.json").read_text())
    assert (figures["dataset"], figures["examples"], figures["different"]) == ("mine.csv", 30, 0)
    network = find("a.safetensors")
    assert network.provenance["data"]["label_column"] == "kind"
    assert network.provenance["data"]["quantiser"]
    main(["a.safetensors", "--out", "a.nir", "--check", "mine.csv", "--json", "b.json"])
    assert json.loads((folder / "b.json").read_text()) == figures
    main(["a.nir", "--out", "b.safetensors", "--check", "mine.csv", "--json", "b.json"])
    assert json.loads((folder / "b.json").read_text()) == figures
    assert (folder / "b.safetensors").read_bytes() == (folder / "a.safetensors").read_bytes()


@pytest.mark.parametrize("steps", ["1", "4"])
def test_qonnx(folder, steps):
    onnx = pytest.importorskip("onnx")
    helper, rng = onnx.helper, np.random.default_rng(0)
    given = {
        "half": np.float32(0.5),
        "one": np.float32(1),
        "w": rng.choice([-1, 1], (64, 10)).astype(np.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Sub", ["x", "half"], ["a"]),
            helper.make_node("BipolarQuant", ["a", "one"], ["b"], domain="qonnx.custom_op.general"),
            helper.make_node("MatMul", ["b", "w"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 10])],
        [onnx.numpy_helper.from_array(value, name) for name, value in given.items()],
    )
    onnx.save(helper.make_model(graph), "a.onnx")
    flags = ["--steps", steps, "--check", "digits", "--json", "a.json"]
    main(["a.onnx", "--out", "a.safetensors", *flags])
    figures = json.loads((folder / "a.json").read_text())
    assert (figures["examples"], figures["different"]) == (355, 0)
    assert find("a.safetensors").encoder.silent_below == 128
    for flag, reason in (
        ("--latched", "for spiking neurons"),
        ("--bipolar", "leave out --bipolar"),
    ):
        with pytest.raises(UserError, match=reason):
            main(["a.onnx", "--out", "b.safetensors", *flags, flag])
    with pytest.raises(UserError, match=r"^missing\.onnx: cannot be read"):
        main(["missing.onnx", "--out", "b.safetensors", *flags])
    assert not (folder / "b.safetensors").exists()


def test_recordings(folder, rng, monkeypatch):
    """Sensor events have no pixels."""
    pytest.importorskip("nir")
    monkeypatch.setattr(registry, "load", lambda name, data_dir: speech(rng))
    (folder / "model.py").write_text(MODEL.replace("64", "12").replace("30, 10", "30, 3"))
    flags = ["--steps", "8", "--check", "fsdd", "--json", "a.json"]
    main(["model.py:model", "--out", "a.nir", *flags])
    assert json.loads((folder / "a.json").read_text())["different"] == 0
    main(["a.nir", "--out", "a.safetensors", "-q"])
    assert find("a.safetensors").encoder == EventsEncoder(channels=12)
    with pytest.raises(UserError, match="--pool: fsdd has no pixels; leave it out"):
        main(["model.py:model", "--out", "b.nir", *flags, "--pool", "2"])


def test_as_a_program(folder):
    """One line and exit status 2."""
    run = subprocess.run(
        [sys.executable, "-m", "sw.convert", "missing", "--out", "a.nir"],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("error: missing: cannot be read")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("suffix", ["nir", "onnx"])
def test_a_pipe_is_not_waited_for(tmp_path, suffix):
    source = tmp_path / f"pipe.{suffix}"
    os.mkfifo(source)
    with pytest.raises(UserError, match=r"must be a file, not a folder, a pipe or a device"):
        main([str(source), "--out", str(tmp_path / "n.safetensors"), "--dataset", "digits"])
    assert list(tmp_path.iterdir()) == [source]
