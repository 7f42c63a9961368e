"""The accelerator behind its UART, against the golden model: weights that are loaded."""

import numpy as np
import pytest
from conversations import (
    DAMAGED,
    NO_IMAGE,
    NOBODY_FIRES,
    OTHER_NETWORK,
    QUERY,
    READY,
    SILENT,
    check_events,
    classes,
    event_command,
    event_commands,
    flipped,
    identified,
    image_commands,
    kinds,
    leave,
    load_command,
    meaning,
    received,
    split,
    without_cycles,
)
from samples import deep, events_network, image_network, random_images, random_spikes
from simulated_line import WEIGHTS_AT, SimulatedLine, ask, ask_all

from hw.link.protocol import Kind, Status
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
        how = {"timeout": 256, "patience": 400, **how}
        return SimulatedLine(network, config=self.config, flash=flash, **how)

    def take_a_break(self, line):
        line.send_break(0.01)
        assert kinds(line.converse(b"")) == [Kind.DAMAGED]

    def load(self, line, weights):
        return split(line.converse(line.frames(load_command(weights)))) == [READY]

    def right(self, line, network, images):
        return without_cycles(classes(line, images)) == meaning(network, images)

    def test_from_the_flash(self, rng, network, weights):
        line = self.line(network, weights, watch=True)
        images = random_images(rng, network, 8)
        assert identified(line, network, loads=True)
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
        assert identified(line, network, loads=True)
        assert classes(line, images) == [(status, 0, 0, 0)] * 3
        assert self.load(line, weights)
        assert self.right(line, network, images)

    def test_another_networks_weight_image(self, rng, network, weights):
        other = image_network(rng, shape=(3, 3), hidden=(33,))
        line = self.line(network, pack(other, loaded_words(other, self.config)))
        images = random_images(rng, network, 2)
        assert identified(line, network, loads=True)
        assert classes(line, images) == [OTHER_NETWORK] * 2
        assert self.load(line, weights)
        assert self.right(line, network, images)

    @pytest.mark.deep
    def test_the_weight_image_of_another_number_of_lanes(self, rng):
        network = image_network(rng, shape=(3, 3), hidden=(70,))
        words = loaded_words(network, find_config("folded-32-spram,event"))
        line = self.line(network, pack(network, words))
        assert identified(line, network, loads=True)
        images = random_images(rng, network, 1)
        assert classes(line, images) == [OTHER_NETWORK]

    def test_a_break_keeps_the_weights_that_the_host_brought(self, rng, network, weights):
        line = self.line(network, 1)
        images = random_images(rng, network, 2)
        assert identified(line, network, loads=True)
        assert self.load(line, weights)
        self.take_a_break(line)
        assert self.right(line, network, images)

    def test_a_break_reads_the_flash_again(self, rng, network, weights):
        line = self.line(network, flipped(weights, 200))
        images = random_images(rng, network, 2)
        assert identified(line, network, loads=True)
        assert classes(line, images[:1]) == [DAMAGED]
        line.flash.content = line.flash.content[:WEIGHTS_AT] + weights
        self.take_a_break(line)
        assert identified(line, network, loads=True)
        assert self.right(line, network, images)

    @pytest.mark.parametrize("count", [60, *deep(1, 20)])
    def test_a_break_ends_a_weight_image(self, rng, network, weights, count):
        """What the flash holds comes back."""
        line = self.line(network, weights)
        assert identified(line, network, loads=True)
        line.write(line.frames(load_command(weights))[:count])
        self.take_a_break(line)
        assert identified(line, network, loads=True)
        assert self.right(line, network, random_images(rng, network, 2))

    @pytest.mark.parametrize(
        ("flash", "count"),
        [(True, 60), (False, 1), *deep((True, 1), (True, 20), (False, 20), (False, 60))],
    )
    def test_silence_ends_a_weight_image(self, rng, network, weights, count, flash):
        """What the flash holds comes back, or none is there; then the host loads them."""
        line = self.line(network, weights if flash else None, **{**SILENT, "patience": 400})
        assert identified(line, network, loads=True)
        leave(line, line.frames(load_command(weights))[:count])
        assert identified(line, network, loads=True)
        assert line.no_class == (not flash)
        images = random_images(rng, network, 2)
        if not flash:
            assert classes(line, images) == [NO_IMAGE] * 2
            assert self.load(line, weights)
        assert self.right(line, network, images)
        assert line.no_class == 0

    def test_after_a_wrong_header(self, rng, network, weights):
        """Nothing is heard until the line has been idle."""
        line = self.line(network, weights)
        assert identified(line, network, loads=True)
        content = line.frames(load_command(flipped(weights, 80)), QUERY)
        (reply,) = received(line.converse(content))
        assert (reply.kind, reply.payload[0]) == (Kind.REFUSED, Status.OTHER_NETWORK)
        assert identified(line, network, loads=True)
        assert self.right(line, network, random_images(rng, network, 2))

    def test_a_break_while_the_flash_is_read(self, rng, network, weights):
        line = self.line(network, weights)
        line.advance(100)  # some words are in
        self.take_a_break(line)
        assert identified(line, network, loads=True)
        assert self.right(line, network, random_images(rng, network, 2))

    def test_without_a_flash(self, rng, network, weights):
        line = self.line(network, None)
        images = random_images(rng, network, 2)
        assert classes(line, images) == [NO_IMAGE] * 2
        assert self.load(line, weights)
        assert self.right(line, network, images)

    def test_a_damaged_frame(self, rng, network, weights):
        """Of a weight image: what the flash holds comes back."""
        line = self.line(network, weights)
        assert identified(line, network, loads=True)
        content = flipped(line.frames(load_command(weights)), 300)
        assert kinds(line.converse(content)) == [Kind.DAMAGED]
        assert identified(line, network, loads=True)
        assert self.right(line, network, random_images(rng, network, 2))

    def test_a_damaged_weight_image(self, rng, network, weights):
        line = self.line(network, weights)
        images = random_images(rng, network, 2)
        assert identified(line, network, loads=True)
        damaged = load_command(flipped(weights, 300))  # before it was put into a frame
        assert split(line.converse(line.frames(damaged))) == [DAMAGED]
        assert classes(line, images) == [DAMAGED] * 2
        assert self.load(line, weights)
        assert self.right(line, network, images)

    def test_loading_drops_what_is_being_computed(self, rng):
        network = image_network(rng, hidden=(400,), low=50, high=60)  # no unit fires
        weights = pack(network, loaded_words(network, self.config))
        line = self.line(network, weights, watch=True)
        line.advance(4000)  # until the flash has been read
        images = np.linspace(32, 255, 16).astype(np.uint8).reshape(1, 4, 4)
        assert identified(line, network, loads=True)
        assert self.right(line, network, images)
        assert line.cycles[0] > 200  # until then the next frame has begun
        content = line.frames(*image_commands(images), load_command(weights))
        (reply,) = received(line.converse(content))
        assert (reply.kind, reply.sequence, reply.payload[0]) == (Kind.STATUS, 3, Status.READY)

    @pytest.mark.parametrize("seed", [1, *deep(0, 2)])
    def test_no_pixel_meets_wrong_weights(self, network, weights, seed):
        """Whatever comes over the link and from the flash."""
        rng = np.random.default_rng(seed)
        words = loaded_words(network, self.config).tolist()
        bits = 8 * len(weights)
        flash = flipped(weights, rng.integers(bits)) if seed % 2 else weights
        line = self.line(network, flash, **SILENT)
        pixels = watch(line, words)
        actions = (
            lambda: random_images(rng, network, 1).tobytes(),
            lambda: line.frames(*image_commands(random_images(rng, network, 1))),
            lambda: line.frames(load_command(weights)),
            lambda: line.frames(load_command(flipped(weights, rng.integers(160, bits)))),
            lambda: line.frames(load_command(weights))[: rng.integers(len(weights))],
        )
        line.advance(rng.integers(1000))
        for _ in range(10):
            line.write(actions[rng.integers(len(actions))]())
            if rng.random() < 0.5:
                line.advance(200)
        line.converse(b"")
        line.advance(200)
        assert self.load(line, weights)
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
        assert ask_all(line, event_commands(spikes)) == [NO_IMAGE] * 3
        empty = line.frames(*[event_command([])] * 2)
        assert split(line.converse(empty)) == [NO_IMAGE] * 2
        assert split(line.converse(line.frames(load_command(weights)))) == [READY]
        check_events(line, network, spikes)

    def test_loading_drops_what_is_being_computed(self, rng, network, weights):
        """And what waits for that."""
        line = SimulatedLine(network, config=self.config, patience=400)
        load = load_command(weights)
        assert split(line.converse(line.frames(load))) == [READY]
        first, *rest = received(line.converse(line.frames(event_command([(3, 7)]), load)))
        reply = rest[0] if rest else first  # the class may have been known before
        assert (reply.kind, reply.sequence, reply.payload[0]) == (Kind.STATUS, 2, Status.READY)
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
