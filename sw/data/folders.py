"""One's own images in a folder: ``<class>/…``, or ``train/<class>/…`` and ``test/<class>/…``.

Whatever Pillow reads, also in folders further below, as grey and the way up that a camera noted.
Images of one size stay as they are; ``--size H W`` scales them. Files of other kinds and hidden
ones are not looked at.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sw import limits
from sw.cli import UserError
from sw.data.raw import Kind, Raw
from sw.selection import Selection

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["read"]

_SPLIT = ("train", "test")
_PIXELS = 1 << 26  # of an image before it is scaled; more is refused before it is unpacked
_WIDE = "I;16", "I;16L", "I;16B", "I;16N"  # Pillow's modes of 16 bits


def read(path: Path, selection: Selection) -> Raw:
    """The images. Raises UserError for a folder without them, one that cannot be read, and images
    of several sizes without ``--size``.
    """
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise UserError(
            f"{path}: Pillow reads images and is not installed; pip install 'firstspike[data]'"
        ) from None
    files, labels, test = [], [], []
    for folder, is_test in _class_folders(path):
        found = list(_images(folder))
        if not found:
            raise UserError(f"{folder}: has no images; put some there, or remove the folder")
        files += found
        labels += [folder.name] * len(found)
        test += [is_test] * len(found)
    size = selection.size or _size(files[0])
    if (pixels := size[0] * size[1]) > limits.UNITS:
        raise UserError(
            f"{files[0]}: has {pixels:,} pixels; scale the images with --size, such as --size 32 32"
        )
    inputs = np.empty((len(files), *size), np.uint8)
    for index, file in enumerate(files):
        image = _grey(file, selection.size)
        if image.shape != size:
            raise UserError(
                f"{file}: is {image.shape[0]} × {image.shape[1]} pixels, {files[0]} is "
                f"{size[0]} × {size[1]}; scale all to one size with --size H W"
            )
        inputs[index] = image
    return Raw(
        kind=Kind.IMAGES,
        inputs=inputs,
        labels=np.array(labels),
        test=None if test[0] is None else np.array(test),
    )


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
        raise UserError(f"{path}: has no folders of images, one per class; make them")
    return found


def _images(folder: Path) -> Iterator[Path]:
    """Files that Pillow may read, by their suffixes."""
    from PIL import Image

    suffixes = Image.registered_extensions()
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in suffixes and file.name[0] != "." and file.is_file():
            yield file


def _opened(file: Path) -> "Image.Image":
    """The image, not unpacked yet."""
    from PIL import Image

    try:
        image = Image.open(file)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from None
    if image.width * image.height > _PIXELS:
        image.close()
        raise UserError(
            f"{file}: has {image.width * image.height:,} pixels, at most {_PIXELS:,} are read; "
            "scale it down"
        )
    return image


def _size(file: Path) -> tuple[int, int]:
    """Height and width as they will be."""
    height, width = _grey(file, None).shape
    return height, width


def _grey(file: Path, size: tuple[int, int] | None) -> np.ndarray:
    """uint8 [height, width], scaled to ``size`` if it is given."""
    from PIL import Image, ImageOps

    with _opened(file) as image:
        try:
            upright = ImageOps.exif_transpose(image)
            if upright.mode in _WIDE:
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            elif upright.mode in ("I", "F"):
                raise ValueError("pixels of 32 bits")
            grey = upright.convert("L")
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise _unreadable(file, error) from None
    if size is not None:
        grey = grey.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(grey)


def _unreadable(file: Path, error: Exception) -> UserError:
    reason = str(error).partition(str(file))[0].strip().rstrip("'") or "not an image"
    return UserError(f"{file}: cannot be read as an image ({reason}); mend it or move it away")
