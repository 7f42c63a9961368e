"""What happens before a command runs: ``python -m`` with a module of this project."""

import sys
from types import TracebackType

from sw.cli import exit_status
from sw.commands import COMMANDS

__all__ = ["guard"]

_PACKAGES = ("hw", "sw", "sim")


def guard() -> None:
    """What a package calls when it is imported, for ``python -m`` with a module of this project.

    A module that is no command is refused; a command that ends while it is still importing, by
    Ctrl-C or since a package is missing, ends as in :func:`sw.cli.run`.
    """
    if sys.argv[0] != "-m":  # it is so only while Python looks for the module that it is to run
        return
    name = sys.orig_argv[-len(sys.argv)]
    name = name.partition("m")[2] if name.startswith("-") else name  # -mhw.build
    if name.partition(".")[0] not in _PACKAGES:
        return
    if name not in {"sw.firstspike", *(command.module for command in COMMANDS.values())}:
        print(f"error: {name} is no command; python -m sw.firstspike lists them", file=sys.stderr)
        sys.exit(2)
    sys.excepthook = _excepthook


def _excepthook(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    try:
        status = exit_status(error)
    except BaseException:
        sys.__excepthook__(kind, error, trace)
    else:
        sys.exit(status)
