"""Files of NumPy arrays (``.npz``) from anywhere, read with bounds: what an array declares is
checked before a byte of it is unpacked, and nothing pickled is ever opened.
"""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import numpy as np

from sw.cli import UserError
from sw.container import quoted

__all__ = ["BESIDE", "DAMAGES", "LARGEST", "beside", "names", "read", "read_array", "vector"]

BESIDE = ("groups", "test")  # what may say how examples are split
LARGEST = 1 << 31  # bytes of all arrays together, unpacked
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# What reading a damaged file raises; NumPy parses an array's header as Python.
DAMAGES = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,  # zipfile's, of a compression, encryption or version it does not know
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def names(path: Path) -> list[str]:
    """Names of the arrays in a file. Raises UserError if it is no ``.npz``."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [each.removesuffix(".npy") for each in archive.namelist()]
    except DAMAGES as error:
        raise UserError(f"{path}: cannot be read as .npz ({error}); name another file") from None


def read(path: Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """Those of the arrays ``wanted`` that the file has.

    Raises
    ------
    UserError
        The file is damaged, would take more than 2 GiB, or holds pickled objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                member.filename.removesuffix(".npy"): member for member in archive.infolist()
            }
            members = {name: member for name, member in members.items() if name in wanted}
            if (size := sum(member.file_size for member in members.values())) > LARGEST:
                raise UserError(
                    f"{path}: declares {size:,} bytes of arrays, at most {LARGEST:,} are read; "
                    "keep fewer examples, or bytes (uint8)"
                )
            arrays = {}
            for name, member in members.items():
                with archive.open(member) as file:
                    arrays[name] = read_array(f"{path}: array {name!r}", file, member.file_size)
            return arrays
    except DAMAGES as error:
        raise UserError(f"{path}: cannot be read as .npz ({error}); name another file") from None


def beside(path: Path, arrays: dict[str, np.ndarray], count: int) -> dict[str, Any]:
    """Those of ``groups`` and ``test`` that are there, for ``count`` examples."""
    found = {name: vector(path, arrays, name, count) for name in BESIDE if name in arrays}
    if "test" in found and found["test"].dtype != bool:
        raise UserError(f"{path}: array 'test' must be bool, not {found['test'].dtype}")
    groups = found.get("groups", np.zeros(0))
    if groups.dtype.kind == "f" and not np.isfinite(groups).all():
        index = int((~np.isfinite(groups)).argmax())
        raise UserError(
            f"{path}: array 'groups' has {groups[index]} for example {index}; name its group, or "
            "leave the example out"
        )
    return found


def vector(path: Path, arrays: dict[str, np.ndarray], name: str, count: int) -> np.ndarray:
    """The array ``name``, which must have one value for each of ``count`` examples."""
    values = arrays[name]
    if values.shape != (count,):
        raise UserError(
            f"{path}: array {name!r} must have one value per example, [{count}], "
            f"not {list(values.shape)}"
        )
    return values


def read_array(title: str, file: IO[bytes], size: int) -> np.ndarray:
    """The array in an ``.npy`` of ``size`` bytes. Raises one of :data:`DAMAGES`, and UserError,
    which begins with ``title``, for pickled objects and what is no number or text.
    """
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"NPY version {version}")
    shape, fortran, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise UserError(
            f"{title} holds pickled objects, which are never opened; save plain numbers or texts"
        )
    if dtype.kind not in "biufU":
        raise UserError(f"{title} must be numbers or texts, not {dtype}")
    data = math.prod(shape) * dtype.itemsize
    if data > size:
        raise ValueError(f"{quoted(shape)} of {dtype} do not fit into {size:,} bytes")
    content = file.read(data)
    if len(content) != data or file.read(1):
        raise ValueError("an array's bytes are not those of its shape")
    array = np.frombuffer(content, dtype)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
