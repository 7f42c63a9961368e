"""The weight image: its bytes, and what is refused."""

import struct
import zlib

import numpy as np
import pytest
from conversations import flipped
from samples import image_network

from hw.link import weight_image
from sw.cli import UserError

WORDS = np.array([0x0201, 0xFFFF, 0, 0x8000, 7], np.uint16)


@pytest.fixture
def network(rng):
    return image_network(rng)


def test_the_bytes(network):
    content = weight_image.pack(network, WORDS)
    assert content[:8] == b"1SPW\x01\0\0\0"
    assert content[16:20] == b"\x05\0\0\0"
    assert content[20:30] == b"\x01\x02\xff\xff\0\0\0\x80\x07\0"
    assert content[30:] == struct.pack("<I", zlib.crc32(content[:30]))
    assert content.startswith(weight_image.header(network, WORDS))
    assert len(weight_image.header(network, WORDS)) == weight_image.HEADER.size == 20


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_the_words_in_any_byte_order(network, dtype):
    assert weight_image.pack(network, WORDS.astype(dtype)) == weight_image.pack(network, WORDS)


def test_the_identity_tells_networks_and_layouts_apart(rng, network):
    def identity(network, words):
        return weight_image.header(network, np.array(words, np.uint16))[weight_image.IDENTITY]

    same = identity(network, [1, 2, 3])
    assert same == identity(network, [1, 2, 3])
    others = [
        identity(image_network(rng), [1, 2, 3]),
        *(identity(network, words) for words in ([2, 1, 3], [1, 2], [1, 2, 3, 0])),
    ]
    assert len({same, *others}) == 5


@pytest.mark.smoke
def test_reads_what_was_written(network, tmp_path):
    content = weight_image.pack(network, WORDS)
    (tmp_path / "image").write_bytes(content)
    assert weight_image.read_image(tmp_path / "image", network) == content


DAMAGED = r"is damaged, its checksum or length is wrong; name the one that hw.build wrote beside"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: b"", "is no weight image; name the one"),
        (lambda content: content[:19], "is no weight image; name the one"),
        (lambda content: flipped(content, 0), "is no weight image; name the one"),
        (lambda content: flipped(content, 33), "has format 3, not 1; name the one"),
        (lambda content: content[:-1], DAMAGED),
        (lambda content: content[:20], DAMAGED),
        (lambda content: content + b"\0", DAMAGED),
        *((lambda content, bit=bit: flipped(content, bit), DAMAGED) for bit in range(64, 272, 9)),
    ],
)
def test_refuses(network, tmp_path, change, message):
    path = tmp_path / "image"
    path.write_bytes(change(weight_image.pack(network, WORDS)))
    with pytest.raises(UserError, match=rf"^.*image: {message}"):
        weight_image.read_image(path, network)


def test_refuses_the_image_of_another_network(rng, network, tmp_path):
    (tmp_path / "image").write_bytes(weight_image.pack(image_network(rng), WORDS))
    with pytest.raises(UserError, match=r"image: is not of network random; name the one that hw"):
        weight_image.read_image(tmp_path / "image", network)


def test_refuses_what_is_not_there(network, tmp_path):
    with pytest.raises(UserError, match=r"missing: cannot be read \(No such file.*\); name the"):
        weight_image.read_image(tmp_path / "missing", network)


def test_beside_a_bitstream():
    assert weight_image.with_bitstream(b"bits", b"image", 8) == b"bits\xff\xff\xff\xffimage"
    assert weight_image.with_bitstream(b"bits", b"image", 4) == b"bitsimage"
    with pytest.raises(ValueError, match=r"^Bitstream must be at most 3 bytes, not 4$"):
        weight_image.with_bitstream(b"bits", b"image", 3)
