"""The config: presets, and what contradicts itself."""

import re
from dataclasses import FrozenInstanceError

import pytest
from networks import map_network
from samples import events_network, image_network

from hw.rtl.config import (
    DEFAULT,
    Config,
    config_for,
    default_config,
    engine_names,
    find_config,
    silicon_config_for,
    whole_configs,
)
from hw.rtl.engines.bistable import Bistable
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.engines.folded import Folded
from hw.rtl.engines.gather import Gather
from hw.rtl.engines.lines import Lines
from hw.rtl.engines.popcount import Popcount
from hw.rtl.engines.registry import NETWORK_PRESETS, PRESETS
from hw.rtl.engines.tiles import Tiles
from sw.cli import UserError
from sw.encoder import LatencyEncoder

TILES = (1, 2, 3, 4, 5, 6, 8, 16, 32)
# Channel lanes, and values that they listen to per cycle
BISTABLE = (
    *((8, 1), (16, 1), (32, 1), (64, 1), (8, 4), (16, 4), (32, 4)),
    *((16, 8), (32, 8), (64, 8), (64, 16), (80, 16), (128, 16)),
)


def test_presets():
    assert {
        "event": EventDriven(),
        "event-2": EventDriven(banks=2),
        "event-4": EventDriven(banks=4),
        "popcount": Popcount(),
        "popcount-8": Popcount(flags=8),
        "popcount-16": Popcount(flags=16),
        "popcount-32": Popcount(flags=32),
        "folded-8": Folded(lanes=8),
        "folded-16": Folded(lanes=16),
        "folded-32": Folded(lanes=32),
        "folded-16-spram": Folded(lanes=16, loaded=True),
        "folded-32-spram": Folded(lanes=32, loaded=True),
    } == PRESETS
    assert {
        **{f"tiles-{n}": Tiles(lanes=n) for n in TILES},
        **{f"tiles-{n}-spram": Tiles(lanes=n, loaded=True) for n in TILES},
        **{f"tiles-{n}-table": Tiles(lanes=n, table=True) for n in (4, 5, 8)},
        **{f"tiles-{n}-table-spram": Tiles(lanes=n, loaded=True, table=True) for n in (4, 5, 8)},
        "tiles-8-table-distributed": Tiles(lanes=8, table=True, distributed=True),
        **{f"bistable-{p}x{e}": Bistable(lanes=p, listens=e) for p, e in BISTABLE},
        **{
            f"bistable-{p}x{e}-spram": Bistable(lanes=p, listens=e, loaded=True)
            for p, e in BISTABLE
        },
        "lines": Lines(),
        "lines-loaded": Lines(loaded=True),
        **{f"gather-{n}": Gather(lanes=n) for n in (8, 16, 32)},
    } == NETWORK_PRESETS
    assert find_config("event") == DEFAULT == Config() == Config(engines=(EventDriven(banks=1),))
    assert all(name in engine_names() for name in (*PRESETS, *NETWORK_PRESETS))


def test_the_default_of_silicon(rng):
    """Of maps the smallest engine, where it can make them."""
    encoder = LatencyEncoder(shape=(8, 8))
    for layers, steps, engine in (("3c3p1,f2,4", 1, "lines"), ("3c3p1,f2,4", 2, "tiles-4")):
        network = map_network(rng, layers, steps, encoder)
        assert silicon_config_for(network, None).name == engine
        assert silicon_config_for(network, "tiles-2").name == "tiles-2"
    assert silicon_config_for(image_network(rng, steps=1), None) == DEFAULT
    with pytest.raises(UserError, match="lines takes one step, not 2"):
        silicon_config_for(network, "lines")


def test_the_last_engine_stands_for_all_that_follow():
    config = find_config("event-4,event")
    assert [config.engine(layer).banks for layer in range(4)] == [4, 1, 1, 1]


def test_a_config_does_not_change():
    with pytest.raises(FrozenInstanceError):
        DEFAULT.pixels = 2


@pytest.mark.smoke
def test_a_config_of_each_engine(rng):
    names = [config.name for config in whole_configs(image_network(rng))]
    assert [name.removesuffix(",event") for name in names] == list(PRESETS)
    assert {name for name in names if name.endswith(",event")} == {
        f"{name},event" for name in PRESETS if name.startswith("folded")
    }


REFUSED = {
    "Banks must be 1, 2 or 4, not 3": lambda: EventDriven(banks=3),
    "Pixels must be 1, 2 or 4, not 8": lambda: Config(pixels=8),
    "Most_events must be at least 1, not 0": lambda: Config(most_events=0),
    "Engines must be at least one, not none": lambda: Config(engines=()),
    "4 pixels per cycle need as many banks in the first layer, which has 2": lambda: Config(
        engines=(EventDriven(banks=2),), pixels=4
    ),
    "Unit lanes must be at least 1, not 0": lambda: Folded(lanes=0),
    "Unit lanes of loaded weights must be 16, 32 or 64, not 8": lambda: Folded(
        lanes=8, loaded=True
    ),
    "Flags must be at least 1, not 0": lambda: Popcount(flags=0),
    "engine 'vent' is not known; choose of "
    "event, event-2, event-4, popcount, popcount-8, popcount-16, popcount-32, folded-8, folded-16, "
    "folded-32, folded-16-spram, folded-32-spram, tiles-1, tiles-2, tiles-3, tiles-4, tiles-5, "
    "tiles-6, tiles-8, tiles-16, tiles-32, tiles-1-spram, tiles-2-spram, tiles-3-spram, "
    "tiles-4-spram, tiles-5-spram, tiles-6-spram, tiles-8-spram, tiles-16-spram, "
    "tiles-32-spram, tiles-4-table, tiles-5-table, tiles-8-table, tiles-4-table-spram, "
    "tiles-5-table-spram, tiles-8-table-spram, tiles-8-table-distributed, "
    "bistable-8x1, bistable-16x1, bistable-32x1, bistable-64x1, bistable-8x4, "
    "bistable-16x4, bistable-32x4, bistable-16x8, bistable-32x8, bistable-64x8, bistable-64x16, "
    "bistable-80x16, bistable-128x16, bistable-8x1-spram, bistable-16x1-spram, "
    "bistable-32x1-spram, bistable-64x1-spram, bistable-8x4-spram, bistable-16x4-spram, "
    "bistable-32x4-spram, bistable-16x8-spram, bistable-32x8-spram, bistable-64x8-spram, "
    "bistable-64x16-spram, bistable-80x16-spram, bistable-128x16-spram, lines, lines-loaded, "
    "gather-8, gather-16, gather-32": (lambda: find_config("event,vent")),
    "Channel lanes must be a multiple of 4 up to 256, not 6": lambda: Bistable(lanes=6, listens=1),
    "Channel lanes must be a multiple of 16 up to 256, not 8": lambda: Bistable(
        lanes=8, listens=16
    ),
    "Channel lanes must be a multiple of 8 up to 256, not 264": lambda: Bistable(
        lanes=264, listens=8
    ),
    "Channel lanes must be a multiple of 4 up to 256, not 0": lambda: Bistable(lanes=0),
    "Values listened to must be a power of two in 1 … 256, not 3": lambda: Bistable(
        lanes=12, listens=3
    ),
    "tiles-4 makes the whole network; name it alone": lambda: find_config("tiles-4,event"),
    "tiles-8 makes the whole network; name it alone": lambda: find_config("event,tiles-8"),
    "tiles-2 takes one pixel per cycle, not 2": lambda: Config(engines=(Tiles(lanes=2),), pixels=2),
    "gather-8 makes the whole network; name it alone": lambda: find_config("gather-8,event"),
    "Spikes per cycle must be 8, 16 or 32, not 4": lambda: Gather(lanes=4),
    "Channel lanes must be 1, 2, 3, 4, 5, 6, 8, 16 or 32, not 7": lambda: Tiles(lanes=7),
}


@pytest.mark.parametrize(("message", "make"), REFUSED.items(), ids=REFUSED)
def test_refuses_what_contradicts_itself(message, make):
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        make()


CONTRADICTIONS = {
    "has 2 layers, the config has engines for 3; name as many or fewer": (
        "event,event,event",
        {"hidden": (4,)},
    ),
    "8 flags per cycle need as many inputs, layer 1 has 3; take fewer": (
        "event,popcount-8",
        {"hidden": (3,)},
    ),
    "its output layer must give all margins, folded is for hidden layers only; append ',event'": (
        "folded-8",
        {"hidden": (17,)},
    ),
    "8 unit lanes need more than 16 units, layer 0 has 16; take event": (
        "folded-8,event",
        {"hidden": (16,)},
    ),
    "32 unit lanes need more than 64 units, layer 0 has 33; take folded-8 or folded-16": (
        "folded-32,event",
        {"hidden": (33,)},
    ),
    "32 unit lanes need more than 64 units, layer 0 has 40; take folded-16-spram": (
        "folded-32-spram,event",
        {"hidden": (40,)},
    ),
    "the weights of layers 0 and 1 cannot both be loaded; take an engine without spram for one": (
        "folded-16-spram,folded-16-spram,event",
        {"hidden": (40, 40)},
    ),
    "folded layer 0 sends one spike per cycle, the next layer can use one bank only; take event": (
        "folded-8,event-2",
        {"hidden": (17,)},
    ),
    "4 banks need as many inputs, layer 1 has 3; take fewer banks": (
        "event,event-4",
        {"hidden": (3,)},
    ),
}


@pytest.mark.parametrize(("message", "case"), CONTRADICTIONS.items(), ids=CONTRADICTIONS)
def test_refuses_what_contradicts_the_network(rng, message, case):
    names, shape = case
    with pytest.raises(UserError, match=f"^network 'random'.* {re.escape(message)}$"):
        find_config(names).check(image_network(rng, **shape))


def test_events_come_one_a_cycle(rng):
    find_config("event").check(events_network(rng))
    with pytest.raises(UserError, match=r"takes events, one per cycle, its first layer can use"):
        find_config("event-2").check(events_network(rng))
    with pytest.raises(UserError, match=r"popcount cannot be the engine of its first layer, take"):
        find_config("popcount").check(events_network(rng))


MAPS = {
    "event makes dense layers only, not 1x6x6-4c3-10; take tiles-4": ("4c3,10", 4, "event"),
    "folded-8,event makes dense layers only, not 1x6x6-4c3-f2-10; take tiles-4": (
        "4c3,f2,10",
        4,
        "folded-8,event",
    ),
    "tiles takes at most 16 steps, not 32; take gather-16": ("4c3,10", 32, None),
    "tiles pools behind a convolution only, layer 0 is f2; train with": ("f2,10", 4, "tiles-2"),
    "lines pools behind a convolution only, layer 2 is f2; take tiles-4": (
        "4c3,f2,f2,10",
        1,
        "lines",
    ),
    "lines takes one step, not 4; train with --steps 1, or take tiles-4": ("4c3,10", 4, "lines"),
    "lines takes a padding smaller than the kernel, layer 0 is 4c2p2; take tiles-4": (
        "4c2p2,10",
        1,
        "lines-loaded",
    ),
    "gather pools behind a convolution only, layer 0 is f2; train with": ("f2,10", 4, "gather-8"),
}


@pytest.mark.parametrize(("message", "case"), MAPS.items(), ids=MAPS)
def test_refuses_what_contradicts_the_maps(rng, message, case):
    text, steps, engine = case
    network = map_network(rng, text, steps, LatencyEncoder(shape=(6, 6)))
    with pytest.raises(UserError, match=f"^network 'random': {re.escape(message)}"):
        config_for(network, engine)


def test_the_default_follows_from_the_network(rng):
    maps = map_network(rng, "4c3,10", 4, LatencyEncoder(shape=(6, 6)))
    assert default_config(maps).name == config_for(maps, None).name == "tiles-4"
    assert config_for(maps, "tiles-8-spram").name == "tiles-8-spram"
    assert default_config(image_network(rng)) == config_for(image_network(rng), None) == DEFAULT


def test_an_engine_of_the_whole_network_takes_whole_images(rng):
    network = image_network(rng, select=(1, 2))
    with pytest.raises(UserError, match=r"takes a selection of pixels.*; take event$"):
        find_config("tiles-4").check(network)


@pytest.mark.parametrize(
    "how", [{"shape": (3, 5)}, {"shape": (4, 4), "pool": 2}, {"shape": (3, 4, 4)}]
)
def test_wide_pixels_divide_the_image_and_are_not_pooled(rng, how):
    config = Config(engines=(EventDriven(banks=2),), pixels=2)
    with pytest.raises(UserError, match=r"2 pixels per cycle must divide the \d+ of an image"):
        config.check(image_network(rng, **how))
