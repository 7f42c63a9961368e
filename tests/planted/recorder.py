"""``python recorder.py RECORD TESTS``: runs tests of the fast tier up to the first that fails, and
writes to RECORD how many passed and what the failing one raised.
"""

import json
import sys
from pathlib import Path

import pytest


class _Recorder:
    def __init__(self):
        self.passed, self.failure = 0, None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.failed:
            message = str(call.excinfo.value).splitlines() or [""]
            self.failure = {
                "test": item.nodeid,
                "error": call.excinfo.type.__name__,
                "message": message[0],
            }
        elif report.when == "call":
            self.passed += 1
        return report


if __name__ == "__main__":
    record, tests = sys.argv[1:]
    recorder = _Recorder()
    flags = ["-x", "-q", "-m", "not deep", "-p", "no:cacheprovider"]
    pytest.main([*flags, tests], plugins=[recorder])
    text = json.dumps({"passed": recorder.passed, "failure": recorder.failure})
    Path(record).write_text(text, encoding="utf-8")
