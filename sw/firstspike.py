"""``firstspike COMMAND …``: every command under one name.

``firstspike build …`` is ``python -m hw.build …``: the same function. Only the module of the
command that runs is imported, so help and errors come at once.
"""

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module

from sw import __version__, cli
from sw.cli import UserError
from sw.commands import COMMANDS
from sw.guard import importing

__all__ = ["main"]


_HEAD = """\
usage: firstspike COMMAND …

First-spike networks with 1-bit weights: trained, turned into chips, verified.
firstspike COMMAND --help has the flags of each command.

commands:
"""


def main(arguments: Sequence[str] | None = None) -> int | None:
    """The entry point: runs the command that the first argument names.

    Raises
    ------
    UserError
        There is no such command; or what the command raises.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help", "help"):
        print(_HEAD + "\n".join(f"  {name:18}{c.description}" for name, c in COMMANDS.items()))
        return None
    if name in ("-V", "--version"):
        print(f"firstspike {__version__}")
        return None
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        remedy = f"did you mean {near[0]}?" if near else "firstspike --help lists the commands"
        raise UserError(f"there is no command {name!r}; {remedy}")
    sys.argv = [f"firstspike {name}", *rest]  # as which argparse and error lines know it
    with importing():
        module = import_module(COMMANDS[name].module)
    return module.main(rest)


def entry() -> None:
    """What the script ``firstspike`` calls."""
    cli.run(main)


if __name__ == "__main__":
    entry()
