"""Link and loader, with a core that a test plays."""

import pytest
from conversations import DAMAGED, LOADING, NO_IMAGE, OTHER_NETWORK, READY, flipped
from samples import deep, image_network
from simulated_loading import WORDS, converse

from hw.link import protocol
from hw.link.weight_image import pack

PICTURE = protocol.IMAGE + bytes(range(16))  # whatever is in it


def labels(content):
    """Of each answer with a class, the class; of each status, the status as bytes."""
    answers = [content[k : k + 8] for k in range(0, len(content), 8)]
    return [protocol.parse(each).label if any(each[2:4]) else each for each in answers]


@pytest.fixture
def network(rng):
    return image_network(rng)


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
