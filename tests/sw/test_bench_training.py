"""The benchmark runs what it says; its times are not looked at."""

import json

import pytest
import torch

from sw import bench_training
from sw.cli import UserError
from sw.structure import Structure, parse

ARGUMENTS = ["--hidden", "12", "--batch", "32", "--steps", "4"]
LIMITS = bench_training.Limits(
    operations_per_second=1000.0, tensor_operations_per_second=10**5, bytes_per_second=10**9
)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(bench_training, "_SECONDS", 0.001)
    monkeypatch.setattr(bench_training, "_ROUNDS", 1)


def test_prints_one_object(quick, capsys, tmp_path):
    bench_training.main([*ARGUMENTS, "--json", str(tmp_path / "figures.json")])
    figures = json.loads(capsys.readouterr().out)
    assert figures == json.loads((tmp_path / "figures.json").read_text())
    assert (figures["network"], figures["batch"], figures["device"]) == ("64-12-10", 32, "CPU")
    cases = [row["case"] for row in figures["rows"]]
    assert cases[:2] == ["bstdg", "surrogate"]  # and peers, where they are installed
    assert all(row["images_per_second"] > 0 for row in figures["rows"])

    bench_training.main([*ARGUMENTS, "--only", "surrogate"])
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["case"] == "surrogate"


MAPS = Structure((1, 4, 5), parse("3c3p1.1.0.1-f2-4c2x1-f1x2-10"))


def test_maps(quick, capsys):
    bench_training.main(["--layers", "3c3p1,f2", "--batch", "32", "--steps", "4"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["network"] == "1x8x8-3c3p1-f2-10"
    assert [row["case"] for row in figures["rows"]][:2] == ["bstdg", "surrogate"]


@pytest.mark.parametrize("structure", [(20, 12, 10), MAPS], ids=str)
def test_every_case_learns(structure):
    """A step of each case changes its network: nothing is timed that does no work."""
    torch.manual_seed(0)
    times, labels = torch.randint(0, 9, (16, 20)), torch.randint(0, 10, (16,))
    for case in bench_training.cases(structure, 8, times, labels):
        before = [parameter.clone() for parameter in case.network.parameters()]
        case.step()
        after = list(case.network.parameters())
        assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)), case.name


def test_a_case_that_cannot_run_says_why(monkeypatch):
    def fails():
        raise RuntimeError("no such thing\nand more")

    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    case = bench_training.Case("x", torch.nn.Identity(), fails, captured=False)
    row = bench_training.measure(case, 4, 1, torch.device("cpu"))
    expected = {"case": "x", "steps": 4, "cuda_graph": False, "error": "no such thing"}
    assert row.to_dict() == expected


@pytest.mark.smoke
def test_roofline_by_hand():
    """Two images of 3 inputs, 2 + 1 of which fire; 4 hidden units, 2 classes.

    Forward 3 · 4 + 2 · 4 · 2 = 28, backward 2 · 2 · (12 + 6 · 8) = 240 operations. 20 weights in
    four tensors, read and written, and 9 spike times an image: 658 bytes.
    """
    times = torch.tensor([[0, 1, 4], [4, 4, 3]])
    roofline = bench_training._roofline((3, 4, 2), times, 4, 1.0, LIMITS)
    assert roofline == bench_training.Roofline(operations=268, bytes=658, share=0.134)


def test_roofline_of_maps_by_hand():
    """1x4x5: 3 channels of 9 taps at 4 × 4 places, 432 products, pooled to 3 × 2 × 2; 4 channels of
    6 taps at 1 × 2, 48; 8 · 10 dense. Thrice each, the first layer twice: 1,248 a step, twice as
    many operations. 131 weights in four tensors, read and written; 20 + 48 + 12 + 8 + 10 times.
    """
    structure = Structure((1, 4, 5), parse("3c3p1.1.0.1-f2-4c2x1-10"))
    roofline = bench_training._tensor_roofline(structure, 2, 4, 1.0, LIMITS)
    operations, moved = 2 * 1248 * 4 * 2, 32 * 131 + 2 * 98
    assert (roofline.operations, roofline.bytes) == (operations, moved)
    assert roofline.share == pytest.approx(operations / 10**5 / 2, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "3c9"], r"--layers: Layer 0: Kernel of 3c9 must not be larger than .*8 × 8"),
        (["--layers", "3q"], "--layers: a layer must be a number of units, .* not '3q'"),
        (["--batch", "9999"], "--batch must be in 1 … 1442, not 9999"),
        (["--device", "cuda"], "PyTorch finds no GPU"),
        (["--only", "nosuch"], "--only: invalid choice: 'nosuch'"),
        (["--dataset", "fsdd"], "--dataset fsdd: holds events"),
    ],
)
def test_refuses(arguments, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=message):
        bench_training.main(arguments)
