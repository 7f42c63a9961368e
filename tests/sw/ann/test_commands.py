"""The three commands, on the data set that is always there."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from nets import ann

from sw import bench_conversion, train_ann
from sw.ann.comparison import markdown
from sw.ann.figures import Conversion
from sw.ann.subject import Subject
from sw.cli import UserError
from sw.convert import main as convert
from sw.data import digits

LAYERS = "4c3p1,m2,r6,12"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """ANNs with ReLU and with QCFS, and the folder they lie in."""
    folder = tmp_path_factory.mktemp("ann")
    for name, more in (("relu", []), ("qcfs", ["--levels", "7"])):
        out = ["--out", str(folder / f"{name}.safetensors"), "--json", str(folder / f"{name}.json")]
        train_ann.main(
            [
                *("--dataset", "digits", "--layers", LAYERS, "--epochs", "12", "-q"),
                *("--rate", "0.05", "--build-dir", str(folder), *out, *more),
            ]
        )
    return folder


def test_training_reports_what_it_made(trained):
    report = json.loads((trained / "relu.json").read_text())
    assert report["layers"] == LAYERS
    assert report["test_accuracy"] > 0.85
    assert report["command"].startswith("python -m sw.train_ann --dataset digits")
    assert not (trained / "train_ann").exists() or not any((trained / "train_ann").rglob("*.pt"))


@pytest.mark.parametrize("layers", ["", ",", "8c3,,m2", "8c3,"])
def test_layers_of_which_one_is_missing(layers):
    line = f"--layers must be layers such as 16c3p1,m2,128, not {layers!r}"
    with pytest.raises(UserError, match=f"^{line}$"):
        train_ann.main([f"--layers={layers}", "--dataset", "digits"])


def test_an_ann_by_bistable_neurons(trained, tmp_path, capsys):
    out = tmp_path / "x.json"
    convert(
        [
            *(str(trained / "relu.safetensors"), "--method", "bistable", "--set", "phases=5"),
            *("--steps", "30", "--json", str(out), "--picture", str(tmp_path / "x.png")),
        ]
    )
    result = Conversion.from_dict(json.loads(out.read_text()))
    assert (result.method, result.dataset, result.part) == ("bistable", "digits", "test")
    assert result.settings["phases"] == 5
    assert (result.images, result.steps, len(result.accuracy)) == (355, 30, 30)
    assert result.answer_step == 25  # four layers of neurons, and the last one
    assert result.ann_accuracy == json.loads((trained / "relu.json").read_text())["test_accuracy"]
    assert abs(result.accuracy[24] - result.ann_accuracy) < 0.01
    assert (tmp_path / "x.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "accuracy after step 25" in printed
    assert "layer3_activation" in printed


def test_a_module_in_a_file_of_python(trained, tmp_path):
    """The same ANN, as its author would have it: normalised by flags, weights in a state_dict."""
    module = torch.nn.Sequential(*list(ann(LAYERS, classes=10).children())[1:])
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    (tmp_path / "mine.py").write_text(
        "from torch import nn\nfrom sw.ann.architectures import build\n"
        f"def net():\n    return nn.Sequential(*build({LAYERS!r}, (1, 8, 8), 10).children())\n"
    )
    arguments = [f"{tmp_path}/mine.py:net", "--weights", str(tmp_path / "weights.pt")]
    arguments += ["--dataset", "digits", "--method", "rate", "--steps", "2", "-q"]
    arguments += ["--mean", "0.4", "--std", "0.3", "--images", "50"]
    convert([*arguments, "--json", str(tmp_path / "x.json")])
    result = json.loads((tmp_path / "x.json").read_text())
    assert result["images"] == 50
    with pytest.raises(UserError, match=r"--mean: must be 1 or 1 numbers for digits, not 2"):
        convert([*arguments, "--mean", "0.4", "0.4"])
    with pytest.raises(UserError, match=r"mine.py:net: does not say what images .* --dataset"):
        convert([*arguments[:3], "--method", "rate"])
    with pytest.raises(UserError, match=r"--held-out: is for an ANN of sw.train_ann"):
        convert([*arguments, "--held-out"])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--method", "bistable", "--set", "phases=0"], r"--method bistable: phases must be"),
        (["--method", "rate", "--set", "phases=3"], r"--method rate: there is no 'phases'"),
        (["--method", "rate", "--out", "x.nir"], r"--out: is not for an ANN that becomes spikes"),
        (["--method", "rate", "--check", "digits"], r"--check: is not for an ANN"),
        (["--method", "rate", "--mean", "0"], r"--mean: is for a module of PyTorch"),
        (["--method", "qcfs"], r"layer1_activation: a ReLU, and method qcfs needs"),
        (["--method", "nosuch"], r"--method: invalid choice: 'nosuch'"),
        (["--picture", "x.png", "--out", "x.nir"], r"--picture: is for an ANN that becomes spikes"),
        ([], r"--out: name the file to write, or give --method"),
    ],
)
def test_flags_that_cannot_be(trained, arguments, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=line) as error:
        convert([str(trained / "relu.safetensors"), "-q", *arguments])
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_another_data_set(trained, mnist):
    with pytest.raises(UserError) as error:
        convert([str(trained / "relu.safetensors"), "--method", "rate", "--dataset", "mnist"])
    assert "takes images of 1 × 8 × 8 in 10 classes of digits, mnist has 1 × 28 × 28" in str(
        error.value
    )


def test_events():
    recordings = SimpleNamespace(name="fsdd")  # is no Dataset
    with pytest.raises(UserError, match="fsdd: holds events; an ANN takes images"):
        Subject.of_module(ann(LAYERS), recordings, torch.device("cpu"))


def test_a_module_without_weights():
    with pytest.raises(UserError, match=r"the module has no ReLU, .* train one with ReLU"):
        Subject.of_module(torch.nn.Flatten(), digits.load(), torch.device("cpu"))


def test_a_comparison_leaves_table_and_pictures(trained, tmp_path, capsys):
    command = [str(trained / f"{name}.safetensors") for name in ("relu", "relu", "qcfs")]
    command += ["--steps", "20", "--images", "60", "--out", str(tmp_path / "out")]
    command += ["--set", "bistable.phases=4", "--set", "rnl.updates=5"]
    bench_conversion.main(command)
    folder = tmp_path / "out"
    assert {path.name for path in folder.iterdir()} == {
        *("accuracy.png", "neuron.png", "results.json", "runs", "sin.png", "table.md")
    }
    runs = json.loads((folder / "results.json").read_text())
    assert list(runs) == [
        *("rate", "rate, half start", "rnl", "phase", "bistable", "bistable, not synchronous"),
        *("qcfs", *(f"{method}, quantised ANN" for method in ("rate", "phase", "bistable"))),
    ]
    assert [len(each) for each in runs.values()] == [2] * 6 + [1] * 4
    for method in ("phase", "bistable"):  # 2³ − 1 = 7 levels
        assert runs[f"{method}, quantised ANN"][0]["settings"]["phases"] == 3
    assert not runs["bistable, not synchronous"][0]["settings"]["synchronous"]
    table = (folder / "table.md").read_text()
    assert table in capsys.readouterr().out
    assert table.count("\n") == 12

    for path in (folder / "runs").iterdir():  # what was done is not done again
        path.write_text(path.read_text().replace('"images": 60', '"images": 61'))
    bench_conversion.main([*command, "-q"])
    again = json.loads((folder / "results.json").read_text())
    assert {run["images"] for group in again.values() for run in group} == {61}
    next((folder / "runs").iterdir()).write_text("{")
    with pytest.raises(UserError, match=r"runs/\w+.json: damaged .* add --restart"):
        bench_conversion.main([*command, "-q"])


def test_a_comparison_on_other_data_of_the_same_name_is_made_anew(trained, tmp_path):
    data, known = digits.load(), []
    for folder, labels in (("a", data.train_labels), ("b", (data.train_labels + 1) % 10)):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "mine.npz", inputs=data.train_images, labels=labels)
        command = [str(trained / "relu.safetensors"), "-q", "--methods", "rate", "--steps", "1"]
        command += ["--dataset", str(tmp_path / folder / "mine.npz"), "--images", "50"]
        bench_conversion.main([*command, "--out", str(tmp_path / "out")])
        runs = json.loads((tmp_path / "out" / "results.json").read_text())
        known.append(runs["rate"][0]["ann_accuracy"])
    assert known[0] > 0.8 > 0.2 > known[1]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--set", "phases=3"], "--set phases: must be METHOD.NAME=VALUE"),
        (["--set", "x.phases=3"], "--set x.…: must be one of rate, rnl"),
        (["--set", "rate.phases=3"], "--set rate: there is no 'phases'"),
        (
            ["--methods", "rate", "rnl", "--set", "phase.phases=3"],
            "--set phase.phases: --methods leaves phase out; leave out one of them",
        ),
        (["--methods", "qcfs"], "--methods qcfs: none of them is for these ANNs"),
    ],
)
def test_comparisons_that_cannot_be(trained, arguments, line, tmp_path):
    with pytest.raises(UserError, match=line):
        bench_conversion.main(
            [str(trained / "relu.safetensors"), "-q", "--build-dir", str(tmp_path), *arguments]
        )


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_a_module_of_another_precision(kind):
    layers = torch.nn.Linear(64, 12), torch.nn.ReLU(), torch.nn.Linear(12, 10)
    module = torch.nn.Sequential(torch.nn.Flatten(), *layers).to(kind)
    first, second = (layers[k].weight.detach().float() for k in (0, 2))
    biases = [layers[k].bias.detach().float() for k in (0, 2)]
    subject = Subject.of_module(module, digits.load(), torch.device("cpu"))
    images = torch.rand(7, 1, 8, 8)
    expected = (images.flatten(1) @ first.T + biases[0]).relu() @ second.T + biases[1]
    torch.testing.assert_close(subject.graph.run(images), expected)


def test_modules_are_compared_by_no_command():
    with pytest.raises(UserError, match=r"^net.py:net: a module .* -m sw.convert net.py:net --"):
        bench_conversion.main(["net.py:net"])


def test_a_row_of_the_table():
    run = {
        "method": "rate",
        "settings": {},
        "dataset": "d",
        "part": "test",
        "images": 10,
        "steps": 2,
        "ann_accuracy": 0.9,
        "accuracy": [0.5, 0.9],
        "spikes_mean": [100.0, 250.0],
        "sin_share": 0.125,
        "answer_step": 1,
        "half_point_step": 2,
        "tenth_point_step": 2,
        "layers": [],
    }
    never = {**run, "half_point_step": None, "tenth_point_step": None, "accuracy": [0.5, 0.8]}
    never["sin_share"] = None
    table = markdown({"rate": [Conversion.from_dict(each) for each in (run, never)]})
    assert (
        table.splitlines()[2]
        == "| rate | 90.00% | 1 | 2, 2 / > 2, > 2 | 2, 2 / > 2, > 2 | – | 85.00% | 12.50% |"
    )
