"""A file that is dropped on the page becomes an image: pictures and arrays, from anywhere."""

import io
import warnings
import zipfile

import numpy as np
from PIL import Image, ImageOps

from sw.cli import UserError, printable
from sw.data import npz

__all__ = ["MOST_PIXELS", "from_file"]

MOST_PIXELS = 1 << 24  # of a picture, or bytes of an array, before anything is unpacked
_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"


def from_file(content: bytes, shape: tuple[int, ...], *, picture: bool, invert: bool) -> np.ndarray:
    """The image uint8 of ``shape`` (height, width), or with its channels (…, 1 or 3), that a file
    holds.

    A picture is made grey, or has three colours, and is scaled to fit, with its aspect ratio kept
    and its border's brightness around it; one that has the shape already stays as it is. An array
    must have it.

    Parameters
    ----------
    content : bytes
        Of a PNG, JPEG, .npy or .npz.
    shape : tuple of int
    picture : bool
        The network's inputs are the pixels of a picture; else only arrays are taken.
    invert : bool
        Dark on light: 255 becomes 0.

    Raises
    ------
    UserError
        It holds no such image.
    """
    if content.startswith((_NPY, _ZIP)):
        image = _array(content, shape)
    elif picture:
        image = _picture(content, shape)
    else:
        raise UserError("not a .npy or .npz file, which is all that this network takes")
    return 255 - image if invert else image


def _picture(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # refused below
            opened = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
    except Image.DecompressionBombError:
        raise _too_large() from None
    except Exception:  # of a damaged file Pillow raises errors of many kinds
        raise UserError("not a PNG, JPEG, .npy or .npz file") from None
    if opened.width * opened.height > MOST_PIXELS:
        raise _too_large(f": {opened.width} × {opened.height}")
    height, width, *channels = shape
    try:
        image = _flattened(ImageOps.exif_transpose(opened)).convert("RGB" if 3 in channels else "L")
    except Exception:
        raise UserError(f"the {opened.format} file is damaged") from None
    if image.size != (width, height):
        pixels = np.asarray(image)
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        around = np.median(border, axis=0).astype(int)
        colour = tuple(around.tolist()) if around.shape else int(around)
        image = ImageOps.pad(image, (width, height), Image.Resampling.BOX, color=colour)
    return np.asarray(image).reshape(shape)


def _too_large(what: str = "") -> UserError:
    return UserError(f"the picture has more than {MOST_PIXELS:,} pixels{what}; make it smaller")


def _flattened(image: Image.Image) -> Image.Image:
    """In 8 bits per channel; what is transparent lies on white."""
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        above = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), above)
    return image


def _array(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    try:
        if content.startswith(_ZIP):
            content = _only_member(content)
        array = npz.read_array("the array", io.BytesIO(content), len(content))
    except npz.DAMAGES:
        raise UserError("the .npy or .npz file is damaged") from None
    if array.dtype != np.uint8:
        raise UserError(f"the array must be uint8, 0 … 255, not {array.dtype}")
    if [n for n in array.shape if n > 1] != [n for n in shape if n > 1]:
        sizes = " × ".join(map(str, array.shape)) or "a single number"
        raise UserError(f"the array must be of {' × '.join(map(str, shape))}, not {sizes}")
    return array.reshape(shape)


def _only_member(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) != 1:
            names = ", ".join(printable(member.filename, 30) for member in members[:9])
            raise UserError(f"the .npz file must hold one array, not {names or 'none'}")
        with archive.open(members[0]) as file:
            return file.read(MOST_PIXELS)  # whatever it says that it has
