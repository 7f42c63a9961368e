"""The accelerator behind its UART, against the golden model."""

import struct

import numpy as np
import pytest
from samples import (
    deep,
    events_network,
    image_network,
    inferences,
    random_images,
    random_spikes,
    unfinished,  # noqa: F401
)
from simulated_line import WEIGHTS_AT, SimulatedLine, ask, ask_all
from simulated_loading import WORDS, converse

from hw.link import protocol
from hw.link.accelerator import Accelerator
from hw.link.protocol import Fault, Status
from hw.link.weight_image import pack
from hw.rtl.config import Config, find_config
from hw.rtl.core import loaded_words
from sim import golden
from sw.cli import UserError
from sw.encoder import LatencyEncoder, Spikes
from sw.network import Layer, Network


def meaning(network, inputs):
    """(label, step, margin) of each image or inference by the golden model."""
    answer = golden.run_inputs(network, inputs)
    return list(
        zip(answer.label.tolist(), answer.step.tolist(), answer.margin.tolist(), strict=True)
    )


def without_cycles(replies):
    return [(reply.label, reply.step, reply.margin) for reply in replies]


def split(content):
    """The answers in ``content``."""
    size = protocol.ANSWER.size
    assert len(content) % size == 0
    return [protocol.parse(content[k : k + size]) for k in range(0, len(content), size)]


@pytest.fixture
def network(rng):
    return image_network(rng)


def image_bytes(images):
    return b"".join(protocol.IMAGE + image.tobytes() for image in images)


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
        {"high": 12, "low": 8},  # nobody fires: negative margins
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


def leave(line, content):
    """A host that is gone after ``content``; time passes until the board has noticed."""
    line.write(content)
    while not line.sent:
        line.advance(1)
    line.advance(70)
    line.reset_input_buffer()


SILENT = {"timeout": 200, "patience": 100}  # rounded up: 256 cycles, 64 bits


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


def event_commands(spikes):
    return [protocol.events(each) for each in inferences(spikes)]


def check_events(line, network, spikes):
    """One after the other, as the golden model answers them."""
    replies = ask_all(line, event_commands(spikes))
    assert without_cycles(replies) == meaning(network, spikes)
    assert all(reply.cycles for reply in replies)
    return replies


RULES, OVERRUN = ((fault, 0, 0, 0) for fault in (Fault.RULES, Fault.OVERRUN))
NOBODY_FIRES = {"high": 99, "low": 90}  # all items are looked at
ALL_FIRE = {"high": 0, "low": -9}


class TestEvents:
    """Events over the line."""

    @pytest.mark.parametrize(
        "how",
        [
            {},
            NOBODY_FIRES,
            {"high": 0, "low": -9},  # all fire at once, before any event is there
            {"channels": 700, "low": 4, "high": 9, "steps": 256},
            *deep(
                {"steps": 1},
                {"steps": 11},
                {"channels": 1},
                {"channels": 16},
                {"hidden": (9, 6)},
                {"hidden": (20,), "high": 5},
                {"classes": 1},
            ),
        ],
        ids=str,
    )
    def test_answers(self, rng, how):
        network = events_network(rng, **how)
        spikes = random_spikes(rng, network, 4)
        line = SimulatedLine(network, watch=True)
        replies = check_events(line, network, spikes)
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert [reply.cycles for reply in replies] == line.cycles

    @pytest.mark.deep
    def test_both_before_the_end_and_after_it(self, rng):
        """In the answers above the end mark is waited for, and is not."""
        cycles = set()
        for how in (NOBODY_FIRES, {"high": 2, "low": 1}):
            network = events_network(rng, **how)
            line = SimulatedLine(network)
            replies = check_events(line, network, random_spikes(rng, network, 8))
            cycles |= {reply.cycles for reply in replies}
        assert 1 in cycles
        assert len(cycles) > 1

    def test_commands_inside_an_inference_are_items(self, rng):
        network = events_network(rng, channels=20000, **NOBODY_FIRES)
        content = bytes(range(0x3F, 0x46)) * 3  # all that are commands among them
        items = [struct.unpack("<HB", content[k : k + 3]) for k in range(0, len(content), 3)]
        spikes = [(unit, k) for k, (unit, _) in enumerate(items)]
        line = SimulatedLine(network, patience=60)
        first, second = events_of(spikes), events_of([])
        assert without_cycles(
            split(line.converse(protocol.events(spikes) + protocol.events([])))
        ) == [*meaning(network, first), *meaning(network, second)]

    @pytest.mark.parametrize("mismatch", [0.02, *deep(-0.02)])
    def test_back_to_back(self, rng, mismatch):
        """Each long enough for the answers to come meanwhile."""
        network = events_network(rng, hidden=(9,))
        spikes = random_spikes(rng, network, 4, least=10, most=20)
        line = SimulatedLine(network, divisor=12, mismatch=mismatch, patience=60)
        answers = line.converse(b"?" + b"".join(event_commands(spikes)))
        assert answers[:8] == protocol.identity(network.sha256)
        assert without_cycles(split(answers[8:])) == meaning(network, spikes)

    def test_an_answer_before_the_end_mark(self, rng):
        """What follows it changes nothing, be it against the rules."""
        network = events_network(rng, channels=8)
        network.layers[0].weight[:] = True
        network.layers[0].threshold[:] = [9, 3, 4]
        line = SimulatedLine(network, patience=60)
        first = [(2, 1), (2, 1), (5, 1), (5, 1)]
        content = protocol.events([*first, (0, 2), (0, 5), (0, 4), (9, 3), (0xFFFE, 255)])
        begin = 1 + 3 * (len(first) + 1)
        line.write(content[:begin])
        reply = protocol.parse(line.read(8))
        assert reply == (1, 1, 1, 1)  # 4 − 3 is more than 4 − 4
        assert line.converse(content[begin:]) == b""
        spikes = random_spikes(rng, network, 3)
        check_events(line, network, spikes)

    def test_cycles_of_inferences_that_wait_for_each_other(self, rng):
        """Two on the way, the first of them slow and the second empty."""
        network = events_network(rng, hidden=(200,), classes=2)
        for layer in network.layers:
            layer.weight[:] = True
            layer.threshold[:] = [1] * layer.outputs if layer.outputs > 2 else [198, 199]
        line = SimulatedLine(network, watch=True, patience=200)
        slow, empty = [(3, 7)], []
        seen = []
        for these in ((slow, empty), (empty, slow), (empty, empty), (slow, slow), (slow,)):
            replies = split(line.converse(b"".join(map(protocol.events, these))))
            expected = [meaning(network, events_of(each))[0] for each in these]
            assert without_cycles(replies) == expected
            seen += [reply.cycles for reply in replies]
        assert seen[-1] > 200 > seen[-4]  # alone; empty
        # Answers that wait for two identifications to be sent
        replies = split(line.converse(b"??" + protocol.events(empty) * 2)[16:])
        assert seen + [reply.cycles for reply in replies] == line.cycles

    @pytest.mark.parametrize("count", [1, 9, *deep(0, *range(2, 9), *range(10, 15))])
    def test_a_break_drops_the_inference(self, rng, count):
        network = events_network(rng, hidden=(6,), **NOBODY_FIRES)
        spikes = random_spikes(rng, network, 3, least=4)
        line = SimulatedLine(network, patience=60)
        check_events(line, network, spikes)
        line.write(event_commands(spikes)[1][:count])
        while not line.sent:
            line.advance(1)
        line.send_break(0.01)
        line.reset_input_buffer()
        assert line.converse(b"?") == protocol.identity(network.sha256)
        check_events(line, network, spikes)

    @pytest.mark.parametrize(
        ("count", "how"),
        [
            (1, NOBODY_FIRES),
            (3, NOBODY_FIRES),
            (8, ALL_FIRE),
            *deep((2, NOBODY_FIRES), (4, NOBODY_FIRES), (1, ALL_FIRE), (3, ALL_FIRE)),
        ],
        ids=str,
    )
    def test_silence_drops_the_inference(self, rng, count, how):
        """Whether it is answered by then or not."""
        network = events_network(rng, hidden=(6,), **how)
        spikes = random_spikes(rng, network, 3, least=4)
        line = SimulatedLine(network, **SILENT)
        check_events(line, network, spikes)
        leave(line, event_commands(spikes)[1][:count])
        assert line.converse(b"?") == protocol.identity(network.sha256)
        check_events(line, network, spikes)

    @pytest.mark.parametrize(("channels", "steps"), [(12, 11), *deep((12, 16), (16, 11), (16, 16))])
    @pytest.mark.parametrize(
        "fault",
        [
            lambda units, steps: [(3, 5), (3, 4), (3, 6)],
            lambda units, steps: [(1, 1), (units, 2)],
            lambda units, steps: [(units + 1024, 0)],
            lambda units, steps: [(0xFFFE, 0)],
            lambda units, steps: [(1, steps)],
            lambda units, steps: [(1, 1), (1, 255), (1, 3)],
            lambda units, steps: [(2, 2)] * 21,
        ],
    )
    def test_a_fault_gives_no_class(self, rng, channels, steps, fault):
        network = events_network(rng, channels=channels, steps=steps, **NOBODY_FIRES)
        line = SimulatedLine(network, config=Config(most_events=20))
        spikes = random_spikes(rng, network, 3, most=20)
        check_events(line, network, spikes)
        shown = line.label, line.answers
        content = protocol.events(fault(channels, steps))
        assert ask_all(line, [content]) == [RULES]
        assert line.converse(b"") == b""
        assert (line.label, line.answers, line.no_class) == (*shown, 1)
        check_events(line, network, spikes)

    @pytest.mark.parametrize(("channels", "steps"), [(12, 11), *deep((16, 16))])
    @pytest.mark.parametrize("how", [{"high": 1}, *deep(NOBODY_FIRES)], ids=str)
    def test_never_a_wrong_class(self, rng, channels, steps, how):
        """What may break the rules gets the class that its part before that decides, or none."""
        network = events_network(rng, channels=channels, steps=steps, hidden=(7,), **how)
        line = SimulatedLine(network, config=Config(most_events=20))
        answered = []
        for spikes in inferences(random_spikes(rng, network, 40, most=24)):
            for k in rng.integers(0, 60, 3):  # of which some are in the inference
                if k < len(spikes):  # bits more than there are, or a step back
                    unit, step = spikes[k]
                    more, other = rng.choice([0, 16, 32], 2).tolist()
                    spikes[k] = (unit + more, max(0, step + (other or -1)))
            right = self.rightly(network, spikes)
            (reply,) = ask_all(line, [protocol.events(spikes)])
            kept = meaning(network, events_of(spikes[:right]))[0]
            if right == len(spikes):
                assert reply[:2] + reply[3:] == kept
            elif reply != RULES:
                # Decided in a step that was over when the rules were broken
                assert reply[:2] + reply[3:] == kept
                assert reply.step < spikes[right - 1][1]
            answered.append((right == len(spikes), reply == RULES))
        early = {(False, False)} if how != NOBODY_FIRES else set()
        assert set(answered) == {(True, False), (False, True)} | early

    def rightly(self, network, spikes):
        """How many of ``spikes`` come before the first that breaks the rules."""
        last = 0
        for k, (unit, step) in enumerate(spikes):
            if unit >= network.sizes[0] or not last <= step < network.steps or k == 20:
                return k
            last = step
        return len(spikes)

    def test_as_many_as_there_is_room_for(self, rng):
        network = events_network(rng, **NOBODY_FIRES)
        line = SimulatedLine(network, config=Config(most_events=20))
        spikes = events_of([(2, 2)] * 20)
        check_events(line, network, spikes)

    @pytest.mark.parametrize("divisor", [4, *deep(8)])
    def test_the_core_may_hold_items_back(self, rng, divisor):
        """While 200 hidden units fire, of 240 cycles that an item waits at most."""
        network = events_network(rng, hidden=(200,), high=0, low=-9)
        network.layers[1].threshold[:] = 300
        line = SimulatedLine(network, divisor=divisor)
        check_events(line, network, random_spikes(rng, network, 4, least=20))

    def test_an_overrun_gives_no_class(self, rng):
        """400 units take longer; and nothing is answered until a break or silence."""
        network = self.slow(rng)
        line = SimulatedLine(network, timeout=2048, patience=300)  # 512 bits
        empty = random_spikes(rng, network, 2, most=0)
        content = protocol.events([(0, 0), (0, 1), (1, 2), (1, 3)]) + b"?"
        for reset in (lambda: line.send_break(0.01), lambda: line.advance(600)):
            assert split(line.converse(content)) == [OVERRUN]
            assert line.converse(b"?" + protocol.events([])) == b""
            reset()
            check_events(line, network, empty)

    @pytest.mark.deep
    def test_no_overrun_where_bytes_come_slower(self, rng):
        network = self.slow(rng)
        line = SimulatedLine(network, divisor=12)
        check_events(line, network, random_spikes(rng, network, 3, least=20))

    def slow(self, rng):
        network = events_network(rng, hidden=(400,), high=0, low=-9)
        network.layers[1].threshold[:] = 500
        return network

    def test_a_host_that_does_not_wait_for_answers(self, rng):
        """Right answers to the first, then an overrun, and only that."""
        network = events_network(rng, **NOBODY_FIRES)
        line = SimulatedLine(network, patience=200)
        (right,) = meaning(network, events_of([]))
        *first, last = split(line.converse(protocol.events([]) * 20))
        assert last == OVERRUN
        assert 2 <= len(first) < 20
        assert set(without_cycles(first)) == {right}


def events_of(spikes):
    """One inference of ``spikes``, unit and step each."""
    unit, step = np.array(spikes, int).reshape(-1, 2).T
    return Spikes(count=1, image=np.zeros(len(unit), int), step=step, unit=unit)


LOADING, READY, NO_IMAGE, OTHER_NETWORK, DAMAGED = (
    protocol.ANSWER.pack(status, 0, 0, 0)
    for status in (
        Status.LOADING,
        Status.READY,
        Status.NO_IMAGE,
        Status.OTHER_NETWORK,
        Status.DAMAGED,
    )
)
PICTURE = protocol.IMAGE + bytes(range(16))  # whatever is in it


def labels(content):
    """Of each answer with a class, the class; of each status, the status as bytes."""
    answers = [content[k : k + 8] for k in range(0, len(content), 8)]
    return [protocol.parse(each).label if any(each[2:4]) else each for each in answers]


class TestLoading:
    """Link and loader, with a core that a test plays: its class is the sum of pixels."""

    label = sum(range(16)) % 3

    @pytest.fixture
    def weights(self, network):
        return pack(network, WORDS)

    @pytest.fixture
    def identity(self, network):
        return protocol.identity(network.sha256)

    @pytest.mark.parametrize(
        ("every", "before"),
        [(9, [LOADING, READY]), *deep((2, [LOADING, LOADING]), (40, [READY, label]))],
    )
    def test_images_before_and_after_the_flash_is_read(self, network, weights, every, before):
        """An image that begins before the weights are there gets no class, however it ends."""
        script = [PICTURE, PICTURE, 400, PICTURE, PICTURE]
        sent, memory = converse(network, script, flash=weights, every=every)
        assert labels(sent) == [*before, self.label, self.label]
        assert memory == WORDS.tolist()

    def test_an_identification_waits_for_the_flash(self, network, weights, identity):
        sent, _ = converse(network, [b"?"], flash=weights[:-1])
        assert sent == b""
        assert converse(network, [b"?", 300, PICTURE], flash=weights)[0][:8] == identity

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
    def test_a_fault_of_the_flash_gives_no_class(self, network, weights, identity, change, status):
        script = [250, b"?", PICTURE, PICTURE, b"?", 100, protocol.LOAD + weights, PICTURE, b"?"]
        sent, memory = converse(network, script, flash=change(weights))
        assert sent[:8] == identity
        assert sent.count(identity) == 3
        answers = labels(sent.replace(identity, b""))
        assert answers == [status, status, READY, self.label]
        assert memory == WORDS.tolist()

    def test_without_a_flash(self, network, weights, identity):
        script = [b"?", 80, PICTURE, protocol.LOAD + weights, PICTURE]
        sent, _ = converse(network, script)
        assert sent[:8] == identity
        assert labels(sent[8:]) == [NO_IMAGE, READY, self.label]

    def test_loading_drops_what_is_being_computed(self, network, weights):
        """Only an answer that is already on its way comes."""
        script = [protocol.LOAD + weights, 100, PICTURE * 3 + protocol.LOAD + weights, PICTURE]
        sent, _ = converse(network, script, every=2)
        answers = labels(sent)
        assert answers[0] == READY
        assert answers[-2:] == [READY, self.label]
        assert set(answers[1:-2]) <= {self.label}
        assert len(answers) < 6

    def test_a_damaged_weight_image_from_the_host(self, network, weights):
        bad = weights[:30] + bytes([weights[30] ^ 0x80]) + weights[31:]
        script = [protocol.LOAD + weights, PICTURE, 100, protocol.LOAD + bad, PICTURE]
        sent, _ = converse(network, [*script, protocol.LOAD + weights, PICTURE])
        assert labels(sent) == [READY, self.label, DAMAGED, DAMAGED, READY, self.label]

    @pytest.mark.parametrize("length", [33, *deep(20, 300)])
    def test_after_a_wrong_header_nothing_is_a_command(self, network, weights, length):
        other = weights[:8] + bytes(8) + bytes(range(ord("?"), ord("X"))) * 20
        script = [protocol.LOAD + weights, protocol.LOAD + other[:length], PICTURE, b"?"]
        sent, memory = converse(network, script)
        assert labels(sent) == [READY, OTHER_NETWORK]
        assert memory == WORDS.tolist()


class TestLoadedAccelerator:
    """A whole board with a small network whose weights are loaded: only the pins are left out."""

    config = find_config("folded-16-spram,event")

    @pytest.fixture
    def network(self, rng):
        return image_network(rng, shape=(3, 3), hidden=(33,))

    @pytest.fixture
    def weights(self, network):
        return pack(network, loaded_words(network, self.config))

    def line(self, network, flash, **how):
        if isinstance(flash, bytes):
            flash = b"bitstream".ljust(WEIGHTS_AT, b"\xff") + flash
        how = {"patience": 400, **how}
        return SimulatedLine(network, config=self.config, flash=flash, **how)

    def answers(self, line, images):
        return split(line.converse(image_bytes(images)))

    def right(self, line, network, images):
        return without_cycles(self.answers(line, images)) == meaning(network, images)

    def test_from_the_flash(self, rng, network, weights):
        line = self.line(network, weights, watch=True)
        images = random_images(rng, network, 8)
        assert line.converse(b"?") == protocol.identity(network.sha256)
        replies = ask(line, images)
        assert without_cycles(replies) == meaning(network, images)
        assert [reply.cycles for reply in replies] == line.cycles
        assert line.flash.commands == [b"\xab", b"\x03" + WEIGHTS_AT.to_bytes(3, "big")]

    @pytest.mark.parametrize(
        ("flash", "status"),
        [
            (1, Status.NO_IMAGE),
            (lambda weights: flipped(weights, 8 * 20), Status.DAMAGED),
            *deep(
                (0, Status.NO_IMAGE),
                (b"", Status.NO_IMAGE),
                (lambda weights: weights[1:], Status.NO_IMAGE),
                (lambda weights: flipped(weights, 8 * 9), Status.OTHER_NETWORK),
                (lambda weights: flipped(weights, 8 * len(weights) - 1), Status.DAMAGED),
                (lambda weights: weights[:-1], Status.DAMAGED),
            ),
        ],
    )
    def test_never_a_wrong_class(self, rng, network, weights, flash, status):
        """A status in place of each answer, until the host has loaded the weights."""
        line = self.line(network, flash(weights) if callable(flash) else flash)
        images = random_images(rng, network, 3)
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert self.answers(line, images) == [(status, 0, 0, 0)] * 3
        assert line.converse(protocol.LOAD + weights) == READY
        assert self.right(line, network, images)

    def test_another_networks_weight_image(self, rng, network, weights):
        other = image_network(rng, shape=(3, 3), hidden=(33,))
        line = self.line(network, pack(other, loaded_words(other, self.config)))
        images = random_images(rng, network, 2)
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert self.answers(line, images) == [(Status.OTHER_NETWORK, 0, 0, 0)] * 2
        assert line.converse(protocol.LOAD + weights) == READY
        assert self.right(line, network, images)

    @pytest.mark.deep
    def test_the_weight_image_of_another_number_of_lanes(self, rng):
        network = image_network(rng, shape=(3, 3), hidden=(70,))
        words = loaded_words(network, find_config("folded-32-spram,event"))
        line = self.line(network, pack(network, words))
        assert line.converse(b"?") == protocol.identity(network.sha256)
        images = random_images(rng, network, 1)
        assert self.answers(line, images) == [(Status.OTHER_NETWORK, 0, 0, 0)]

    def test_a_break_keeps_the_weights_that_the_host_brought(self, rng, network, weights):
        line = self.line(network, 1)
        images = random_images(rng, network, 2)
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert line.converse(protocol.LOAD + weights) == READY
        line.send_break(0.01)
        assert self.right(line, network, images)

    def test_a_break_reads_the_flash_again(self, rng, network, weights):
        line = self.line(network, flipped(weights, 200))
        images = random_images(rng, network, 2)
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert line.converse(image_bytes(images[:1])) == DAMAGED
        line.flash.content = line.flash.content[:WEIGHTS_AT] + weights
        line.send_break(0.01)
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert self.right(line, network, images)

    @pytest.mark.parametrize("count", [60, *deep(1, 20)])
    def test_a_break_ends_a_weight_image(self, rng, network, weights, count):
        """What the flash holds comes back."""
        line = self.line(network, weights)
        assert line.converse(b"?") == protocol.identity(network.sha256)
        line.write(protocol.LOAD + weights[:count])
        line.send_break(0.01)
        line.reset_input_buffer()
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert self.right(line, network, random_images(rng, network, 2))

    @pytest.mark.parametrize(
        ("flash", "count"),
        [(True, 60), (False, 1), *deep((True, 1), (True, 20), (False, 20), (False, 60))],
    )
    def test_silence_ends_a_weight_image(self, rng, network, weights, count, flash):
        """What the flash holds comes back, or none is there; then the host loads them."""
        line = self.line(network, weights if flash else None, **{**SILENT, "patience": 400})
        assert line.converse(b"?") == protocol.identity(network.sha256)
        leave(line, protocol.LOAD + weights[:count])
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert line.no_class == (not flash)
        images = random_images(rng, network, 2)
        if not flash:
            assert self.answers(line, images) == [(Status.NO_IMAGE, 0, 0, 0)] * 2
            assert line.converse(protocol.LOAD + weights) == READY
        assert self.right(line, network, images)
        assert line.no_class == 0

    def test_silence_after_a_wrong_header(self, rng, network, weights):
        line = self.line(network, weights, **{**SILENT, "patience": 400})
        assert line.converse(b"?") == protocol.identity(network.sha256)
        leave(line, protocol.LOAD + flipped(weights, 80) + b"????")
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert self.right(line, network, random_images(rng, network, 2))

    def test_a_break_while_the_flash_is_read(self, rng, network, weights):
        line = self.line(network, weights)
        line.advance(100)  # some words are in
        line.send_break(0.01)
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert self.right(line, network, random_images(rng, network, 2))

    def test_without_a_flash(self, rng, network, weights):
        line = self.line(network, None)
        images = random_images(rng, network, 2)
        assert self.answers(line, images) == [(Status.NO_IMAGE, 0, 0, 0)] * 2
        assert line.converse(protocol.LOAD + weights) == READY
        assert self.right(line, network, images)

    def test_a_damaged_line(self, rng, network, weights):
        line = self.line(network, weights)
        images = random_images(rng, network, 2)
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert line.converse(protocol.LOAD + flipped(weights, 300)) == DAMAGED
        assert self.answers(line, images) == [(Status.DAMAGED, 0, 0, 0)] * 2
        assert line.converse(protocol.LOAD + weights) == READY
        assert self.right(line, network, images)

    def test_loading_drops_what_is_being_computed(self, rng):
        network = image_network(rng, hidden=(200,), low=50, high=60)  # nobody fires
        weights = pack(network, loaded_words(network, self.config))
        line = self.line(network, weights, watch=True, patience=2000)
        images = np.linspace(32, 255, 16).astype(np.uint8).reshape(1, 4, 4)
        assert line.converse(b"?") == protocol.identity(network.sha256)
        assert self.right(line, network, images)
        assert line.cycles[0] > 2 * 40  # of which the command takes half
        assert line.converse(image_bytes(images) + protocol.LOAD + b"?") == NO_IMAGE

    @pytest.mark.parametrize("seed", [1, *deep(0, 2)])
    def test_no_pixel_meets_wrong_weights(self, network, weights, seed):
        """Whatever comes over the link and from the flash."""
        rng = np.random.default_rng(seed)
        words = loaded_words(network, self.config).tolist()
        bits = 8 * len(weights)
        line = self.line(network, flipped(weights, rng.integers(bits)) if seed % 2 else weights)
        pixels = watch(line, words)
        actions = (
            lambda: random_images(rng, network, 1).tobytes(),
            lambda: protocol.IMAGE + rng.bytes(9),
            lambda: protocol.LOAD + weights,
            lambda: protocol.LOAD + flipped(weights, rng.integers(160, bits)),
            lambda: protocol.LOAD + weights[: rng.integers(len(weights))],
        )
        line.advance(rng.integers(1000))
        for _ in range(10):
            line.write(actions[rng.integers(len(actions))]())
            if rng.random() < 0.3:
                line.send_break(0.01)
        line.converse(b"")
        line.send_break(0.01)
        line.converse(b"?")
        line.converse(protocol.LOAD + weights)
        images = random_images(rng, network, 2)
        assert self.right(line, network, images)
        assert len(pixels) >= 2 * 9
        assert all(pixels)


class TestLoadedEvents:
    """Events where weights are loaded: of a hidden layer behind the first."""

    config = find_config("event,folded-16-spram,event")

    @pytest.fixture
    def network(self, rng):
        """200 units that all fire with the first spike, each of which takes three cycles."""
        network = events_network(rng, hidden=(200, 34), **NOBODY_FIRES)
        network.layers[0].weight[:] = True
        network.layers[0].threshold[:] = 1
        return network

    @pytest.fixture
    def weights(self, network):
        return pack(network, loaded_words(network, self.config))

    def test_before_and_after(self, rng):
        network = events_network(rng, hidden=(6, 34), low=0)
        weights = pack(network, loaded_words(network, self.config))
        line = SimulatedLine(network, config=self.config)
        spikes = random_spikes(rng, network, 3)
        assert ask_all(line, event_commands(spikes)) == [(Status.NO_IMAGE, 0, 0, 0)] * 3
        assert line.converse(protocol.events([]) * 2) == NO_IMAGE * 2
        assert line.converse(protocol.LOAD + weights) == READY
        check_events(line, network, spikes)

    def test_loading_drops_what_is_being_computed(self, rng, network, weights):
        """And what waits for that."""
        line = SimulatedLine(network, config=self.config, patience=200)
        assert line.converse(protocol.LOAD + weights) == READY
        content = protocol.events([(3, 7)]) + protocol.events([]) + protocol.LOAD + weights
        assert line.converse(content) == READY
        check_events(line, network, random_spikes(rng, network, 2, most=1))


def watch(line, words):
    """A list that grows with each pixel that the core takes: whether it held ``words`` then."""
    core, memory, right = line.accelerator._core, {}, []
    expected = dict(enumerate(words))

    async def look(ctx):
        ports = (core.load.valid, core.load.payload, core.pixels.valid, core.pixels.ready)
        async for _, _, loads, word, valid, ready in ctx.tick().sample(*ports):
            if valid and ready:
                right.append(memory == expected)
            if loads:
                memory[word.address] = word.data

    line.add_testbench(look)
    return right


def flipped(content, bit):
    content = bytearray(content)
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)
