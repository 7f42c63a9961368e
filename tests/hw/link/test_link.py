"""Link and loader, with a core that a test plays."""

import pytest
from conversations import QUERY, flipped, load_command
from samples import deep, image_network
from simulated_loading import SILENCE, WORDS, converse

from hw.link import protocol
from hw.link.protocol import Command, Kind, Status
from hw.link.weight_image import pack

IMAGE = Command(Kind.IMAGE, bytes(range(16)))  # whatever is in it
LABEL = sum(range(16)) % 3
READY, LOADING, NO_IMAGE, DAMAGED, OTHER_NETWORK = (
    (Kind.STATUS, status)
    for status in (
        Status.READY,
        Status.LOADING,
        Status.NO_IMAGE,
        Status.DAMAGED,
        Status.OTHER_NETWORK,
    )
)
IDENTITY, CLASS, REPORT = (Kind.IDENTITY,), (Kind.CLASS, LABEL), (Kind.DAMAGED,)


def replies(sent):
    """What each reply says, without its number."""
    return [
        (kind,) if kind in (Kind.IDENTITY, Kind.DAMAGED) else (kind, body & 0xFF)
        for kind, _, body in sent
    ]


@pytest.fixture
def network(rng):
    return image_network(rng)


@pytest.fixture
def weights(network):
    return pack(network, WORDS)


@pytest.mark.parametrize("every", [15, *deep(11, 60)])
def test_images_before_and_after_the_flash_is_read(network, weights, every):
    """An image that begins before the weights are there gets no class, however it ends."""
    script = [IMAGE, IMAGE, 400, IMAGE, IMAGE]
    sent, memory = converse(network, script, flash=weights, every=every)
    first, *_, third, fourth = replies(sent)
    assert first in (LOADING, READY)
    assert (third, fourth) == (CLASS, CLASS)
    assert len(sent) == 4
    assert memory == WORDS.tolist()


def test_an_identity_waits_for_the_flash(network, weights):
    assert converse(network, [QUERY], flash=weights[:-1])[0] == []
    sent, _ = converse(network, [400, QUERY], flash=weights)
    identity = int.from_bytes(protocol.identity(network.sha256, loads=True), "little")
    assert sent == [(Kind.IDENTITY, 0, identity & 0xFFFFFFFF)]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda weights: b"\xff", NO_IMAGE),
        (lambda weights: weights[:-1] + bytes([weights[-1] ^ 4]), DAMAGED),
        *deep(
            (lambda weights: b"\x00", NO_IMAGE),
            (lambda weights: weights[:8] + b"????????", OTHER_NETWORK),
            (lambda weights: flipped(weights, 8 * 25), DAMAGED),
        ),
    ],
)
def test_a_fault_of_the_flash_gives_no_class(network, weights, change, status):
    script = [250, IMAGE, IMAGE, 100, load_command(weights), IMAGE]
    sent, memory = converse(network, script, flash=change(weights))
    assert replies(sent) == [status, status, READY, CLASS]
    assert [number for _, number, _ in sent] == [0, 1, 2, 3]
    assert memory == WORDS.tolist()


def test_without_a_flash(network, weights):
    script = [QUERY, 80, IMAGE, load_command(weights), IMAGE]
    sent, _ = converse(network, script)
    assert replies(sent) == [IDENTITY, NO_IMAGE, READY, CLASS]


def test_loading_drops_what_is_being_computed(network, weights):
    script = [load_command(weights), IMAGE, load_command(weights), IMAGE]
    sent, _ = converse(network, script, every=11)
    assert [
        (number, *reply) for (_, number, _), reply in zip(sent, replies(sent), strict=True)
    ] == [
        (0, *READY),
        (2, *READY),
        (3, *CLASS),
    ]


def test_a_damaged_weight_image_from_the_host(network, weights):
    """In a frame that is right: as it was in the file."""
    bad = weights[:30] + bytes([weights[30] ^ 0x80]) + weights[31:]
    script = [load_command(weights), IMAGE, 100, load_command(bad), IMAGE]
    sent, _ = converse(network, [*script, load_command(weights), IMAGE])
    assert replies(sent) == [READY, CLASS, DAMAGED, DAMAGED, READY, CLASS]


@pytest.mark.parametrize("length", [33, *deep(20, 300)])
def test_after_a_wrong_header_nothing_is_heard(network, weights, length):
    """And the weights that are there stay."""
    other = weights[:8] + bytes(8) + bytes(range(ord("?"), ord("X"))) * 20
    cut = protocol.frame(load_command(other), 9)[:length]
    script = [load_command(weights), cut, protocol.frame(IMAGE, 10), 100, SILENCE, IMAGE]
    sent, memory = converse(network, script)
    assert replies(sent) == [READY, (Kind.REFUSED, Status.OTHER_NETWORK), CLASS]
    assert memory == WORDS.tolist()


@pytest.mark.parametrize("bit", [*range(0, 8), 40, 160, *deep(*range(8, 168, 7))])
def test_a_flipped_bit_of_an_image(network, weights, bit):
    """Whatever kind it makes of the frame; nothing is lost by it but the frame."""
    frame = flipped(protocol.frame(IMAGE, 1), bit)
    script = [load_command(weights), frame, 50, SILENCE, 50, SILENCE, IMAGE]
    sent, _ = converse(network, script)
    first, *between, last = replies(sent)
    assert (first, last) == (READY, CLASS)
    assert len(between) == 1
    assert between[0][0] in (Kind.DAMAGED, Kind.REFUSED) or bit < 4
