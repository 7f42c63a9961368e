"""The whole core in Amaranth's simulator, on networks small enough that Hypothesis can shrink."""

import numpy as np
import pytest
from exchange import PACES, exchange
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from networks import map_network
from samples import (  # noqa: F401
    beats,
    events_network,
    image_network,
    random_images,
    unfinished,
)

from hw.rtl.config import DEFAULT, Config, default_config, find_config
from hw.rtl.core import Core
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.engines.folded import Folded
from hw.rtl.engines.popcount import Popcount
from sim import golden
from sim.cycles.model import cycles
from sw.cli import UserError
from sw.encoder import EventsEncoder

CONFIGS = {
    "event": DEFAULT,
    "two banks": find_config("event-2"),
    "four banks": find_config("event-4"),
    "another engine per layer": find_config("event-4,event,event-2"),
    "popcount": find_config("popcount"),
    "popcount of words": Config(engines=(Popcount(flags=2), Popcount(flags=1))),
    "folded": Config(engines=(Folded(lanes=2), EventDriven())),
    "folded, then popcount": Config(engines=(EventDriven(banks=2), Folded(lanes=1), Popcount())),
    "event, then popcount": Config(engines=(EventDriven(banks=2), Popcount())),
    "popcount, then event": Config(engines=(Popcount(flags=3), EventDriven(banks=2))),
    "two pixels": Config(engines=(EventDriven(banks=2), EventDriven()), pixels=2),
    "four pixels": Config(engines=(EventDriven(banks=4),), pixels=4),
}
SLOW = settings(
    deadline=None,
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def check(network, images, config=DEFAULT, **stalls):
    """Streams ``images`` through the core; the cycle in which each image's last pixel went in, and
    that of each answer.
    """
    core = Core(network, config=config)
    pixels = beats(images, config.pixels)
    accepted, taken = exchange(core, core.pixels, core.result, pixels, len(images), **stalls)
    answer = golden.run_images(network, images)
    expected = np.stack([answer.label, answer.step, answer.margin], axis=1).tolist()
    assert [list(item.value.values()) for item in taken] == expected
    count = network.encoder.pixels // config.pixels
    last = accepted[count - 1 :: count]
    return last, [item.cycle for item in taken]


@st.composite
def networks(draw):
    low = draw(st.integers(-4, 5))
    return image_network(
        np.random.default_rng(draw(st.integers(0, 1000))),
        shape=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        hidden=tuple(draw(st.lists(st.integers(1, 6), max_size=3))),
        classes=draw(st.integers(1, 5)),
        steps=2 ** draw(st.integers(0, 4)),
        low=low,
        high=low + draw(st.integers(0, 4)),
    )


@SLOW
@given(
    network=networks(),
    seed=st.integers(0, 1000),
    levels=st.integers(1, 256),
    idle=st.sampled_from([0, 0.5]),
    pause=st.sampled_from([0, 0.7]),
)
def test_any_network(network, seed, levels, idle, pause):
    rng = np.random.default_rng(seed)
    images = rng.choice(rng.integers(0, 256, levels), (5, *network.encoder.shape)).astype(np.uint8)
    check(network, images, idle=idle, pause=pause, seed=seed)


def usable(network, config):
    try:
        config.check(network)
    except UserError:
        return False
    return True


@SLOW
@given(
    network=networks(),
    config=st.sampled_from(list(CONFIGS.values())),
    seed=st.integers(0, 1000),
    idle=st.sampled_from([0, 0.5]),
    pause=st.sampled_from([0, 0.7]),
)
def test_any_config(network, config, seed, idle, pause):
    assume(usable(network, config))
    check_random(network, config, seed=seed, idle=idle, pause=pause)


def check_random(network, config, *, seed, idle, pause):
    """Bit-exact on random images, and in the cycles that the model says."""
    images = np.random.default_rng(seed).choice([0, 90, 240, 255], (5, *network.encoder.shape))
    images = images.astype(np.uint8)
    check(network, images, config, idle=idle, pause=pause, seed=seed)
    accepted, answered = check(network, images[:1], config)
    answer = golden.run_images(network, images[:1])
    assert answered[0] - accepted[0] == cycles(network, images[:1], answer, config)[0]


@st.composite
def folded(draw):
    """A network and its config, with one or two folded layers of any possible number of lanes."""
    hidden = draw(st.lists(st.integers(3, 9), min_size=1, max_size=2))
    low = draw(st.integers(-4, 5))
    network = image_network(
        np.random.default_rng(draw(st.integers(0, 1000))),
        shape=draw(st.tuples(st.integers(1, 4), st.integers(1, 5))),
        hidden=tuple(hidden),
        classes=draw(st.integers(1, 5)),
        steps=2 ** draw(st.integers(0, 4)),
        low=low,
        high=low + draw(st.integers(0, 4)),
    )
    engines = [Folded(lanes=draw(st.integers(1, (units - 1) // 2))) for units in hidden]
    if len(engines) == 2 and draw(st.booleans()):
        engines[0] = EventDriven()
    return network, Config(engines=(*engines, EventDriven()))


@SLOW
@given(
    case=folded(),
    seed=st.integers(0, 1000),
    idle=st.sampled_from([0, 0.5]),
    pause=st.sampled_from([0, 0.7]),
)
def test_any_folded_layer(case, seed, idle, pause):
    check_random(*case, seed=seed, idle=idle, pause=pause)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_takes_larger_images(rng, name):
    network = image_network(rng, shape=(8, 12), hidden=(37, 21), classes=6, low=-1, high=6)
    check(network, random_images(rng, network, 6), CONFIGS[name])


@SLOW
@given(network=networks(), seed=st.integers(0, 1000))
def test_any_network_takes_the_cycles_of_the_model(network, seed):
    images = random_images(np.random.default_rng(seed), network, 1)
    accepted, answered = check(network, images)
    answer = golden.run_images(network, images)
    assert answered[0] - accepted[0] == cycles(network, images, answer)[0]


@pytest.mark.parametrize(("idle", "pause"), PACES)
def test_streams(rng, idle, pause):
    network = image_network(rng, shape=(4, 8), pool=2, select=(0, 2, 3, 6), hidden=(6, 4))
    check(network, random_images(rng, network, 12), idle=idle, pause=pause, seed=5)


def test_reset_state_needs_no_reset(rng):
    """The first cycle presets all that is not reset: pixels may come at once."""
    network = image_network(rng)
    accepted, _ = check(network, random_images(rng, network, 2))
    assert accepted[0] == network.encoder.pixels - 1


FAULTY = {
    "dense": lambda rng: events_network(rng),
    "maps": lambda rng: map_network(rng, "2c2,3", 8, EventsEncoder(shape=(1, 3, 4))),
}


@pytest.mark.smoke
@pytest.mark.parametrize("kind", FAULTY)
def test_a_fault_comes_with_its_answer_and_leaves_the_next(rng, kind):
    network = FAULTY[kind](rng)
    for layer in network.layers:
        layer.threshold[:] = 99  # no unit fires: all items are looked at
    core = Core(network, config=default_config(network))
    end = {"unit": 0, "step": 0, "end": 1}
    good = [{"unit": 3, "step": 2, "end": 0}, {"unit": 3, "step": 5, "end": 0}, end]
    broken = [{"unit": 3, "step": 5, "end": 0}, {"unit": 3, "step": 2, "end": 0}, end]
    _, taken = exchange(core, core.source, core.result, [*good, *broken, *good], 3)
    assert [item.value["fault"] for item in taken] == [0, 1, 0]
    assert taken[0].value == taken[2].value


@pytest.mark.usefixtures("unfinished")
def test_refuses_an_unsorted_selection(rng):
    network = image_network(rng, select=(3, 1))
    with pytest.raises(
        UserError,
        match=r"^network 'random': Select must be strictly increasing; sort it and the weights$",
    ):
        Core(network)
