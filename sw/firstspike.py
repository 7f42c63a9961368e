"""``firstspike COMMAND …``: every command under one name.

``firstspike build …`` is ``python -m hw.build …``: the same function. Only the module of the
command that runs is imported, so help and errors come at once.
"""

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from types import TracebackType
from typing import NamedTuple

from sw import __version__, cli
from sw.cli import UserError

__all__ = ["COMMANDS", "Command", "guard", "main"]


class Command(NamedTuple):
    """A command.

    Parameters
    ----------
    module : str
        Its ``main(arguments)`` is the command.
    description : str
        One line; also the first one of its own ``--help``.
    extras : tuple of str
        The optional dependencies it needs, as pyproject.toml names them.
    """

    module: str
    description: str
    extras: tuple[str, ...] = ()


COMMANDS = {
    "train": Command("sw.train", "Train a single-spike 1-bit network.", ("learn",)),
    "evaluate": Command(
        "sw.evaluate", "Measure a network on a data set's test images or recordings."
    ),
    "sweep": Command("sw.sweep", "Train for each value of a flag and each seed.", ("learn",)),
    "report": Command(
        "sw.report", "Draw what a network does on a data set's test part.", ("learn",)
    ),
    "raster": Command("sim.raster", "Draw one inference: spikes, margins, decision.", ("learn",)),
    "estimate": Command(
        "hw.estimate", "Estimate a network on a board, before any synthesis.", ("build",)
    ),
    "build": Command("hw.build", "Build a network's bitstream.", ("build",)),
    "export": Command(
        "hw.export", "Export a network as Verilog, with a JSON manifest.", ("build",)
    ),
    "verify": Command(
        "sim.verify",
        "Hold a network's hardware against the golden model, image by image.",
        ("build", "check"),
    ),
    "board": Command(
        "sim.board",
        "Simulate the netlist of a whole iCEBreaker, from its flash to its UART.",
        ("build", "check"),
    ),
    "energy": Command(
        "hw.energy", "Estimate a network's energy on an iCE40 UP5K.", ("build", "check")
    ),
    "host": Command(
        "hw.host", "Classify a data set's test images or recordings on a board.", ("host",)
    ),
    "doctor": Command("hw.doctor", "Say what is installed, what is missing, and how to get it."),
    "table": Command("hw.table", "Build every board and write the table.", ("build", "check")),
    "calibrate": Command(
        "hw.calibrate",
        "Synthesise a range of designs and compare the estimate.",
        ("build", "check"),
    ),
    "catalogue": Command("sw.catalogue", "Write the zoo's page, sw/zoo/README.md.", ("learn",)),
    "bench-training": Command("sw.bench_training", "Time training beside its peers.", ("learn",)),
    "bench-golden": Command("sim.bench_golden", "Measure the golden model's speed."),
}
_PACKAGES = ("hw", "sw", "sim")
_HEAD = """\
usage: firstspike COMMAND …

Networks that answer by who fires first, with 1-bit weights: trained, turned into chips, verified.
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
        print(_HEAD + "\n".join(f"  {name:16}{c.description}" for name, c in COMMANDS.items()))
        return None
    if name in ("-V", "--version"):
        print(f"firstspike {__version__}")
        return None
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        remedy = f"did you mean {near[0]}?" if near else "firstspike --help lists the commands"
        raise UserError(f"there is no command {name!r}; {remedy}")
    sys.argv = [f"firstspike {name}", *rest]  # as which argparse and error lines know it
    return import_module(COMMANDS[name].module).main(rest)


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
        status = cli.exit_status(error)
    except BaseException:
        sys.__excepthook__(kind, error, trace)
    else:
        sys.exit(status)


def entry() -> None:
    """What the script ``firstspike`` calls."""
    cli.run(main)


if __name__ == "__main__":
    entry()
