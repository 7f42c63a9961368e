"""A step is run once for the same inputs."""

from dataclasses import dataclass

import pytest

from hw.flow.asic.step import cached
from sw.record import Record


@dataclass(frozen=True, kw_only=True)
class Length(Record):
    characters: int


class Counter:
    """A step that leaves its text in a file, and counts how often it is run."""

    def __init__(self, text="abc"):
        self.runs = 0
        self.text = text

    def __call__(self, folder):
        assert not any(folder.iterdir())
        self.runs += 1
        (folder / "text").write_text(self.text)
        return Length(characters=len(self.text))


@pytest.fixture
def step(tmp_path):
    counter = Counter()

    def run(**inputs):
        return cached(tmp_path / "step", inputs, Length, counter)

    run.folder, run.counter = tmp_path / "step", counter
    return run


def test_the_same_inputs_give_the_same_without_a_second_run(step):
    assert step(a=1, b="x").characters == 3
    assert step(b="x", a=1).characters == 3
    assert step.counter.runs == 1


def test_other_inputs_begin_anew(step):
    step(a=1)
    (step.folder / "left over").write_text("")
    step(a=2)
    assert step.counter.runs == 2
    assert not (step.folder / "left over").exists()


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"digest": 1}', "{"])
def test_a_damaged_note_begins_anew(step, damage):
    step(a=1)
    (step.folder / "done.json").write_text(damage)
    assert step(a=1).characters == 3
    assert step.counter.runs == 2


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_text("b")])
def test_a_file_that_is_gone_or_another_one_begins_anew(step, change):
    step(a=1)
    change(step.folder / "text")
    step(a=1)
    assert step.counter.runs == 2
    assert (step.folder / "text").read_text() == "abc"


def test_a_step_that_was_interrupted_begins_anew(step, tmp_path):
    def stopped(folder):
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path / "step", {"a": 1}, Length, stopped)
    assert step(a=1).characters == 3
    assert not (step.folder / "half").exists()
