"""Images of one's own, by Pillow: whatever it reads, the way up that a camera noted.

Images of one size stay as they are; ``--size H W`` scales them. They have three channels, red,
green and blue, if one of them has a colour, and one with ``--grey`` or if all are grey anyway.
"""

import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sw import limits
from sw.cli import UserError
from sw.data import npz
from sw.data.raw import watched
from sw.selection import Selection

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["is_image", "read"]

_PIXELS = 1 << 26  # of an image before it is scaled; more is refused before it is unpacked
_WIDE = "I;16", "I;16L", "I;16B", "I;16N"  # Pillow's modes of 16 bits
_GREY = {"1", "L", "LA", *_WIDE}  # its modes without a colour


def is_image(file: Path) -> bool:
    """Whether Pillow may read it, by its suffix."""
    return file.suffix.lower() in _suffixes()


@cache
def _suffixes() -> frozenset[str]:
    from PIL import Image

    return frozenset(Image.registered_extensions())


def read(files: Sequence[Path], selection: Selection) -> np.ndarray:
    """The images, uint8 [N, channels, height, width].

    Raises
    ------
    UserError
        One cannot be read, or they are of several sizes without ``--size``, or too much.
    """
    grey = selection.grey
    if grey is None:
        grey = all(_is_grey(file) for file in files)
    height, width = size = selection.size or _pixels(files[0], None, True).shape[1:]
    if (pixels := height * width) > limits.UNITS:
        raise UserError(
            f"{files[0]}: has {pixels:,} pixels; scale the images with --size, such as --size 32 32"
        )
    shape = (len(files), 1 if grey else 3, height, width)
    if (total := shape[1] * len(files) * pixels) > npz.LARGEST:
        raise UserError(
            f"{files[0].parent.parent}: {len(files):,} images of {height} × {width} have {total:,} "
            f"bytes, at most {npz.LARGEST:,} are read; scale them with --size, or take --grey"
        )
    images = np.empty(shape, np.uint8)
    for index, file in enumerate(watched(files)):
        image = _pixels(file, selection.size, grey)
        if image.shape[1:] != size:
            raise UserError(
                f"{file}: is {image.shape[1]} × {image.shape[2]} pixels, {files[0]} is "
                f"{height} × {width}; scale all to one size with --size H W"
            )
        images[index] = image
    if selection.grey is None and not grey and (images == images[:, :1]).all():
        return images[:, :1].copy()
    return images


def _is_grey(file: Path) -> bool:
    with _opened(file) as image:
        return image.mode in _GREY


def _opened(file: Path) -> "Image.Image":
    """The image, not unpacked yet."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # refused below
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


def _pixels(file: Path, size: tuple[int, int] | None, grey: bool) -> np.ndarray:
    """uint8 [channels, height, width], scaled to ``size`` if it is given."""
    from PIL import Image, ImageOps

    with _opened(file) as image:
        try:
            upright = ImageOps.exif_transpose(image)
            if upright.mode in _WIDE:  # which convert() would cut off at 255
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            elif upright.mode in ("I", "F"):
                raise ValueError("pixels of 32 bits")
            plain = upright.convert("L" if grey else "RGB")
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise _unreadable(file, error) from None
    if size is not None:
        plain = plain.resize(size[::-1], Image.Resampling.BILINEAR)
    values = np.asarray(plain)
    return values[None] if grey else values.transpose(2, 0, 1)


def _unreadable(file: Path, error: Exception) -> UserError:
    reason = str(error).partition(str(file))[0].strip().rstrip("'") or "not an image"
    return UserError(f"{file}: cannot be read as an image ({reason}); correct it or move it away")
