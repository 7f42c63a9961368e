"""Faults on the line between the host and the compiled accelerator."""

import json
import random
from itertools import islice

import pytest
from cases import VERIFY

from sim import link_faults
from sim.link_faults import CASES, Case, Fault, every_fault, random_fault, try_faults

NAMES = [case.name for case in CASES]


def outcomes(result):
    return {key: result[key] for key in ("faults", "given_up", "wrong", "wrong_faults")}


def test_every_fault():
    """By hand, of two bytes to the board and one from it."""
    faults = list(every_fault(2, 1, inserted=(0, 255)))
    assert len(faults) == len(set(faults)) == 2 * (2 + 10 + 2) + (2 + 8 + 2)
    assert Fault("lost", True, 1) in faults
    assert Fault("flipped", True, 0, 9) in faults
    assert Fault("flipped", False, 0, 9) not in faults
    assert Fault("inserted", False, 0, 255) in faults


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_some_single_faults(case):
    """Each kind, here and there: the right class of each input, sent again if need be."""
    result = try_faults(
        case, lambda *sizes: islice(every_fault(*sizes, (0x3F,)), 3, None, 29), VERIFY
    )
    assert outcomes(result) == {
        "faults": result["unharmed"] + result["sent_again"],
        "given_up": 0,
        "wrong": 0,
        "wrong_faults": [],
    }
    assert result["sent_again"] > 0


@pytest.mark.deep
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_every_single_fault(case):
    inserted = (0x00, 0xFF, 0x3F, 0x42, 0x53, 0x61)
    result = try_faults(case, lambda *sizes: every_fault(*sizes, inserted), VERIFY)
    sizes = result["bytes_to_board"], result["bytes_from_board"]
    assert outcomes(result) == {
        "faults": sizes[0] * (12 + len(inserted)) + sizes[1] * (10 + len(inserted)),
        "given_up": 0,
        "wrong": 0,
        "wrong_faults": [],
    }


@pytest.mark.deep
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_faults_at_random(case):
    """Of more bytes than one, too: then the host may give up."""
    chance = random.Random(5)
    result = try_faults(
        case, lambda *sizes: (random_fault(chance, *sizes) for _ in range(500)), VERIFY
    )
    assert (result["faults"], result["wrong"]) == (500, 0)
    assert result["given_up"] < 25


def test_a_wrong_class_would_be_told(monkeypatch):
    """A host that takes whatever it gets."""
    case = CASES[0]
    monkeypatch.setattr(Case, "converse", lambda case, line: (next(answers), 0))
    answers = iter([True, False, True])
    result = try_faults(
        case, lambda *sizes: iter([Fault("lost", True, 3), Fault("lost", True, 4)]), VERIFY
    )
    assert result["wrong"] == 1
    assert result["wrong_faults"] == [Fault("lost", True, 3)._asdict()]


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(link_faults, "CASES", CASES[:1])
    arguments = [
        "--faults",
        "2",
        "--build-dir",
        str(VERIFY.parent),
        "--json",
        str(tmp_path / "out"),
    ]
    assert link_faults.main(arguments) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures == json.loads((tmp_path / "out").read_text())
    assert figures["version"] == 2
    assert figures["cases"][0]["faults"] == 2
