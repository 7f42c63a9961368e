"""Files with what a run has learnt so far: who wrote one is known, and damage is told from bugs."""

import io
import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sw.cli import UserError, atomic_path, from_json

__all__ = ["Saved"]

# What reading a damaged file ends in
_DAMAGES = (
    *(OSError, EOFError, RuntimeError, pickle.PickleError),
    *(LookupError, TypeError, ValueError, AttributeError),
)


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A kind of such files.

    Parameters
    ----------
    name : str
        What one is called in messages.
    another, drop : str
        What to do about one of another run, and about a damaged one.
    """

    name: str
    another: str
    drop: str

    def write(self, path: Path, identity: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        """Writes a file, whole or not at all. ``identity``, of JSON's values, is what
        :meth:`read` asks for.
        """
        buffer = io.BytesIO()  # PyTorch reports a full disk in a way of its own
        torch.save({"identity": json.dumps(identity, sort_keys=True), **content}, buffer)
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    @contextmanager
    def reading(
        self, path: Path, identity: Mapping[str, Any], device: torch.device
    ) -> Iterator[dict[str, Any]]:
        """The content of a file, with tensors on ``device``. What is wrong with it may also come
        out where it is used.

        Raises
        ------
        UserError
            It is another run's, or damaged.
        """
        try:
            content = torch.load(path, map_location=device, weights_only=True)
            found = dict(from_json(content["identity"]))
        except _DAMAGES:
            raise self._damaged(path) from None
        own = json.loads(json.dumps(identity))
        for key in sorted({*found, *own}):
            if found.get(key) != own.get(key):
                raise UserError(
                    f"{path}: {self.name} of another run ({key} {found.get(key)!r}, "
                    f"not {own.get(key)!r}); {self.another}"
                )
        try:
            yield content
        except _DAMAGES:
            raise self._damaged(path) from None

    def _damaged(self, path: Path) -> UserError:
        return UserError(f"{path}: not a {self.name}, or damaged; {self.drop}")
