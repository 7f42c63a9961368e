"""What commands find out about a network, kept as JSON beside its report page."""

import platform
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np

from sw.cli import printable, read_json
from sw.network import Network, file_name
from sw.record import Record

__all__ = [
    "Histogram",
    "Result",
    "command_line",
    "folder_of",
    "made_by",
    "portable",
    "portable_path",
    "read_results",
    "versions_of",
]

R = TypeVar("R", bound="Result")

_ABSOLUTE = re.compile(r"(?<![\w.~/:-])/(?:[^\s'\"/:;,()]+/)*[^\s'\"/:;,()]+")
_UNSAID = ("-q", "--quiet")  # flags that change nothing of what is found


@dataclass(frozen=True, kw_only=True)
class Result(Record):
    """What one command found out. Its file is ``<kind>.json``, or one for each ``variant``.

    Parameters
    ----------
    network_sha256 : str
        Of the network that it is about; of another network it counts for nothing.
    command : str
        That finds it again.
    versions : dict of str to str
        Of what it depends on.
    """

    kind: ClassVar[str]

    network_sha256: str
    command: str
    versions: dict[str, str]

    @property
    def variant(self) -> str:
        """What tells it from others of its kind for the same network; empty if there is one."""
        return ""

    @property
    def extent(self) -> int:
        """How much it is of: a result that is of less does not replace it."""
        return 0

    @property
    def file_name(self) -> str:
        """Of its file."""
        variant = file_name(self.variant, "")
        return f"{self.kind}-{variant}.json" if variant else f"{self.kind}.json"


@dataclass(frozen=True, kw_only=True)
class Histogram(Record):
    """How many examples have each value, ascending."""

    values: tuple[int, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: np.ndarray) -> "Histogram":
        """That of whole ``values`` [B]."""
        unique, counts = np.unique(values, return_counts=True)
        return cls(values=tuple(map(int, unique)), counts=tuple(map(int, counts)))

    @property
    def images(self) -> int:
        """All examples."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """Of the values."""
        pairs = zip(self.values, self.counts, strict=True)
        return sum(value * count for value, count in pairs) / self.images

    def quantile(self, share: float) -> int:
        """The least value that ``share`` of the examples do not exceed."""
        below = 0
        for value, count in zip(self.values, self.counts, strict=True):
            below += count
            if below >= share * self.images:
                return value
        return self.values[-1]


def versions_of(*packages: str) -> dict[str, str]:
    """Of Python and of installed ``packages``."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def folder_of(network: Network, build_dir: Path) -> Path:
    """Where the page of a network and all results about it lie."""
    return build_dir / "report" / network.file_name


def read_results(folder: Path, kind: type[R], network: Network) -> list[R]:
    """The results of a kind about this very network, by file name. Those that are damaged, or of
    another version of this project, count for nothing.
    """
    sha256, found = network.sha256, []
    for path in sorted(folder.glob(f"{kind.kind}*.json")):
        try:
            result = kind.from_dict(read_json(path))
        except (OSError, ValueError):
            continue
        if result.network_sha256 == sha256 and result.file_name == path.name:
            found.append(result)
    return found


def command_line(module: str, arguments: Sequence[str]) -> str:
    """A command as a user gives it again, without absolute paths and flags for its output."""
    kept, skip = [], False
    for each in arguments:
        if skip or each in _UNSAID or each.startswith("--json="):
            skip = False
        elif each == "--json":
            skip = True
        else:
            flag, equals, value = each.rpartition("=")
            kept.append(f"{flag}{equals}{_shorter(value)}" if value.startswith("/") else each)
    return shlex.join(["python", "-m", module, *kept])


def made_by(network: Network) -> str:
    """The command that made the network, as its file says."""
    return portable(printable(str(network.provenance["command"]), 1000))


def portable(text: str) -> str:
    """``text`` with each absolute path relative to the working folder, or as its last part only:
    a page is passed on, and where a user keeps files is nobody else's concern.
    """
    return _ABSOLUTE.sub(lambda match: _shorter(match[0]), text)


def portable_path(path: str) -> str:
    """A whole ``path``, or the name of a data set, likewise; it may have spaces."""
    return _shorter(path) if path.startswith("/") else path


def _shorter(path: str) -> str:
    """An absolute path relative to the working folder, or its last part."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return f"…/{Path(path).name}"
