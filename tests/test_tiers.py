"""``tests/README.md`` says what is deep, and knows every planted bug."""

import re
from pathlib import Path

from bugs import BUGS

TESTS = Path(__file__).parent
README = (TESTS / "README.md").read_text(encoding="utf-8")


def test_every_file_with_deep_tests_has_a_row():
    deep = {
        path.relative_to(TESTS).as_posix()
        for path in TESTS.rglob("test_*.py")
        if re.search(r"mark\.deep\b|\*deep\(", path.read_text(encoding="utf-8"))
    } - {"test_tiers.py"}
    rows = README.split("## What is deep")[1].split("## Planted bugs")[0]
    assert set(re.findall(r"`([\w/]+\.py)`", rows)) == deep


def test_every_planted_bug_was_caught_by_a_test_that_is_there():
    rows = re.findall(r"^\| ([^|]+) \| `([\w/.]+)` \| `([\w/.]+)::.*` \|$", README, re.MULTILINE)
    expected = [(name, bug.file, bug.tests.split("::")[0]) for name, bug in BUGS.items()]
    assert rows == expected
