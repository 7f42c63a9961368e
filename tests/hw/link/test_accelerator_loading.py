"""The accelerator behind its UART, against the golden model: weights that are loaded."""

import numpy as np
import pytest
from conversations import (
    DAMAGED,
    NO_IMAGE,
    NOBODY_FIRES,
    READY,
    SILENT,
    check_events,
    event_commands,
    flipped,
    image_bytes,
    leave,
    meaning,
    split,
    without_cycles,
)
from samples import deep, events_network, image_network, random_images, random_spikes
from simulated_line import WEIGHTS_AT, SimulatedLine, ask, ask_all

from hw.link import protocol
from hw.link.protocol import Status
from hw.link.weight_image import pack
from hw.rtl.config import find_config
from hw.rtl.core import loaded_words


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
        network = image_network(rng, hidden=(200,), low=50, high=60)  # no unit fires
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
