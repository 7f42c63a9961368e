"""Writes a bitstream onto its board, by whichever of the board's programmers is installed."""

import shlex
import shutil
import sys
from pathlib import Path

from hw.boards.programmers import Programmer, install_line
from hw.boards.table import Board
from hw.flow.errors import ToolAborted
from hw.flow.tools import run_logged
from sw.cli import UserError

__all__ = ["find_programmer", "program"]

_MINUTES = 15  # a flash of 1 MiB takes one, and is read again


def find_programmer(board: Board) -> Programmer | None:
    """The first of the board's programmers that is installed."""
    return next((each for each in board.programmers if shutil.which(each.program)), None)


def program(board: Board, content: Path, *, quiet: bool = False) -> Programmer:
    """Writes ``content``, a bitstream or a flash image; what the programmer says goes to stderr
    meanwhile, and into ``program.log`` beside ``content``.

    Raises
    ------
    UserError
        No programmer is installed, or it fails.
    """
    chosen = find_programmer(board)
    if chosen is None:
        first = board.programmers[0]
        raise UserError(
            f"{first.program} is not installed; {install_line(first.program)}, then "
            f"{shlex.join(first.command(content))}"
        )
    log, shown = content.with_name("program.log"), 0

    def watch() -> None:
        nonlocal shown
        if not quiet:
            text = log.read_bytes()[shown:]
            shown += len(text)
            sys.stderr.write(text.decode("utf-8", errors="replace"))
            sys.stderr.flush()

    path = shutil.which(chosen.program) or chosen.program
    command = [path, *chosen.command(content.absolute())[1:]]
    kept = f"the bitstream is {content}"
    try:
        status = run_logged(
            chosen.program, command, cwd=content.parent, log=log, minutes=_MINUTES, watch=watch
        )
    except ToolAborted as error:
        raise ToolAborted(f"{error}; plug the board in again; {kept}") from None
    if status:
        raise UserError(
            f"{chosen.program} failed: {_last_words(log)} (its log: {log}); check that the board "
            f"is connected and that you may use it (group plugdev); {kept}"
        )
    return chosen


def _last_words(log: Path) -> str:
    """What a programmer said last: two lines, as the last one alone may just say that it gave
    up.
    """
    lines = log.read_text(errors="replace", encoding="utf-8").split("\n")
    # Of a line that is written again and again only the last state counts.
    last = [line.rstrip("\r").rsplit("\r")[-1].strip() for line in lines]
    return " ".join([line for line in last if line][-2:]) or "no output"
