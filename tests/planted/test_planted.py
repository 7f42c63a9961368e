"""The fast tier catches every planted bug; and a bug cannot count as caught for a wrong reason."""

from dataclasses import replace

import pytest
from bugs import BUGS
from plant import try_bug

TIE = BUGS["a tie goes to the highest index"]


@pytest.mark.deep
@pytest.mark.parametrize("name", BUGS)
def test_is_caught(name):
    assert try_bug(BUGS[name]), "no test of the fast tier failed"


def test_a_bug_that_is_none_is_not_caught():
    same = replace(TIE, new=TIE.old, tests=f"{TIE.tests}::test_rule_five")
    assert try_bug(same) is None


WRONG = {
    "no test ran": {"tests": "tests/hw/rtl/test_decide.py::test_nothing"},
    "NameError": {"new": "no_such_name"},
    "has 'nowhere' 0 times, not once": {"old": "nowhere"},
}


@pytest.mark.parametrize("message", WRONG)
def test_what_proves_nothing_is_refused(message):
    with pytest.raises(ValueError, match=message):
        try_bug(replace(TIE, **WRONG[message]))
