"""Distillation: the teacher, what becomes of its answers, and its file."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from sw.cli import UserError
from sw.learn.presets import preset
from sw.learn.teacher import Distillation, Teacher, targets
from sw.learn.trainer import Trainer

QUICK = Distillation(teacher_epochs=6, teacher_width=4, teacher_rate=0.01)


def small(distillation=QUICK, **changes):
    fields = {"hidden": (20,), "epochs": 2, "batch": 32, "rate": 0.02}
    return preset("digits", **fields | changes, distillation=distillation)


def state(trainer):
    return [value.clone() for value in trainer.rule.state_dict().values()]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13), (2, 1, 30), (1, 2, 2)])
def test_it_takes_images_as_data_sets_hold_them(rng, shape):
    """Also signals of one row, and images that are too small to pool."""
    channels, height, width = shape
    images = torch.from_numpy(rng.integers(0, 256, (5, height, width, channels), "uint8"))
    teacher = Teacher(shape, 7, 4).eval()
    logits = teacher(images)
    assert logits.shape == (5, 7)
    if channels == 1:
        assert torch.equal(logits, teacher(images[..., 0]))
    else:
        assert not torch.allclose(logits, teacher(images.flip(3)))


def test_of_width_0_it_is_logistic_regression(rng):
    images = torch.from_numpy(rng.integers(0, 256, (5, 2, 3, 4), "uint8"))
    teacher = Teacher((4, 2, 3), 7, 0)
    (weight, bias), expected = teacher.parameters(), torch.zeros(5, 7)
    for channel, row, column in np.ndindex(4, 2, 3):
        share = images[:, row, column, channel].float() / 255
        expected += torch.outer(share, weight[:, (channel * 2 + row) * 3 + column])
    torch.testing.assert_close(teacher(images), expected + bias)


def test_targets_are_between_label_and_answer(rng):
    images = torch.from_numpy(rng.integers(0, 256, (5, 8, 8), "uint8"))
    labels = torch.tensor([0, 2, 1, 1, 0])
    teacher = Teacher((1, 8, 8), 3, 4).eval()
    answers, truth = teacher(images).softmax(dim=1), one_hot(labels, 3).float()
    for share in (0.0, 0.25, 1.0):
        found = targets(teacher, Distillation(share=share), images, labels)
        torch.testing.assert_close(found, (1 - share) * truth + share * answers)
    soft = targets(teacher, Distillation(share=1.0, temperature=4.0), images, labels)
    torch.testing.assert_close(soft, (teacher(images) / 4).softmax(dim=1))


@pytest.mark.parametrize("width", [0, 4])
def test_a_run_learns_from_it(digits, width):
    distillation = replace(QUICK, teacher_width=width)
    plain, taught = Trainer(small(None), digits), Trainer(small(distillation), digits)
    seen = []
    assert taught.teach(watch=lambda *epochs: seen.append(epochs)) > 0.5  # chance is 0.1
    assert seen == [(done, 6) for done in range(7)]
    for trainer in (plain, taught):
        trainer.fit()
    assert not all(map(torch.equal, state(plain), state(taught)))


@pytest.mark.parametrize("rule", ["bstdg", "stdg", "surrogate"])
def test_rules_that_take_its_answers(digits, rule):
    trainer = Trainer(small(rule=rule, epochs=1), digits)
    trainer.fit()
    assert trainer.epoch == 1


def test_its_file(digits, tmp_path):
    """A second run, with another seed too, learns from the same teacher, as one without a file."""
    path = tmp_path / "teacher.pt"
    first, again, other = Trainer(small(), digits), Trainer(small(), digits), None
    accuracy = first.teach(path)
    assert again.teach(path, lambda *_: pytest.fail("learns")) == accuracy
    other = Trainer(small(seed=1), digits)
    assert other.teach(path) == accuracy
    alone = Trainer(small(), digits)
    for trainer in (first, again, alone):
        trainer.fit()
    for one, two, three in zip(*map(state, (first, again, alone)), strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)


def test_a_file_of_another_run_is_refused(digits, tmp_path):
    path = tmp_path / "teacher.pt"
    Trainer(small(), digits).teach(path)
    for changes, message in (
        ({"validation": 0.1}, r"validation 0\.2, not 0\.1"),
        ({"distillation": Distillation(teacher_width=8)}, "teacher_epochs 6, not 30"),
    ):
        with pytest.raises(UserError, match=rf"{path}: teacher of another run \({message}\)"):
            Trainer(small(**changes), digits).teach(path)
    with pytest.raises(UserError, match=r"teacher of another run \(data None, not 'a'\)"):
        Trainer(small(), replace(digits, reading={"sha256": "a"})).teach(path)
    path.write_bytes(b"no teacher")
    with pytest.raises(UserError, match=f"^{path}: not a teacher, or damaged; remove it"):
        Trainer(small(), digits).teach(path)


def test_refusals():
    with pytest.raises(UserError, match="Distillation: share must be a number in 0 … 1, not 2"):
        Distillation(share=2.0)
    with pytest.raises(UserError, match=r"^fsdd: holds events, not images; leave out --distil$"):
        preset("fsdd", distillation=QUICK)
    with pytest.raises(UserError, match="Rule 's4nn' learns one class per image, not a teacher"):
        small(rule="s4nn")
