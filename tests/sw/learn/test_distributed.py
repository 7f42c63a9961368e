"""Two processes learn what one learns from the same batches."""

import json
import os
import socket
import subprocess
import sys

import pytest
import torch
from networks import PROVENANCE

from sw import train
from sw.cli import UserError
from sw.learn import distributed
from sw.learn.presets import preset
from sw.learn.trainer import Trainer
from sw.network import Network
from sw.rules import draws

FLAGS = ["--epochs", "2", "--hidden", "32", "--steps", "8", "--device", "cpu", "--no-report"]


def torchrun(folder, *flags):
    """Two processes of ``sw.train``; the first one's output."""
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    return subprocess.run(
        [*run, "-m", "sw.train", *FLAGS, "--build-dir", str(folder), *flags],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def nearly_equal(mine, theirs):
    """Sums are rounded in another order: a weight at zero may fall to the other side."""
    for a, b in zip(mine, theirs, strict=True):
        assert (a.weight != b.weight).mean() < 0.002
        assert abs(a.threshold - b.threshold).max() <= 1


@pytest.mark.deep
def test_torchrun_equals_one_process(tmp_path):
    """The command itself."""
    alone, together = tmp_path / "alone", tmp_path / "together"
    train.main([*FLAGS, "--build-dir", str(alone), "--json", str(alone / "figures.json"), "-q"])
    done = torchrun(together, "--json", str(together / "figures.json"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("strict") == 3  # one line an epoch and one at the end: of one process
    (mine,), (theirs,) = (list(folder.glob("*.safetensors")) for folder in (alone, together))
    assert mine.name == theirs.name
    nearly_equal(*(network.layers for network in map(Network.load, (mine, theirs))))
    figures = [json.loads((folder / "figures.json").read_text()) for folder in (alone, together)]
    assert figures[0]["accuracy"] == pytest.approx(figures[1]["accuracy"], abs=0.01)
    assert not list(together.rglob("checkpoint.pt"))


def test_batch_must_be_divisible(digits, monkeypatch):
    monkeypatch.setattr(distributed, "count", lambda: 2)
    with pytest.raises(UserError, match="2 processes: batch 33 must be divisible"):
        Trainer(preset("digits", batch=33, hidden=(4,)), digits)


def test_a_rule_that_looks_at_the_whole_batch_is_refused(digits, monkeypatch):
    monkeypatch.setattr(distributed, "count", lambda: 2)
    with pytest.raises(UserError, match="rule 'surrogate' learn from each image by itself"):
        Trainer(preset("digits", rule="surrogate", hidden=(4,)), digits)


@pytest.mark.smoke
def test_alone_nothing_changes():
    batch = torch.arange(6)
    assert draws.part(batch) is batch
    assert (draws.count(), distributed.first()) == (1, True)
    gradient = torch.ones(3)
    distributed.average([gradient])
    assert gradient.tolist() == [1, 1, 1]


SCRIPT = """
import sys, torch
from networks import PROVENANCE
from sw.data.registry import load
from sw.learn import distributed
from sw.learn.presets import preset
from sw.learn.trainer import Trainer
from sw.rules.draws import draw

with distributed.joined(torch.device("cpu")):
    torch.manual_seed(0)
    drawn = draw(lambda n: torch.rand(n, 2), 3)
    mean = [drawn.clone(), torch.full((2,), float(distributed.first()))]
    distributed.average(mean)
    torch.save((drawn, mean), sys.argv[1])
    trainer = Trainer(preset("digits", hidden=(32,), steps=8, epochs=2), load("digits", None))
    trainer.fit()
    trainer.network("x", PROVENANCE).save(sys.argv[1] + ".safetensors")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes that run the script left, each under its rank."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    world |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder / rank)],
            env={**os.environ, **world, "RANK": rank},
        )
        for rank in "01"
    ]
    assert [process.wait() for process in processes] == [0, 0]
    return folder


def test_parts_and_average(folder):
    """Each process draws the whole batch and keeps its part; averages are the same in both."""
    (first, mean), (second, same) = (torch.load(folder / name) for name in ("0", "1"))
    torch.manual_seed(0)
    assert torch.equal(torch.cat([first, second]), torch.rand(6, 2))
    torch.testing.assert_close(mean[0], (first + second) / 2)
    assert mean[1].tolist() == [0.5, 0.5]
    assert all(torch.equal(a, b) for a, b in zip(mean, same, strict=True))


def test_two_learn_what_one_learns(folder, digits):
    trainer = Trainer(preset("digits", hidden=(32,), steps=8, epochs=2), digits)
    trainer.fit()
    first, second = (Network.load(folder / f"{rank}.safetensors") for rank in "01")
    assert first.sha256 == second.sha256
    nearly_equal(first.layers, trainer.network("x", PROVENANCE).layers)
