"""ANNs are trained the same after a kill, written and read back; what is no ANN is refused."""

import json
import os
from dataclasses import replace

import pytest
import torch
from nets import ann
from safetensors.torch import load_file, save_file

from sw.ann import files
from sw.ann.architectures import ARCHITECTURES, build
from sw.ann.files import Ann, Description
from sw.ann.trainer import AnnTrainer, Plan, values
from sw.cli import UserError
from sw.data import digits
from sw.learn.batches import Augmentation


def description(**changed):
    known = {
        "layers": "4c3p1,m2,r4,12",
        "levels": 0,
        "shape": (1, 8, 8),
        "labels": tuple("0123456789"),
        "dataset": "digits",
        "validation": 0.2,
        "seed": 3,
        "epochs": 2,
    }
    return Description(**{**known, **changed})


def trainer(**changed):
    plan = Plan(epochs=2, batch=64, augmentation=Augmentation(degrees=5.0))
    return AnnTrainer(plan, description(**changed), digits.load(), torch.device("cpu"))


def own(digest):
    """The digits, as if somebody had brought them."""
    return replace(digits.load(), reading={"sha256": digest})


def weights(module):
    return torch.cat([each.detach().double().flatten() for each in module.state_dict().values()])


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path):
    whole, first, again = trainer(), trainer(), trainer()
    whole.fit(tmp_path / "whole.pt", lambda *_: None)

    def kill(epoch, batch, validation):
        if (epoch, batch) == (1, 5):
            raise KilledError

    with pytest.raises(KilledError):
        first.fit(tmp_path / "killed.pt", kill)
    again.fit(tmp_path / "killed.pt", lambda *_: None)
    assert torch.equal(weights(again.module), weights(whole.module))
    assert whole.validation_accuracy() > 0.5
    with pytest.raises(UserError, match=r"checkpoint of another run \(seed 3, not 4\)"):
        trainer(seed=4).fit(tmp_path / "killed.pt", lambda *_: None)
    again = AnnTrainer(whole.plan, description(), own("a"), torch.device("cpu"))
    with pytest.raises(UserError, match=r"checkpoint of another run \(data None, not 'a'\)"):
        again.fit(tmp_path / "killed.pt", lambda *_: None)


@pytest.mark.parametrize("layers", ["12", "4c8", "4c3p1"])
def test_batch_norm_needs_two_images(layers):
    plan = Plan(epochs=1, batch=1)
    with pytest.raises(UserError, match=r"Batch must be of at least 2 images, not 1, .* --batch"):
        AnnTrainer(plan, description(layers=layers), digits.load(), torch.device("cpu"))


def test_inputs_are_normalised_by_the_images_that_are_learnt():
    made = trainer()
    learnt = made._images[made._learnt].double() / 255
    assert made.module.normalise.mean.item() == pytest.approx(learnt.mean().item())
    deviation = learnt.std(correction=0).item()
    assert made.module.normalise.deviation.item() == pytest.approx(deviation)


def test_a_file_comes_back(tmp_path):
    module = ann("4c3p1,m2,r4,12", classes=10, levels=3)
    known = description(levels=3, test_accuracy=0.5, versions={"torch": "2"})
    files.write(tmp_path / "a.safetensors", Ann(module, known))
    found = files.read(tmp_path / "a.safetensors")
    assert found.description == known
    images = torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(found.module(images), module(images))
    assert not found.module.training


def test_files_that_are_no_ann(tmp_path):
    path, good = tmp_path / "a.safetensors", tmp_path / "good.safetensors"
    module = ann("4c3p1,m2,r4,12", classes=10)
    files.write(good, Ann(module, description()))
    tensors = load_file(good)
    text = {"format": "ann/1", "description": json.dumps(description().to_dict())}

    def refused(line):
        with pytest.raises(UserError, match=line) as error:
            files.read(path)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)

    refused("cannot be read .*; name a file")
    os.mkfifo(path)
    refused("must be a file, not a folder, a pipe or a device")  # and is not waited for
    path.unlink()
    path.write_bytes(b"nothing of the kind")
    refused("holds no ANN .* train one with sw.train_ann")
    save_file(tensors, path, {"format": "ttfs-1bit/1"})
    refused("holds no ANN")
    for changed, line in (
        ({"layers": "4c3p1,m2,r4,13"}, "size mismatch for layer4"),
        ({"layers": "999999,999999"}, "Missing key|size mismatch"),
        ({"layers": "4c3p1,zz"}, "layer 2: must be a convolution"),
        ({"shape": (8, 8)}, "shape must be three numbers"),
        ({"seed": "x"}, "seed: must be int"),
        ({"levels": -1}, "levels must be at least 0, not -1"),
        ({"validation": 1.0}, "validation must be in 0 … below 1, not 1.0"),
        ({"validation": -0.5}, "validation must be in 0 … below 1, not -0.5"),
        ({"more": 1}, "more: no such field"),
    ):
        content = {**description().to_dict(), **changed}
        save_file(tensors, path, {**text, "description": json.dumps(content)})
        refused(line)
    content = good.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refused("holds no ANN|damaged")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_named_architectures(name):
    with torch.device("meta"):
        module = build(name, (3, 32, 32), 10)
        assert module(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    convolutions = [each for each in module.modules() if isinstance(each, torch.nn.Conv2d)]
    assert len(convolutions) == {"vgg16": 13, "resnet20": 19 + 2}[name]


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        ("8c3,f2", "layer 2: must be a convolution .* not 'f2'"),
        ("8c3p1.2.1.1", "layer 1: must be"),
        ("8c3,m9", "layer 2: window of m9 must not be larger than the map, 6 × 6"),
        ("8c11", "layer 1: Kernel of 8c11 must not be larger"),
        ("12,m1", "layer 2, m1, must stand before the dense layers"),
        ("12,8c1", "layer 2, 8c1, must stand before the dense layers"),
    ],
)
def test_layers_that_cannot_be(layers, line):
    with pytest.raises(UserError, match=line):
        build(layers, (1, 8, 8), 10)


def test_images_as_values():
    images = torch.tensor([[[[0], [255]]]], dtype=torch.uint8)
    assert values(images).tolist() == [[[[0.0, 1.0]]]]
