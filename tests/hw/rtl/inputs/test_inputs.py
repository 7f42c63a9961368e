"""What an input brings: its beats, ports and refusals."""

import numpy as np
import pytest
from amaranth.hdl import Shape
from amaranth.lib import stream
from samples import events_network, image_network

from hw.rtl.config import Config, find_config
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.inputs.registry import INPUTS, find_input
from sw.cli import UserError
from sw.encoder import EventsEncoder, LatencyEncoder, PhaseEncoder, Spikes

IMAGE = LatencyEncoder(shape=(2, 4))
EVENTS = EventsEncoder(channels=700)
VALUES = PhaseEncoder(shape=(2, 4))


def test_each_encoder_has_its_input():
    assert [kind.encodes for kind in INPUTS] == [LatencyEncoder, PhaseEncoder, EventsEncoder]
    assert find_input(IMAGE).port == "pixels"
    assert find_input(EVENTS).port == "source"
    assert find_input(VALUES).port == "pixels"


@pytest.mark.parametrize(("pixels", "expected"), [(1, range(16)), (2, [0x100, 0x302, 0x504])])
def test_beats_of_images(pixels, expected):
    images = np.arange(16, dtype=np.uint8).reshape(2, 2, 4)
    source = find_input(IMAGE, pixels=pixels)
    beats, ends = source.beats(images)
    assert beats[: len(expected)].tolist() == list(expected)
    assert ends.tolist() == [8 // pixels, 16 // pixels]
    assert source.load_cycles == 8 // pixels
    assert source.beats(images[:0])[1].tolist() == []


def test_beats_of_events():
    """Unit, step from bit 20 on, and an end mark at bit 28."""
    spikes = Spikes(
        count=3,
        image=np.array([0, 0, 2]),
        step=np.array([1, 15, 0], np.uint8),
        unit=np.array([699, 3, 0], np.uint16),
    )
    beats, ends = find_input(EVENTS).beats(spikes)
    end = 1 << 28
    assert beats.tolist() == [699 | 1 << 20, 3 | 15 << 20, end, end, 0, end]
    assert ends.tolist() == [3, 4, 6]


@pytest.mark.parametrize(("encoder", "latency"), [(IMAGE, 2), (EVENTS, 1)])
def test_latency(encoder, latency):
    assert find_input(encoder).latency == latency


def test_a_pool_takes_a_cycle_more():
    assert find_input(LatencyEncoder(shape=(4, 4), pool=2)).latency == 3


@pytest.mark.parametrize("encoder", [IMAGE, EVENTS])
def test_flat_ports_are_the_whole_of_the_stream(encoder):
    source = find_input(encoder)
    shape = source.stream_shape(16)
    ports = source.flat_ports(stream.Signature(shape).flip().create())
    names = [name.partition("_")[2] for name in ports]
    assert names[-2:] == ["valid", "ready"]
    width = sum(len(value) for _, value in list(ports.values())[:-2])
    assert width == Shape.cast(shape).width


def test_only_one_of_them_limits_the_spikes(rng):
    config = Config(most_events=9)
    assert config.most_spikes(image_network(rng)) == [None, None]
    assert config.most_spikes(events_network(rng, hidden=(4,))) == [9, None]


def test_several_pixels_are_not_for_events(rng):
    config = Config(engines=(EventDriven(banks=2),), pixels=2)
    with pytest.raises(UserError, match=r"takes events, one per cycle"):
        config.check(events_network(rng))
    find_config("event").check(events_network(rng))
