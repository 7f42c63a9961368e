"""The accelerator of a network with maps: one input at a time, of several channels."""

import pytest
from conversations import (
    identified,
    image_commands,
    kinds,
    load_command,
    meaning,
    without_cycles,
)
from networks import map_network
from samples import deep, random_images, random_spikes
from simulated_line import SimulatedLine, ask

from hw.link.protocol import Kind, Status
from hw.link.session import Session
from hw.link.weight_image import pack
from hw.rtl.config import default_config, find_config
from hw.rtl.core import loaded_words
from sw.encoder import EventsEncoder, LatencyEncoder


def colours(rng, **how):
    encoder = LatencyEncoder(shape=(2, 4, 4), silent_below=60, **how)
    return map_network(rng, "6c3p1,f2,5", 4, encoder)


@pytest.mark.parametrize("how", [{}, *deep({"pool": 2})])
def test_colour_images(rng, how):
    network = colours(rng, **how)
    images = random_images(rng, network, 4)
    line = SimulatedLine(network, config=default_config(network), timeout=256, watch=True)
    session = Session(line, network, sleep=lambda seconds: line.advance(200))
    replies = list(session.classify(images))
    assert without_cycles(replies) == meaning(network, images)
    assert [reply.cycles for reply in replies] == line.cycles
    assert session.losses == 0


def test_an_image_that_comes_too_early_is_refused(rng):
    """And those in flight are dropped; then all is as ever."""
    network = colours(rng)
    network.layers[-1].threshold[:] = 99  # no output fires, so it takes its time
    images = random_images(rng, network, 2)
    line = SimulatedLine(network, config=find_config("tiles-2"), timeout=256, patience=400)
    assert identified(line, network, alone=True)
    assert kinds(line.converse(line.frames(*image_commands(images)))) == [Kind.REFUSED]
    assert without_cycles(ask(line, images)) == meaning(network, images)


def test_maps_of_events(rng):
    network = map_network(rng, "3c2,f2,4", 6, EventsEncoder(shape=(2, 3, 4)))
    spikes = random_spikes(rng, network, 4, most=12)
    line = SimulatedLine(network, config=default_config(network), timeout=256, watch=True)
    session = Session(line, network, sleep=lambda seconds: line.advance(200))
    replies = list(session.classify(spikes))
    assert without_cycles(replies) == meaning(network, spikes)
    assert [reply.cycles for reply in replies] == line.cycles
    assert session.losses == 0


def test_an_engine_that_gathers(rng):
    network, config = colours(rng), find_config("gather-8")
    images = random_images(rng, network, 3)
    line = SimulatedLine(network, config=config, timeout=256, patience=400, watch=True)
    assert identified(line, network, alone=True)
    replies = ask(line, images)
    assert without_cycles(replies) == meaning(network, images)
    assert [reply.cycles for reply in replies] == line.cycles


@pytest.mark.deep
def test_weights_by_the_host(rng):
    """Into a board whose flash holds none."""
    network, config = colours(rng), find_config("tiles-4-spram")
    images = random_images(rng, network, 2)
    line = SimulatedLine(network, config=config, timeout=256, patience=400)
    assert [reply.label for reply in ask(line, images)] == [Status.NO_IMAGE] * 2
    weights = load_command(pack(network, loaded_words(network, config)))
    assert kinds(line.converse(line.frames(weights))) == [Kind.STATUS]
    assert without_cycles(ask(line, images)) == meaning(network, images)
