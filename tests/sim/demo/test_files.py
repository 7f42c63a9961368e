"""What becomes of a file that is dropped on the page."""

import io
import struct
import zipfile
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from sim.demo.files import MOST_PIXELS, from_file
from sw.cli import UserError

SHAPE = (6, 8)
IMAGE = np.arange(48, dtype=np.uint8).reshape(SHAPE) * 5
NOISE = np.random.default_rng(0).integers(0, 256, (30, 40)).astype(np.uint8)


def read(content, shape=SHAPE, *, picture=True, invert=False):
    return from_file(content, shape, picture=picture, invert=invert)


def saved(image, kind="PNG", **how):
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **how)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [saved(IMAGE), npy(IMAGE), npz(image=IMAGE), npy(IMAGE[None]), npy(np.asfortranarray(IMAGE))],
)
def test_an_image_of_the_shape_stays_as_it_is(content):
    np.testing.assert_array_equal(read(content), IMAGE)
    np.testing.assert_array_equal(read(content, invert=True), 255 - IMAGE)


COLOURS = np.stack([IMAGE, IMAGE[::-1], 255 - IMAGE], axis=2)


@pytest.mark.parametrize("content", [saved(COLOURS), npy(COLOURS), npz(image=COLOURS)])
def test_colours_stay_as_they_are(content):
    np.testing.assert_array_equal(read(content, (*SHAPE, 3)), COLOURS)
    np.testing.assert_array_equal(read(content, (*SHAPE, 3), invert=True), 255 - COLOURS)


def test_pictures_get_the_networks_channels():
    grey = read(saved(IMAGE), (*SHAPE, 3))
    np.testing.assert_array_equal(grey, np.repeat(IMAGE[..., None], 3, axis=2))
    np.testing.assert_array_equal(read(saved(IMAGE), (*SHAPE, 1)), IMAGE[..., None])
    wide = np.full((8, 80, 3), (200, 10, 90), np.uint8)  # the border's colour goes on around it
    np.testing.assert_array_equal(
        read(saved(wide), (*SHAPE, 3)), np.broadcast_to((200, 10, 90), (*SHAPE, 3))
    )
    with pytest.raises(UserError, match=r"^the array must be of 6 × 8 × 3, not 6 × 8$"):
        read(npy(IMAGE), (*SHAPE, 3))


def test_features_are_an_array():
    np.testing.assert_array_equal(
        read(npy(IMAGE.ravel()), (1, 48), picture=False), IMAGE.reshape(1, 48)
    )
    with pytest.raises(UserError, match=r"^not a \.npy or \.npz file, which is all that"):
        read(saved(IMAGE), (1, 48), picture=False)


def test_jpeg():
    np.testing.assert_allclose(read(saved(IMAGE, "JPEG", quality=100)), IMAGE, atol=3)


def test_it_is_scaled_and_its_border_goes_on_where_it_does_not_fill():
    """Of 4 × 8 pixels in 6 × 8 there is a row above and one below."""
    picture = np.full((80, 160), 40, np.uint8)
    picture[20:60, 60:100] = 240
    image = read(saved(picture))
    assert image.shape == SHAPE
    assert (image[2:4, 3:5] == 240).all()
    assert (image == 40).sum() == 44


def test_transparent_is_white():
    ink = Image.new("RGBA", SHAPE[::-1], (0, 0, 0, 0))
    ink.putpixel((3, 2), (0, 0, 0, 255))
    expected = np.zeros(SHAPE, np.uint8)
    expected[2, 3] = 255
    np.testing.assert_array_equal(read(saved(ink), invert=True), expected)


def test_16_bits():
    wide = IMAGE.astype(np.uint16) * 257
    np.testing.assert_array_equal(read(saved(Image.fromarray(wide))), IMAGE)


def test_a_camera_says_which_way_is_up():
    exif = Image.Exif()
    exif[0x0112] = 8  # a quarter turn back to upright
    turned = np.ascontiguousarray(np.rot90(IMAGE, -1))
    np.testing.assert_array_equal(read(saved(turned, exif=exif)), IMAGE)


def png_header(width, height):
    """A PNG that says how large it is, and has nothing else."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), b"IDAT" + bytes(9))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        for body in chunks
    )


def with_shape(shape, content=b""):
    """An .npy whose header has this shape."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def zip_bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", with_shape((6, 8)) + bytes(4 * MOST_PIXELS))
    return file.getvalue()


REFUSED = {
    "nothing": (b"", r"^not a PNG, JPEG, \.npy or \.npz file$"),
    "a text": (b"hello", r"^not a PNG, JPEG, \.npy or \.npz file$"),
    "another kind of picture": (saved(IMAGE, "GIF"), r"^not a PNG, JPEG, \.npy or \.npz file$"),
    "half a PNG": (saved(NOISE)[:-200], r"^the PNG file is damaged$"),
    "half a JPEG": (saved(NOISE, "JPEG")[:-200], r"^the JPEG file is damaged$"),
    "a large picture": (png_header(5000, 5000), r"more than 16,777,216 pixels: 5000 × 5000; make"),
    "a picture that Pillow warns of": (png_header(13_000, 13_000), r"pixels: 13000 × 13000; make"),
    "a bomb": (png_header(60_000, 60_000), r"more than 16,777,216 pixels; make it smaller$"),
    "another shape": (npy(IMAGE.T), r"^the array must be of 6 × 8, not 8 × 6$"),
    "a number": (npy(np.uint8(3)), r"^the array must be of 6 × 8, not a single number$"),
    "floats": (npy(IMAGE / 255), r"^the array must be uint8, 0 … 255, not float64$"),
    "pickles": (
        npz(image=np.array([{}], object)),
        r"^the array holds pickled objects, which",
    ),
    "two arrays": (npz(a=IMAGE, b=IMAGE), r"^the \.npz file must hold one array, not a.npy, b.npy"),
    "half an .npz": (npz(a=IMAGE)[:-30], r"^the \.npy or \.npz file is damaged$"),
    "a header that lies": (with_shape((10**9, 10**9)), r"^the \.npy or \.npz file is damaged$"),
    "half a header": (b"\x93NUMPY\x01\x00\xff", r"^the \.npy or \.npz file is damaged$"),
    "a header with a bracket too many": (
        with_shape("((6, 8)", bytes(48)),
        r"^the \.npy or \.npz file is damaged$",
    ),
    "another version": (b"\x93NUMPY\x09\x00" + bytes(80), r"^the \.npy or \.npz file is damaged$"),
    "a bomb in a .npz": (zip_bomb(), r"^the \.npy or \.npz file is damaged$"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_in_one_line(name):
    content, message = REFUSED[name]
    with pytest.raises(UserError, match=message) as error:
        read(content)
    assert "\n" not in str(error.value)


def test_any_damage_gives_an_image_or_one_line(rng):
    """Whatever Pillow and NumPy raise of damaged files."""
    whole = [saved(IMAGE), saved(np.tile(IMAGE, (4, 4)), "JPEG"), npy(IMAGE), npz(a=IMAGE)]
    for _ in range(400):
        content = bytearray(whole[rng.integers(len(whole))])
        for place in rng.integers(4, len(content), rng.integers(1, 6)):
            content[place] = rng.integers(256)
        with suppress(UserError):
            image = read(bytes(content))
            assert (image.shape, image.dtype) == (SHAPE, np.uint8)
