"""The session: what it sends, and what it makes of all that a line may bring."""

import zlib

import numpy as np
import pytest
from conversations import event_command, sealed
from samples import deep, events_network, image_network, random_images, random_spikes
from simulated_line import SimulatedLine

from hw.link import protocol, session
from hw.link.protocol import CLASS, Command, Fault, Kind, Status
from hw.link.sending import commands
from hw.link.session import Session
from hw.link.weight_image import pack
from hw.rtl.config import DEFAULT, find_config
from hw.rtl.core import loaded_words
from sim import golden
from sw.cli import UserError
from sw.encoder import Spikes

LOADED = find_config("folded-16-spram,event")
SOME = (1, 2, 3, 4)


class Scripted:
    """A board that answers each frame by the next of its script, and queries by its identity.

    An answer is (kind, body), bytes as they are, or a function of the sequence number.
    """

    def __init__(self, network, *script, identity=None, loads=False):
        right = protocol.identity(network.sha256, loads=loads)
        self.identity = right if identity is None else identity
        self.script = list(script)
        self.asked = []  # (kind, sequence number, payload)
        self.log = ""
        self.fault = None
        self.slept = []
        self._coming = self._received = b""

    def write(self, data):
        self._break_down("write")
        self._coming += data
        content, checksum = self._coming[:-4], self._coming[-4:]
        if zlib.crc32(content).to_bytes(4, "little") != checksum:
            return  # more comes
        self._coming = b""
        self.log += "w"
        kind, sequence = divmod(content[0], 16)
        self.asked.append((kind, sequence, content[1:]))
        if kind == Kind.QUERY:
            answer = self.identity
            if isinstance(answer, list):
                answer = answer.pop(0)
            if len(answer) == 8:
                answer = sealed(sequence, Kind.IDENTITY, answer)
        else:
            answer = self.script.pop(0)
            if callable(answer):
                answer = answer(sequence)
            if isinstance(answer, tuple):
                answer = sealed(sequence, *answer)
        self._received += answer

    def read(self, size):
        self._break_down("read")
        self.log += "r"
        answer, self._received = self._received[:size], self._received[size:]
        return answer

    def reset_input_buffer(self):
        self._received = b""

    def reset_output_buffer(self):
        pass

    @property
    def in_waiting(self):
        return len(self._received)

    def _break_down(self, where):
        if self.fault == where:
            raise OSError(5, "Input/output error")

    def begin(self, network, **how):
        return Session(self, network, sleep=self.slept.append, **how)


def some(*reply):
    """The answer with that class."""
    return Kind.CLASS, CLASS.pack(*(reply or SOME))


@pytest.fixture
def network(rng):
    return image_network(rng)


def check(replies, network, inputs):
    answer = golden.run_inputs(network, inputs)
    assert [reply.label for reply in replies] == answer.label.tolist()
    assert [reply.step for reply in replies] == answer.step.tolist()
    assert [reply.margin for reply in replies] == answer.margin.tolist()


def simulated(line, network):
    """A session whose waiting takes as long as the simulated board needs."""
    return Session(line, network, sleep=lambda seconds: line.advance(200))


@pytest.mark.parametrize("count", [0, 5, *deep(1, 2, 7)])
def test_images(rng, network, count):
    images = random_images(rng, network, count)
    line = SimulatedLine(network, timeout=256, watch=True)
    talk = simulated(line, network)
    replies = list(talk.classify(images))
    assert len(replies) == count
    if count:
        check(replies, network, images)
    assert [reply.cycles for reply in replies] == line.cycles
    assert talk.losses == 0


@pytest.mark.parametrize("count", [4, *deep(0, 1, 2, 9)])
@pytest.mark.parametrize("how", [{}, {"high": 99, "low": 90}, *deep({"hidden": (9,)})])
def test_events(rng, count, how):
    """Where no output fires, the end mark is waited for; else the result may come before it."""
    network = events_network(rng, **how)
    spikes = random_spikes(rng, network, count)
    line = SimulatedLine(network, timeout=256, watch=True)
    replies = list(simulated(line, network).classify(spikes))
    assert len(replies) == count
    if count:
        check(replies, network, spikes)
    assert [reply.cycles for reply in replies] == line.cycles


@pytest.mark.parametrize("kind", ["image", "events", "weights"])
def test_it_takes_over_from_a_host_that_died(rng, kind):
    """Within an input, in which a query would be data, or within a weight image."""
    config = DEFAULT
    if kind == "events":
        network = events_network(rng, hidden=(6,), high=99, low=90)
        inputs, left = random_spikes(rng, network, 3), event_command([(3, 4)])
    elif kind == "image":
        network = image_network(rng)
        inputs = random_images(rng, network, 3)
        left = Command(Kind.IMAGE, bytes(16))
    else:
        network, config = image_network(rng, shape=(3, 3), hidden=(34,)), LOADED
        inputs = random_images(rng, network, 3)
        weights = pack(network, loaded_words(network, config))
        left = Command(Kind.LOAD, weights)
    line = SimulatedLine(network, config=config, timeout=256)
    line.write(line.frames(left)[:-5])
    while not line.sent:
        line.advance(1)
    talk = simulated(line, network)
    if kind == "weights":
        talk.load(weights)
    check(list(talk.classify(inputs)), network, inputs)


def test_it_waits_longer_than_any_board(network):
    line = Scripted(network)
    line.begin(network)
    assert max(line.slept) > 2 * protocol.TIMEOUT
    assert line.asked == [(Kind.QUERY, 15, b"")]


def test_one_image_is_in_flight_if_the_board_says_so(rng, network):
    identity = protocol.identity(network.sha256, alone=True)
    line = Scripted(network, *[some()] * 3, identity=identity)
    assert len(list(line.begin(network).classify(random_images(rng, network, 3)))) == 3
    assert line.log == "wr" * 4


def test_two_images_are_in_flight(rng, network):
    line = Scripted(network, *[some()] * 4)
    assert len(list(line.begin(network).classify(random_images(rng, network, 4)))) == 4
    assert line.log == "wr" + "ww" + "rw" * 2 + "rr"
    assert [sequence for _, sequence, _ in line.asked] == [15, 0, 1, 2, 3]


DAMAGED = (Kind.DAMAGED, b"")


def flip(reply):
    return lambda sequence: bytes([*sealed(sequence, *reply)[:-1], 0])


@pytest.mark.parametrize(
    "loss",
    [
        DAMAGED,
        b"",  # nothing comes
        b"\x80\x01",
        flip(some(1, 1, 9, 9)),
        lambda sequence: sealed(sequence ^ 1, *some(2, 2, 2, 2)),
        lambda sequence: b"\x55" + sealed(sequence, *some()),  # a byte too many
        lambda sequence: sealed(sequence, Kind.IDENTITY),
        (Kind.REFUSED, bytes([Status.NO_IMAGE])),
    ],
)
def test_what_is_lost_is_sent_again(rng, network, loss):
    """Of two images in flight both."""
    images = random_images(rng, network, 3)
    line = Scripted(network, some(), loss, some(0, 1, 2, 3), some(1, 1, 1, 1), some(2, 2, 2, 2))
    talk = line.begin(network)
    replies = list(talk.classify(images))
    assert replies == [SOME, (1, 1, 1, 1), (2, 2, 2, 2)]
    assert talk.losses == 1
    kinds = [Kind.QUERY] + [Kind.IMAGE] * 3 + [Kind.QUERY] + [Kind.IMAGE] * 2
    assert [kind for kind, *_ in line.asked] == kinds
    assert [payload for kind, _, payload in line.asked if kind == Kind.IMAGE] == [
        images[k].tobytes() for k in (0, 1, 2, 1, 2)
    ]
    assert [sequence for _, sequence, _ in line.asked] == [15, 0, 1, 2, 3, 4, 5]


def test_bytes_after_the_last_reply(rng, network):
    """Are looked into, and change no class."""
    line = Scripted(network, lambda sequence: sealed(sequence, *some()) + b"\x80")
    talk = line.begin(network)
    assert list(talk.classify(random_images(rng, network, 1))) == [SOME]
    assert talk.losses == 1
    assert [kind for kind, *_ in line.asked] == [Kind.QUERY, Kind.IMAGE, Kind.QUERY]


def test_a_line_that_loses_everything(rng, network):
    line = Scripted(network, *[DAMAGED] * 5)
    message = r"^com7: 5 times in a row: the board received a damaged frame; check the cable and --"
    with pytest.raises(UserError, match=message):
        list(line.begin(network, name="com7").classify(random_images(rng, network, 1)))


def test_a_board_that_is_late_once(rng, network):
    """A query goes unanswered after a loss, as when a packet of an adapter is lost: the next."""
    known = protocol.identity(network.sha256, loads=False)
    script = [DAMAGED, some(), some(), some(1, 1, 1, 1)]
    talk = Scripted(network, *script, identity=[known, b"", known]).begin(network)
    assert list(talk.classify(random_images(rng, network, 2))) == [SOME, (1, 1, 1, 1)]
    assert talk.losses == 2


def test_a_board_that_falls_silent(rng, network):
    line = Scripted(network, some(), b"", b"")
    replies = line.begin(network, name="com7").classify(random_images(rng, network, 3))
    assert next(replies) == SOME
    line.identity = b""
    with pytest.raises(UserError, match=r"^com7: no answer; check that the bitstream is loaded"):
        next(replies)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", r"^port: no answer; check that the bitstream is loaded, that this is the port"),
        (b"login: \n\n", r"^port: it answers 6c6f67696e3a200a0a, which is not this accelerator; "),
        (
            b"1SPK\xde\xad\xbe\xef\x00",
            r"^port: the board speaks version 1 of the protocol, not 2; build its bitstream again",
        ),
        (
            bytes.fromhex("deadbeef03000000"),
            r"^port: the board speaks version 3 of the protocol, not 2; build its bitstream again",
        ),
        (
            bytes.fromhex("deadbeef02000000"),
            r"^port: the board holds network deadbeef…, not random \([0-9a-f]",
        ),
        (
            sealed(0, *DAMAGED),
            r"^port: the board received no query undamaged; check the c",
        ),
    ],
)
def test_identification(network, answer, message):
    with pytest.raises(UserError, match=message):
        Scripted(network, identity=answer).begin(network)


def test_a_query_that_is_lost(network):
    right = protocol.identity(network.sha256)
    for lost in (b"\x01\x02", sealed(3, *DAMAGED), sealed(9, Kind.IDENTITY, right)):
        line = Scripted(network, identity=[lost, right])
        assert line.begin(network).losses == 1
        assert [sequence for _, sequence, _ in line.asked] == [15, 0]


def test_another_network_on_the_board(rng, network):
    other = image_network(rng)
    message = rf"holds network {other.sha256[:8]}…, not random \({network.sha256[:8]}…\); name its"
    with pytest.raises(UserError, match=message):
        Scripted(other).begin(network)


@pytest.mark.parametrize("fault", ["read", "write"])
def test_a_cable_that_is_pulled(rng, network, fault):
    line = Scripted(network, some(), some())
    talk = line.begin(network)
    line.fault = fault
    with pytest.raises(UserError, match=r"^port: connection lost \(.*Input/output.*\); check the"):
        list(talk.classify(random_images(rng, network, 2)))


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ((3, 0, 9, 5), "class 3 of 3 in step 0 of 8"),
        ((49, 7, 9, 5), "class 49 of 3 in step 7 of 8"),
        ((2, 8, 9, 5), "class 2 of 3 in step 8 of 8"),
    ],
)
def test_what_no_answer_can_be(rng, network, reply, text):
    line = Scripted(network, some(2, 7, 9, 5), some(*reply))
    replies = line.begin(network).classify(random_images(rng, network, 2))
    assert next(replies) == (2, 7, 9, 5)
    with pytest.raises(UserError, match=rf"^port: the board answers {text}, which is impossible"):
        next(replies)


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        ((2, 28, 28), np.uint8, r"^random takes uint8 images \(4, 4\), not uint8 \(28, 28\); name"),
        ((2, 8, 8), np.float32, r"takes uint8 images \(4, 4\), not float32 \(8, 8\)"),
        ((2, 64), np.uint8, r"not uint8 \(64,\)"),
    ],
)
def test_wrong_images(network, shape, kind, message):
    with pytest.raises(UserError, match=message):
        list(Scripted(network).begin(network).classify(np.zeros(shape, kind)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"unit": np.array([3, 12])},
            "12 channels in 8 steps, not of channel 12 or in step 2; nam",
        ),
        ({"unit": np.array([3, 70000])}, "not of channel 70000 or in step 2; name the data set"),
        ({"step": np.array([1, 8])}, "takes events of .* not of channel 4 or in step 8; name the"),
    ],
)
def test_wrong_events(rng, change, message):
    network = events_network(rng)
    spikes = {"unit": np.array([4, 0]), "step": np.array([1, 2]), **change}
    talk = Scripted(network).begin(network)
    with pytest.raises(UserError, match=message):
        list(talk.classify(Spikes(count=1, image=np.zeros(2, int), **spikes)))


def test_inputs_of_the_other_kind(rng, network):
    events = events_network(rng)
    spikes, images = random_spikes(rng, events, 1), random_images(rng, network, 1)
    with pytest.raises(UserError, match=r"^random takes images, not events; name the data set"):
        commands(network, spikes)
    with pytest.raises(UserError, match=r"^events takes events, not images; name the data set"):
        commands(events, images)


REASONS = [
    (Status.READY, "it began before the weights were loaded; program the flash"),
    (Status.LOADING, "the weights are still loading; program the flash as hw.build says"),
    (Status.NO_IMAGE, "the flash does not respond, or there is no weight image; program the"),
    (Status.OTHER_NETWORK, "the weight image is not for the board's bitstream; program the"),
    (Status.DAMAGED, "the weight image is damaged, its checksum is wrong; program the"),
    (Fault.RULES, "too many spikes, or not in time order; send fewer events"),
    (99, "status 99; check the cable"),
]


@pytest.mark.parametrize(("status", "text"), REASONS)
def test_a_status_in_place_of_a_class(rng, network, status, text):
    line = Scripted(network, some(), (Kind.STATUS, bytes([status])), some())
    replies = line.begin(network).classify(random_images(rng, network, 3))
    assert next(replies) == SOME
    message = rf"^port: the board has no class for an input: {text}"
    with pytest.raises(UserError, match=message):
        next(replies)


def test_events_that_always_come_too_fast(rng):
    """They may have been damaged; so it is tried again."""
    network = events_network(rng)
    line = Scripted(network, *[(Kind.REFUSED, bytes([Fault.OVERRUN]))] * 5)
    message = r"^port: 5 times in a row: inputs came faster than the board accepts them; build it "
    with pytest.raises(UserError, match=message):
        list(line.begin(network).classify(random_spikes(rng, network, 1)))


def test_load(network):
    line = Scripted(network, (Kind.STATUS, bytes([Status.READY])), loads=True)
    line.begin(network).load(b"the image")
    assert line.asked[1:] == [(Kind.LOAD, 0, b"the image")]


@pytest.mark.parametrize(
    "rejection",
    [
        (Kind.REFUSED, bytes([Status.OTHER_NETWORK])),
        (Kind.STATUS, bytes([Status.DAMAGED])),
        DAMAGED,
    ],
)
def test_a_weight_image_that_is_damaged_on_the_line(network, rejection):
    line = Scripted(network, rejection, (Kind.STATUS, bytes([Status.READY])), loads=True)
    talk = line.begin(network)
    talk.load(b"the image")
    assert talk.losses == 1
    assert [kind for kind, *_ in line.asked] == [Kind.QUERY, Kind.LOAD] * 2


@pytest.mark.parametrize(("status", "text"), REASONS[1:5])
@pytest.mark.parametrize("kind", [Kind.STATUS, Kind.REFUSED])
def test_a_weight_image_that_the_board_does_not_take(network, kind, status, text):
    line = Scripted(network, *[(kind, bytes([status]))] * 5, loads=True)
    message = rf"^port: 5 times in a row: {text}"
    with pytest.raises(UserError, match=message):
        line.begin(network).load(b"the image")


def test_a_board_that_loads_nothing(network):
    message = "^port: the board has its weights built in; leave out --load$"
    with pytest.raises(UserError, match=message):
        Scripted(network).begin(network).load(b"the image")


def test_its_waiting_is_in_seconds():
    assert 0.016 < session._LATE < 1  # a USB bridge holds bytes back for as long
