"""The files of weights that are loaded at start-up, beside the bitstream."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from hw.boards.table import Board
from hw.link import weight_image
from hw.rtl.config import Config
from hw.rtl.core import loaded_words
from sw.cli import atomic_path
from sw.network import Network
from sw.record import Record

__all__ = ["Loading", "weight_paths", "write_weights"]


@dataclass(frozen=True, kw_only=True)
class Loading(Record):
    """Where the weights to load are; all None where none are loaded.

    Parameters
    ----------
    weights : str or None
        Path of the weight image.
    flash : str or None
        Path of the flash image, if the design can read the board's flash.
    commands : dict of str to str, or None
        Commands that program them, of which one is enough.
    """

    weights: str | None = None
    flash: str | None = None
    commands: dict[str, str] | None = None

    def lines(self) -> list[tuple[str, str]]:
        """As human-readable text."""
        titles = {
            "host": "load by host",
            "flash": "program flash",
            "weights": "weights alone",
        }
        return [(titles[name], text) for name, text in (self.commands or {}).items()]


def weight_paths(
    network: Network, board: Board, config: Config, bitstream: Path
) -> dict[str, Path]:
    """The files of :func:`write_weights`, by their names."""
    names = ["weights"] if config.loads(network) else []
    names += ["flash"] if names and board.weights_at is not None else []
    return {name: bitstream.with_suffix(f".{name}") for name in names}


def write_weights(network: Network, board: Board, config: Config, bitstream: Path) -> Loading:
    """Where weights are loaded: writes the weight image beside the bitstream, and the flash image
    if the board can read its flash.
    """
    words = loaded_words(network, config)
    if words is None:
        return Loading()
    content = weight_image.pack(network, words)
    paths = weight_paths(network, board, config, bitstream)
    load = shlex.quote(str(paths["weights"]))
    commands = {"host": f"python -m hw.host NETWORK --load {load}"}
    contents = {"weights": content}
    if board.weights_at is not None:
        at = board.weights_at
        contents["flash"] = weight_image.with_bitstream(bitstream.read_bytes(), content, at)
        first = board.programmers[0]
        commands["flash"] = shlex.join(first.command(paths["flash"]))
        commands["weights"] = shlex.join(first.command(paths["weights"], "-o", str(at)))
    for name, path in paths.items():
        with atomic_path(path) as temporary:
            temporary.write_bytes(contents[name])
    return Loading(**{name: str(path) for name, path in paths.items()}, commands=commands)
