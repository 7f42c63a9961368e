"""The accelerator behind its UART, against the golden model: images."""

import numpy as np
import pytest
from conversations import SILENT, image_bytes, leave, meaning, split, without_cycles
from samples import (
    deep,
    events_network,
    image_network,
    random_images,
    unfinished,  # noqa: F401
)
from simulated_line import SimulatedLine, ask

from hw.link import protocol
from hw.link.accelerator import Accelerator
from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.network import Layer, Network


@pytest.fixture
def network(rng):
    return image_network(rng)


@pytest.mark.parametrize("divisor", [4, *deep(12)])
def test_identify(network, divisor):
    line = SimulatedLine(network, divisor=divisor, patience=30)
    identity = b"1SPK" + bytes.fromhex(network.sha256)[:4]
    assert line.converse(b"?") == identity
    assert line.converse(b"??") == 2 * identity


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"high": 12, "low": 8},  # no unit fires: negative margins
        {"high": 0, "low": -9},  # all fire at once: ties and large margins
        {"steps": 256, "shape": (4, 8), "pool": 2},
        *deep(
            {"steps": 1},
            {"hidden": ()},
            {"hidden": (6, 4)},
            {"classes": 1},
            {"select": (1, 2, 5, 11, 14)},
        ),
    ],
    ids=str,
)
def test_answers(rng, how):
    network = image_network(rng, **how)
    images = random_images(rng, network, 5)
    images[0], images[1] = 0, 255  # silent, and all at once
    line = SimulatedLine(network, watch=True)
    replies = ask(line, images)
    assert without_cycles(replies) == meaning(network, images)
    assert [reply.cycles for reply in replies] == line.cycles
    assert len(line.cycles) == len(images)


@pytest.mark.deep
def test_margins_of_both_signs(rng):
    """The images above do hold margins below zero and above."""
    signs = set()
    for how in ({"high": 12, "low": 8}, {"high": 0, "low": -9}):
        network = image_network(rng, **how)
        images = random_images(rng, network, 8)
        line = SimulatedLine(network)
        margins = [reply.margin for reply in ask(line, images)]
        assert margins == [margin for *_, margin in meaning(network, images)]
        signs |= set(np.sign(margins).tolist())
    assert {-1, 1} <= signs


@pytest.mark.parametrize("theta", [-(2**31) + 20, 2**31 - 20])
def test_margins_of_32_bits(rng, theta):
    """The widest margins that an answer holds."""
    network = one_layer(rng, threshold=theta)
    images = random_images(rng, network, 2)
    assert without_cycles(ask(SimulatedLine(network), images)) == meaning(network, images)


@pytest.mark.parametrize("noise", [bytes(range(0x4A, 0x57)), *deep(b"\0", b"i", b"\xff\x00ABC")])
def test_unknown_commands_are_ignored(rng, network, noise):
    images = random_images(rng, network, 2)
    line = SimulatedLine(network, patience=30)
    assert line.converse(noise) == b""
    answers = line.converse(noise + image_bytes(images[:1]) + noise + image_bytes(images[1:]))
    assert without_cycles(split(answers)) == meaning(network, images)


def test_commands_inside_an_image_are_pixels(rng, network):
    images = np.full((2, 4, 4), ord("?"), np.uint8)
    images[1] = ord("I")
    replies = ask(SimulatedLine(network), images)
    assert without_cycles(replies) == meaning(network, images)


def test_images_back_to_back(rng, network):
    images = random_images(rng, network, 12)
    line = SimulatedLine(network, patience=60)
    assert without_cycles(split(line.converse(image_bytes(images)))) == meaning(network, images)


@pytest.mark.parametrize("mismatch", [-0.02, *deep(0.02)])
def test_another_baud_rate(rng, network, mismatch):
    images = random_images(rng, network, 3)
    line = SimulatedLine(network, divisor=24, mismatch=mismatch, patience=60)
    answers = line.converse(b"?" + image_bytes(images))
    assert answers[:8] == protocol.identity(network.sha256)
    assert without_cycles(split(answers[8:])) == meaning(network, images)


@pytest.mark.smoke
def test_identify_between_images(rng, network):
    images = random_images(rng, network, 3)
    line = SimulatedLine(network, patience=60)
    identity = protocol.identity(network.sha256)
    content = line.converse(b"?".join(image_bytes([image]) for image in images) + b"?")
    # An identification may overtake the answer to the image before it.
    for _ in range(3):
        assert identity in content
        start = content.index(identity)
        assert start % 8 == 0
        content = content[:start] + content[start + 8 :]
    assert without_cycles(split(content)) == meaning(network, images)


@pytest.mark.parametrize("pixels", [12, 16, *deep(0, 4, 8)])
def test_a_break_drops_the_image(rng, network, pixels):
    images = random_images(rng, network, 3)
    line = SimulatedLine(network, patience=60)
    assert without_cycles(ask(line, images[:1])) == meaning(network, images[:1])
    line.write(image_bytes(images[1:2])[: 1 + pixels])
    while not line.sent:
        line.advance(1)
    line.send_break(0.01)
    line.reset_input_buffer()
    if pixels < 16:
        assert line.converse(b"") == b""
    assert line.converse(b"?") == protocol.identity(network.sha256)
    answers = line.converse(image_bytes(images[1:]))
    assert without_cycles(split(answers)) == meaning(network, images[1:])


@pytest.mark.parametrize("levels", [[0, 1, 0, 0], *deep([0], [0, 1, 1, 1, 1, 1, 1, 1, 1])])
def test_a_break_may_cut_a_byte(rng, network, levels):
    images = random_images(rng, network, 2)
    line = SimulatedLine(network, patience=60)
    line.write(image_bytes(images[:1])[:9])
    line.write([levels])
    line.send_break(0.01)
    assert line.converse(b"") == b""
    answers = line.converse(b"?" + image_bytes(images))
    assert answers[:8] == protocol.identity(network.sha256)
    assert without_cycles(split(answers[8:])) == meaning(network, images)


def test_a_break_ends_an_answer(rng, network):
    images = random_images(rng, network, 2)
    line = SimulatedLine(network, patience=60)
    line.write(image_bytes(images[:1]))
    assert len(line.read(2)) == 2
    line.send_break(0.01)
    line.reset_input_buffer()
    assert line.converse(b"") == b""
    answers = line.converse(image_bytes(images))
    assert without_cycles(split(answers)) == meaning(network, images)


@pytest.mark.parametrize("count", [1, 16, *deep(2, 9)])
def test_silence_drops_the_image(rng, network, count):
    images = random_images(rng, network, 3)
    line = SimulatedLine(network, **SILENT)
    assert without_cycles(ask(line, images[:1])) == meaning(network, images[:1])
    leave(line, image_bytes(images[1:2])[:count])
    assert line.converse(b"?") == protocol.identity(network.sha256)
    answers = line.converse(image_bytes(images[1:]))
    assert without_cycles(split(answers)) == meaning(network, images[1:])


def test_a_pause_drops_nothing(rng, network):
    """Of half the time-out within an image, or however long between two."""
    images = random_images(rng, network, 2)
    line = SimulatedLine(network, **SILENT)
    first, second = (image_bytes([image]) for image in images)
    line.write(first[:9])
    line.advance(90 + 32)
    answers = line.converse(first[9:])
    line.advance(200)
    answers += line.converse(second)
    assert without_cycles(split(answers)) == meaning(network, images)
    assert line.answers == 0  # twice changed: nothing was reset


def test_an_answer_may_take_longer_than_the_timeout(rng):
    network = image_network(rng, hidden=(200,), high=0, low=-9)
    images = random_images(rng, network, 1)
    line = SimulatedLine(network, timeout=40, patience=500, watch=True)
    assert without_cycles(split(line.converse(image_bytes(images)))) == meaning(network, images)
    assert line.cycles[0] > 2 * 64


def test_the_leds(rng):
    """The last class; and a light that changes with each."""
    network = image_network(rng, classes=7, hidden=())
    images = random_images(rng, network, 8)
    line = SimulatedLine(network)
    shown = []
    for image in images:
        ask(line, [image])
        shown.append((line.label, line.answers, line.no_class))
    labels = [label for label, *_ in meaning(network, images)]
    assert shown == list(zip(labels, [1, 0] * 4, [0] * 8, strict=True))
    assert len(set(labels)) > 1


@pytest.mark.parametrize(
    ("classes", "threshold", "bits"),
    [(257, 0, None), (3, -(2**31), 33), (3, 2**31 - 1, 33)],
)
@pytest.mark.usefixtures("unfinished")
def test_what_the_link_cannot_carry(rng, classes, threshold, bits):
    network = one_layer(rng, classes=classes, threshold=threshold)
    message = rf"'wide'.* 256 classes and margins of 32 bits, not {classes} and {bits or ''}"
    with pytest.raises(UserError, match=message):
        Accelerator(network, divisor=4, timeout=400)


@pytest.mark.usefixtures("unfinished")
def test_more_inputs_than_an_item_can_name(rng):
    network = events_network(rng, channels=65536)
    message = r"'events': the link carries events of at most 65535 inputs, not 65536$"
    with pytest.raises(UserError, match=message):
        Accelerator(network, divisor=4, timeout=400)


def one_layer(rng, *, classes=3, threshold=0):
    """A single layer that may hold an extreme threshold."""
    network = image_network(rng, hidden=(), classes=classes)
    thetas = np.zeros(classes, np.int32)
    thetas[:2] = threshold
    return Network(
        name="wide",
        steps=network.steps,
        encoder=LatencyEncoder(shape=(4, 4)),
        layers=(Layer(weight=network.layers[0].weight, threshold=thetas),),
        labels=network.labels,
        provenance=network.provenance,
    )
