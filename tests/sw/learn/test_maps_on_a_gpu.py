"""Layers on maps on a GPU, where convolutions are of half precision and a step is a CUDA graph."""

import copy

import numpy as np
import pytest
import torch
from networks import PROVENANCE

from sim import golden
from sw.learn.presets import preset
from sw.learn.recipes import hidden_layers
from sw.learn.teacher import Distillation
from sw.learn.trainer import Trainer
from sw.rules.surrogate import Surrogate
from sw.structure import Structure, parse

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("text", ["16c3p1-f2-32c3p1-f2-10", "8c3-24c3p1-8c5s2-20-10", "f2-6c3-10"])
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_are_those_of_a_cpu(text, channels):
    torch.manual_seed(0)
    structure = Structure((channels, 16, 16), parse(text))
    settings = {"integer": True, "shared_deviation": True, "end_gain": 1.0, "anneal_share": 0.7}
    rule = Surrogate(structure, 4, start_bias=0.0, gain=0.0, **settings)
    times, labels = torch.randint(0, 5, (64, structure.sizes[0])), torch.randint(0, 10, (64,))
    rule.start(times)
    other = copy.deepcopy(rule).cuda()
    rule.backward(times, labels)
    other.backward(times.cuda(), labels.cuda())
    for own, theirs in zip(rule.parameters(), other.parameters(), strict=True):
        assert (own.grad - theirs.grad.cpu()).norm() < 0.1 * own.grad.norm()


def test_learns_resumes_and_answers_as_the_golden_model(digits, tmp_path):
    recipe = preset(
        "digits",
        hidden=hidden_layers("8c3p1-f2-16c3p1-20"),
        epochs=6,
        batch=32,
        growth=(2,),
        distillation=Distillation(teacher_epochs=3, teacher_width=8),
    )
    whole = Trainer(recipe, digits, "cuda")
    assert whole.teach(tmp_path / "teacher.pt") > 0.5
    whole.fit()
    assert whole.history[-1].validation_accuracy > 0.3
    first, again = (Trainer(recipe, digits, "cuda") for _ in range(2))
    path = tmp_path / "checkpoint.pt"

    def stop(*now):
        if now == (4, 1):
            raise KeyboardInterrupt

    first.teach(tmp_path / "teacher.pt")
    with pytest.raises(KeyboardInterrupt):
        first.fit(path, stop)
    again.teach(tmp_path / "teacher.pt")
    again.fit(path)
    states = (trainer.rule.state_dict().values() for trainer in (whole, again))
    for one, other in zip(*states, strict=True):
        assert torch.equal(one, other)
    answered = golden.run_images(whole.network("x", PROVENANCE), digits.test_images)
    own = whole.answer(digits)
    for mine, theirs in zip(own.times, answered.times, strict=True):
        np.testing.assert_array_equal(mine, theirs)
