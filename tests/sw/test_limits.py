"""Limits of steps and sizes: network, recipe and file have the same."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from networks import image_network, random_network

from hw.link import protocol
from sw import limits
from sw.cli import UserError
from sw.learn.presets import PRESETS
from sw.network import Network
from sw.structure import First

STEPS = {
    # T: whether events take it, whether pixels do
    **{0: (False, False), -1: (False, False), 257: (False, False), 2**70: (False, False)},
    **{1: (True, True), 2: (True, True), 256: (True, True)},
    **{3: (True, False), 12: (True, False), 255: (True, False)},
}


@pytest.mark.parametrize(("steps", "taken"), STEPS.items(), ids=map(str, STEPS))
@pytest.mark.parametrize("pixels", [False, True], ids=["events", "pixels"])
def test_steps(rng, steps, taken, pixels):
    network = image_network(rng) if pixels else random_network(rng, (9, 3), 8)
    recipe = PRESETS["digits" if pixels else "fsdd"]
    for make in (
        lambda: replace(network, steps=steps),
        lambda: replace(recipe, steps=steps),
        lambda: Network.from_bytes(with_steps(network, str(steps))),
    ):
        if taken[pixels]:
            assert make().steps == steps
        else:
            with pytest.raises(UserError, match=r"^[Ss]teps must be (in 1 … 256|a power of two)"):
                make()


@pytest.mark.parametrize("text", ["0004", "+4", " 4", "4.0", "4e0", "٤", ""])
def test_one_spelling_in_the_file(rng, text):
    with pytest.raises(UserError, match=r"^steps must be in 1 … 256, not '.*'$"):
        Network.from_bytes(with_steps(image_network(rng), text))


@pytest.mark.parametrize("steps", [True, 8.0, "8", None])
def test_steps_that_are_no_integer(rng, steps):
    with pytest.raises(UserError, match="Steps must be in 1 … 256, not"):
        replace(image_network(rng), steps=steps)


def test_the_link_carries_every_step():
    assert protocol.ITEM.unpack(protocol.ITEM.pack(7, limits.STEPS - 1)) == (7, limits.STEPS - 1)


def test_the_page_states_the_bounds():
    page = " ".join((Path(__file__).parents[2] / "docs" / "spec.md").read_text().split())
    powers = {
        name: f"2^{getattr(limits, name).bit_length() - 1}"
        for name in ("FILE", "HEADER", "UNITS", "WEIGHTS")
    }
    assert (
        f"refuses more than {powers['FILE']} bytes of file, {powers['HEADER']} bytes of header, "
        f"{limits.LAYERS} layers, {powers['UNITS']} units in a layer, pixels of an image or "
        f"channels of sensor events, {powers['WEIGHTS']} weights in all layers together, "
        f"{limits.TEXT} characters of a name or a label, and JSON nested more than {limits.DEPTH} "
        f"deep"
    ) in page
    assert all(2 ** int(power[2:]) == getattr(limits, name) for name, power in powers.items())
    assert f"| T | steps in one inference window | 1 … {limits.STEPS} (a power of two where" in page


@pytest.mark.parametrize(
    ("sizes", "fault"),
    [
        ((1, 2**20), None),
        ((2**12, 2**13), None),
        ((1,) * 65, None),
        ((1, 2**20 + 1), "Units of a layer must be at most 1,048,576, not 1,048,577"),
        ((2**20 + 1, 1), "Units of a layer must be at most 1,048,576, not 1,048,577"),
        ((2**12, 2**13, 1), "Weights must be at most 33,554,432, not 33,562,624"),
        ((1,) * 66, "Layers must be at most 64, not 65"),
    ],
)
def test_sizes(sizes, fault):
    assert limits.sizes_fault(sizes) == fault


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        ((2**20 + 1,), "Units of a layer must be at most"),
        ((2**13, 2**13), "Weights must be at most"),
        ((1,) * 64, "Layers must be at most 64"),
        ((First(kernel=(2, 2)), 2**20 + 1), "Units must be an integer in 1 … 1,048,576"),
    ],
)
def test_recipe_of_too_large_a_network(hidden, message):
    with pytest.raises(UserError, match=message):
        replace(PRESETS["digits"], hidden=hidden)


def with_steps(network, text):
    content = network.to_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["steps"] = text
    changed = json.dumps(header).encode()
    return len(changed).to_bytes(8, "little") + changed + content[8 + length :]
