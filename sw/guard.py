"""What happens before a command runs: while Python looks for it and imports what it needs.

This module itself imports as little as it can, so that it is there early.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

__all__ = ["guard", "importing"]

_PACKAGES = ("hw", "sw", "sim")
_ENDS = {signal.SIGINT: ("interrupted", 130), signal.SIGTERM: ("terminated", 143)}


def guard() -> None:
    """What a package calls when it is imported, for ``python -m`` with a module of this project.

    A module that is no command is refused. A command that ends while it is still importing, by a
    signal or since a package is missing, ends as in :func:`sw.cli.run`, which takes over.
    """
    if sys.argv[0] != "-m":  # it is so only while Python looks for the module that it is to run
        return
    name = sys.orig_argv[-len(sys.argv)]
    name = name.partition("m")[2] if name.startswith("-") else name  # -mhw.build
    if name.partition(".")[0] not in _PACKAGES:
        return
    _leave_at_once()
    sys.excepthook = _excepthook
    from sw.commands import COMMANDS

    if name not in {"sw.firstspike", *(command.module for command in COMMANDS.values())}:
        print(f"error: {name} is no command; python -m sw.firstspike lists them", file=sys.stderr)
        sys.exit(2)


@contextmanager
def importing() -> Iterator[None]:
    """While modules are imported, SIGINT and SIGTERM end the process at once: there is nothing to
    clean up, and an exception in the middle of PyTorch's import makes it abort.
    """
    before = _leave_at_once()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_at_once() -> dict[signal.Signals, Any]:
    """Sets the handlers; those that were there before."""
    handled = [number for number in _ENDS if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, _leave) for number in handled}


def _leave(number: int, frame: FrameType | None) -> None:
    message, status = _ENDS[signal.Signals(number)]
    os.write(2, f"\n{message}\n".encode())
    os._exit(status)


def _excepthook(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    from sw.cli import exit_status

    try:
        status = exit_status(error)
    except BaseException:
        sys.__excepthook__(kind, error, trace)
    else:
        sys.exit(status)
