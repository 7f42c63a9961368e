"""Two processes learn what one learns from the same batches."""

import json
import os
import subprocess
import sys

import pytest
import torch

from sw import train
from sw.learn import distributed
from sw.network import Network

FLAGS = ["--epochs", "4", "--hidden", "32", "--steps", "8", "--device", "cpu"]


def torchrun(folder, *flags):
    """Two processes of ``sw.train``; the first one's output."""
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    return subprocess.run(
        [*run, "-m", "sw.train", *FLAGS, "--build-dir", str(folder), *flags],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_equals_one_process(tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    train.main([*FLAGS, "--build-dir", str(alone), "--json", str(alone / "figures.json"), "-q"])
    done = torchrun(together, "--json", str(together / "figures.json"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("strict") == 5  # one line an epoch and one at the end: of one process
    (mine,), (theirs,) = (list(folder.glob("*.safetensors")) for folder in (alone, together))
    assert mine.name == theirs.name
    mine, theirs = Network.load(mine), Network.load(theirs)
    # Sums are rounded in another order: a weight at zero may fall to the other side
    for a, b in zip(mine.layers, theirs.layers, strict=True):
        assert (a.weight != b.weight).mean() < 0.002
        assert abs(a.threshold - b.threshold).max() <= 1
    figures = [json.loads((folder / "figures.json").read_text()) for folder in (alone, together)]
    assert figures[0]["accuracy"] == pytest.approx(figures[1]["accuracy"], abs=0.01)
    assert not list(together.rglob("checkpoint.pt"))


def test_batch_must_be_divisible(tmp_path):
    done = torchrun(tmp_path, "--batch", "33")
    assert done.returncode != 0
    assert "2 processes: batch 33 must be divisible" in done.stderr


def test_alone_nothing_changes():
    batch = torch.arange(6)
    assert distributed.part(batch) is batch
    assert (distributed.count(), distributed.first()) == (1, True)
    gradient = torch.ones(3)
    distributed.average([gradient])
    assert gradient.tolist() == [1, 1, 1]


def test_parts_and_average(tmp_path):
    """Each process draws the whole batch and keeps its part; averages are the same in both."""
    script = tmp_path / "script.py"
    script.write_text(
        "import torch\n"
        "from sw import distributed\n"
        "with distributed.joined(torch.device('cpu')):\n"
        "    torch.manual_seed(0)\n"
        "    drawn = distributed.draw(lambda n: torch.rand(n, 2), 3)\n"
        "    mean = [drawn.clone(), torch.full((2,), float(distributed.first()))]\n"
        "    distributed.average(mean)\n"
        "    rank = int(not distributed.first())\n"
        f"    torch.save((drawn, mean), r'{tmp_path}/' + str(rank))\n"
    )
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    subprocess.run([*run, str(script)], check=True, capture_output=True, timeout=120)
    (first, mean), (second, same) = (torch.load(tmp_path / name) for name in ("0", "1"))
    torch.manual_seed(0)
    assert torch.equal(torch.cat([first, second]), torch.rand(6, 2))
    torch.testing.assert_close(mean[0], (first + second) / 2)
    assert mean[1].tolist() == [0.5, 0.5]
    assert all(torch.equal(a, b) for a, b in zip(mean, same, strict=True))
