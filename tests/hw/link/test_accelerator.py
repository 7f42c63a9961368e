"""The accelerator behind its UART, against the golden model: images."""

import numpy as np
import pytest
from conversations import (
    QUERY,
    SILENT,
    classes,
    identified,
    image_commands,
    kinds,
    leave,
    meaning,
    received,
    split,
    without_cycles,
)
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
from hw.link.protocol import Kind
from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.network import Layer, Network


@pytest.fixture
def network(rng):
    return image_network(rng)


@pytest.mark.parametrize("divisor", [4, *deep(12)])
def test_identify(network, divisor):
    line = SimulatedLine(network, divisor=divisor, patience=30)
    assert identified(line, network)
    assert identified(line, network)


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


@pytest.mark.parametrize("noise", [b"?", b"\x4f", *deep(b"\0", b"\x30\x31", bytes(range(80)))])
def test_noise_between_two_frames(rng, network, noise):
    """Nothing is heard after it until the line has been idle."""
    images = random_images(rng, network, 3)
    line = SimulatedLine(network, **SILENT)
    content = line.frames(*image_commands(images[:1]))
    assert without_cycles(ask(line, images[:1])) == meaning(network, images[:1])
    assert kinds(line.converse(noise + content)) == [Kind.DAMAGED]
    assert without_cycles(classes(line, images[1:])) == meaning(network, images[1:])


def test_frames_inside_an_image_are_pixels(rng, network):
    (query,) = [protocol.frame(QUERY, 3)]
    images = np.full((2, 4, 4), ord("?"), np.uint8)
    images[1].flat[: 3 * len(query)] = list(query * 3)
    replies = ask(SimulatedLine(network), images)
    assert without_cycles(replies) == meaning(network, images)


def test_images_back_to_back(rng, network):
    images = random_images(rng, network, 12)
    line = SimulatedLine(network, patience=60)
    assert without_cycles(classes(line, images)) == meaning(network, images)


@pytest.mark.parametrize("mismatch", [-0.02, *deep(0.02)])
def test_another_baud_rate(rng, network, mismatch):
    images = random_images(rng, network, 3)
    line = SimulatedLine(network, divisor=24, mismatch=mismatch, patience=60)
    assert identified(line, network)
    assert without_cycles(classes(line, images)) == meaning(network, images)


@pytest.mark.smoke
def test_a_reply_names_its_frame(rng, network):
    images = random_images(rng, network, 20)
    line = SimulatedLine(network, patience=60)
    replies = received(line.converse(line.frames(*image_commands(images))))
    assert [reply.sequence for reply in replies] == [k % 16 for k in range(20)]


def test_a_query_drops_what_is_in_flight(rng):
    network = image_network(rng, hidden=(400,), high=0, low=-9)  # takes longer than a query
    images = random_images(rng, network, 2)
    line = SimulatedLine(network, patience=300)
    content = line.frames(*image_commands(images[:1]), QUERY)
    (reply,) = received(line.converse(content))
    assert (reply.kind, reply.sequence) == (Kind.IDENTITY, 1)
    assert without_cycles(classes(line, images[1:])) == meaning(network, images[1:])


def test_a_third_frame_in_flight_is_refused(rng):
    """However slow the network is, no reply has the number of another frame."""
    network = image_network(rng, shape=(2, 2), hidden=(900,), high=0, low=-9)
    images = random_images(rng, network, 4)
    line = SimulatedLine(network, timeout=256, patience=500)
    assert kinds(line.converse(line.frames(*image_commands(images)))) == [Kind.DAMAGED]
    assert without_cycles(classes(line, images[:2])) == meaning(network, images[:2])


@pytest.mark.parametrize("pixels", [12, 16, *deep(0, 4, 8)])
def test_a_break_drops_the_image(rng, network, pixels):
    images = random_images(rng, network, 3)
    line = SimulatedLine(network, **SILENT)
    assert without_cycles(ask(line, images[:1])) == meaning(network, images[:1])
    line.write(line.frames(*image_commands(images[1:2]))[: 1 + pixels])
    while not line.sent:
        line.advance(1)
    line.send_break(0.01)
    assert kinds(line.converse(b"")) == [Kind.DAMAGED]
    assert without_cycles(classes(line, images[1:])) == meaning(network, images[1:])


@pytest.mark.parametrize("levels", [[0, 1, 0, 0], *deep([0], [0, 1, 1, 1, 1, 1, 1, 1, 1])])
def test_a_break_may_cut_a_byte(rng, network, levels):
    images = random_images(rng, network, 2)
    line = SimulatedLine(network, **SILENT)
    line.write(line.frames(*image_commands(images[:1]))[:9])
    line.write([levels])
    line.send_break(0.01)
    assert kinds(line.converse(b"")) == [Kind.DAMAGED]
    assert identified(line, network)
    assert without_cycles(classes(line, images)) == meaning(network, images)


@pytest.mark.parametrize("count", [1, 16, 20, *deep(2, 9, 17)])
def test_silence_drops_the_image(rng, network, count):
    images = random_images(rng, network, 3)
    line = SimulatedLine(network, **SILENT)
    assert without_cycles(ask(line, images[:1])) == meaning(network, images[:1])
    leave(line, line.frames(*image_commands(images[1:2]))[:count])
    assert identified(line, network)
    assert without_cycles(classes(line, images[1:])) == meaning(network, images[1:])


def test_a_frame_that_is_cut_and_followed_by_another(rng, network):
    """At once: neither gets a class."""
    images = random_images(rng, network, 3)
    line = SimulatedLine(network, **SILENT)
    content = line.frames(*image_commands(images[:2]))
    for cut in (1, 10, 20):
        assert kinds(line.converse(content[:cut] + content[21:])) == [Kind.DAMAGED]
    assert without_cycles(classes(line, images)) == meaning(network, images)


def test_a_pause_drops_nothing(rng, network):
    """Of half the time-out within an image, or however long between two."""
    images = random_images(rng, network, 2)
    line = SimulatedLine(network, **SILENT)
    first, second = (line.frames(command) for command in image_commands(images))
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
    assert without_cycles(classes(line, images)) == meaning(network, images)
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
