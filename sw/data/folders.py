"""One's own files in a folder for each class: ``<class>/…``, or ``train/<class>/…`` and
``test/<class>/…``; images, or sounds in WAV files.

Files in folders further below count, too: with ``--split groups`` the folder in which a file lies
is its group, such as ``<class>/<speaker>/…``. Files of other kinds and hidden ones are not looked
at.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sw.cli import UserError
from sw.data import images, sounds
from sw.data.raw import Kind, Raw
from sw.selection import Selection

__all__ = ["read"]

_SPLIT = ("train", "test")


def read(path: Path, selection: Selection) -> Raw:
    """The examples. Raises UserError for a folder without them, and for what cannot be read."""
    files: list[Path] = []
    labels: list[str] = []
    groups: list[str] = []
    test: list[bool | None] = []
    for folder, is_test in _class_folders(path):
        found = list(_files(folder))
        if not found:
            raise UserError(
                f"{folder}: has no images or WAV files; put some there, or remove the folder"
            )
        files += found
        labels += [folder.name] * len(found)
        groups += [file.parent.relative_to(folder).as_posix() for file in found]
        test += [is_test] * len(found)
    heard = [sounds.is_sound(file) for file in files]
    if any(heard) and not all(heard):
        raise UserError(
            f"{files[heard.index(True)]}: is a sound, {files[heard.index(False)]} an image; keep "
            "one kind in the folder"
        )
    if heard[0] and (selection.size or selection.grey):
        raise UserError(f"{path}: has sounds; leave out --size and --grey, which are for images")
    return Raw(
        kind=Kind.SOUND if heard[0] else Kind.IMAGES,
        inputs=sounds.read(files) if heard[0] else images.read(files, selection),
        labels=np.array(labels),
        groups=_groups(path, groups) if selection.split == "groups" else None,
        test=None if test[0] is None else np.array(test),
    )


def _groups(path: Path, groups: list[str]) -> np.ndarray:
    if "." in groups:
        raise UserError(
            f"{path}: --split groups takes the folders within those of the classes as groups, such "
            f"as <class>/<person>/…, and a file lies directly in that of a class"
        )
    return np.array(groups)


def _class_folders(path: Path) -> Iterator[tuple[Path, bool | None]]:
    """Each class's folder, and whether it is for testing; None if the folders do not say it."""
    inside = _folders(path)
    if {folder.name for folder in inside} & set(_SPLIT) != set(_SPLIT):
        yield from ((folder, None) for folder in inside)
        return
    for folder in inside:
        if folder.name not in _SPLIT:
            raise UserError(
                f"{folder}: lies beside train and test; move it away, or into one of them"
            )
        yield from ((each, folder.name == "test") for each in _folders(folder))


def _folders(path: Path) -> list[Path]:
    """The folders in ``path``, at least one."""
    found = sorted(each for each in path.iterdir() if each.is_dir() and each.name[0] != ".")
    if not found:
        raise UserError(f"{path}: has no folders of images or WAV files, one per class; make them")
    return found


def _files(folder: Path) -> Iterator[Path]:
    """The images and sounds in ``folder`` and below it."""
    for file in sorted(folder.rglob("*")):
        hidden = any(part[0] == "." for part in file.relative_to(folder).parts)
        if not hidden and (sounds.is_sound(file) or images.is_image(file)) and file.is_file():
            yield file
