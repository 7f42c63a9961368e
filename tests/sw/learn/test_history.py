"""What a run reports, written and read again."""

import json

import pytest

from sw.cli import UserError, to_json, write_json
from sw.learn.history import Epoch, read_epochs

ENTRY = {
    "epoch": 1,
    "rate": 0.1,
    "validation_accuracy": None,
    "decision_step_mean": 2.5,
    "spikes_mean": [3.0, 1.0],
}


def test_there_and_back():
    epoch = Epoch.from_dict(ENTRY)
    assert (epoch.validation_accuracy, epoch.spikes_mean) == (None, (3.0, 1.0))
    assert epoch.to_dict() == json.loads(to_json(epoch)) == ENTRY


@pytest.mark.parametrize(
    "change",
    [{"epoch": "1"}, {"rate": None}, {"validation_accuracy": "x"}, {"spikes_mean": 3}, {"more": 1}],
)
def test_what_is_no_epoch(change):
    """The field that is wrong is named."""
    (name,) = change
    with pytest.raises(ValueError, match=f"^{name}: "):
        Epoch.from_dict({**ENTRY, **change})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epochs": [{"epoch": 1}]}, "is not the log of a training run"),
        ({"epochs": [3]}, "is not the log of a training run"),
        ({"epochs": []}, "is the log of a run without epochs"),
        ({}, "is not the log of a training run"),
        ([], "is not the log of a training run"),
    ],
)
def test_what_is_no_log(tmp_path, content, message):
    path = tmp_path / "log.json"
    write_json(path, content)
    with pytest.raises(UserError, match=rf"log\.json: {message}"):
        read_epochs(path)


def test_no_such_log(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_epochs(tmp_path / "log.json")
