"""What the page is told of an inference."""

import dataclasses

import numpy as np
import pytest
from cases import VERIFY
from networks import data_of, map_network, random_network
from pens import DIGITS

from hw.rtl.config import default_config
from sim import golden
from sim.demo.drawing import parse, render
from sim.demo.session import Session
from sim.verilator.tracer import Tracer
from sw.cli import UserError
from sw.data.events import Events
from sw.encoder import LatencyEncoder
from sw.features.quantiser import Quantiser
from sw.network import find


@pytest.mark.parametrize("index", [0, 2, 3])
def test_rtl_to_the_decision_and_the_golden_model_after_it(session, index):
    told = session.example(index)
    network, image = session.network, session.data.test_images[index]
    answer = golden.run_images(network, image[None])
    assert told["truth"] == session.data.test_labels[index]
    assert told["image"] == image.tolist()
    expected = {key: int(getattr(answer, key)[0]) for key in ("label", "step", "margin")}
    assert told["golden"] == expected
    assert told["rtl"].items() >= expected.items()
    assert told["rtl"]["first_cycle"] == -63
    assert all(told["compared"].values())
    assert list(told["compared"])[3:] == ["input spikes", "hidden spikes", "output margins"]

    times = [network.encoder.times(image[None], 16)[0], answer.times[0][0]]
    for layer, right in zip(told["layers"], times, strict=True):
        pairs = sorted(zip(layer["unit"], layer["step"], strict=True))
        assert pairs == [(unit, step) for unit, step in enumerate(right) if step < 16]
        for step, cycle in zip(layer["step"], layer["cycle"], strict=True):
            assert (cycle is None) == (step > answer.step[0])
    assert_margins(network, told)


def assert_margins(network, told):
    """At each step's end, what the spikes have added up to."""
    thresholds, last = network.layers[-1].threshold, told["layers"][-1]
    for step, margins in enumerate(told["margins"]):
        sums = -thresholds.astype(int)
        for when, signs in zip(last["step"], last["signs"], strict=True):
            if when <= step:
                sums += [1 if sign == "+" else -1 for sign in signs]
        assert margins == sums.tolist()
    cycles = told["step_cycles"]
    seen = [cycle for cycle in cycles if cycle is not None]
    assert seen == sorted(seen)
    assert max(seen) < told["rtl"]["cycles"]
    assert cycles[told["rtl"]["step"]] == max(seen)


def test_the_network(session):
    told = session.describe()
    assert told["name"] == "digits-64-192-10-t16"
    assert (told["steps"], told["structure"]) == (16, "64-192-10")
    assert told["inputs"] == {"rows": 8, "columns": 8, "places": list(range(64))}
    assert told["hidden"] == [{"rows": 14, "columns": 14, "places": list(range(192))}]
    assert (told["layers"], told["whole"]) == ([], False)
    assert told["thresholds"] == session.network.layers[-1].threshold.tolist()
    assert (told["data"], told["examples"], told["missing"]) == ("digits", 355, "")
    assert (told["picture"], told["array"]) == (True, True)


def altered(network, layer, **fields):
    layers = list(network.layers)
    layers[layer] = dataclasses.replace(layers[layer], **fields)
    return dataclasses.replace(network, layers=tuple(layers))


@pytest.mark.parametrize(
    ("layer", "part"), [(0, "hidden spikes"), (1, "output margins"), (1, "margin")]
)
def test_a_difference_is_told(session, layer, part):
    """The golden model gets a network with one threshold more: of a unit that fires, of the
    winner.
    """
    told = session.example(0)
    winner = told["rtl"]["label"]
    unit = told["layers"][1]["unit"][0] if layer == 0 else winner
    threshold = session.network.layers[layer].threshold.copy()
    threshold[unit] += 1 if layer else 1000
    other = altered(session.network, layer, threshold=threshold)
    tracer = Tracer(network=other, program=session.tracer.program)
    told = Session(tracer=tracer, data=session.data).example(0)
    assert not told["compared"][part]
    assert told["compared"]["input spikes"]


def test_where_inputs_lie(rng):
    def places(encoder, sizes=(5, 3)):
        network = random_network(rng, (encoder.inputs, *sizes), 16, encoder=encoder)
        tracer = Tracer(network=network, program=VERIFY)
        return Session(tracer=tracer, data=None, missing="none").describe()["inputs"]

    pooled = LatencyEncoder(shape=(8, 12), pool=4, select=(0, 5))
    assert places(pooled) == {"rows": 2, "columns": 3, "places": [0, 5]}
    features = LatencyEncoder(shape=(1, 10))
    assert places(features) == {"rows": 3, "columns": 4, "places": list(range(10))}
    # Three channels of 2 × 2, two of them in a row, with a column and a row between
    colours = LatencyEncoder(shape=(3, 2, 2))
    apart = [0, 1, 5, 6, 3, 4, 8, 9, 15, 16, 20, 21]
    assert places(colours) == {"rows": 5, "columns": 5, "places": apart}
    selected = LatencyEncoder(shape=(1, 10), select=(1, 9))
    assert places(selected) == {"rows": 3, "columns": 4, "places": [1, 9]}


def test_events(rng):
    network = random_network(rng, (20, 17, 5), 16, -1, 3)
    recordings = [(np.sort(rng.random(40)), rng.integers(0, 20, 40)) for _ in range(3)]
    events = Events.collect(recordings, channels=20, window=1.0)
    data = data_of(events, np.array([0, 1, 2]), network.labels)
    session = Session(tracer=Tracer.build(network, VERIFY), data=data)
    told = session.describe()
    assert (told["picture"], told["array"], told["inputs"]["rows"]) == (False, False, 4)
    for index in range(3):
        told = session.example(index)
        assert told["image"] is None
        assert all(told["compared"].values())
        steps, units = told["layers"][0]["step"], told["layers"][0]["unit"]
        right = sorted(
            zip((recordings[index][0] * 16).astype(int), recordings[index][1], strict=True)
        )
        assert sorted(zip(steps, units, strict=True)) == right
        assert_margins(network, told)
    with pytest.raises(
        UserError, match=r"^this network takes events of 20 channels; choose a test"
    ):
        _ = session.shape


@pytest.mark.parametrize("shape", [(6, 8), (3, 6, 8)], ids=["grey", "colours"])
def test_maps(rng, shape):
    """RTL to the decision, layer by layer, and the golden model beside it."""
    encoder = LatencyEncoder(shape=shape, silent_below=16)
    network = map_network(rng, "3c3p1-f2-f1x2-5-4", 4, encoder, low=1, high=4)
    tracer = Tracer.build(network, VERIFY, default_config(network))
    session = Session(tracer=tracer, data=None, missing="none")
    told = session.describe()
    assert (told["layers"], told["whole"]) == (["3c3p1", "f2", "f1x2", "5"], True)
    assert told["hidden"][0]["rows"] == 2 * 7 - 1  # of three channels two are in a row
    assert (told["picture"], told["pictures"]) == (len(shape) == 2, True)
    image = rng.integers(0, 256, session.shape).astype(np.uint8)
    told, answer = session.image(image), golden.run_images(network, image[None])
    assert list(told["compared"]) == ["class", "step", "margin", "hidden spikes", "output margins"]
    assert all(told["compared"].values())
    assert told["golden"]["label"] == answer.label[0]
    np.testing.assert_allclose(told["levels"], encoder.values(image[None])[0] / 255, atol=1e-3)
    for index, (layer, times) in enumerate(zip(told["layers"][1:], answer.times, strict=False)):
        pairs = sorted(zip(layer["unit"], layer["step"], strict=True))
        fired = [(unit, step) for unit, step in enumerate(times[0].tolist()) if step < 4]
        assert pairs == fired
        # Of poolings behind each other the RTL makes one; what is after the decision has no cycle
        for step, cycle in zip(layer["step"], layer["cycle"], strict=True):
            assert (cycle is None) == (index == 1 or step > answer.step[0])
    assert_margins(network, told)


def test_an_off_channel_is_made_of_the_image(rng):
    encoder = LatencyEncoder(shape=(2, 6, 6))
    network = map_network(rng, "2c3-3", 2, encoder)
    about = {**network.provenance, "data": {"off_channel": True}}
    network = dataclasses.replace(network, provenance=about)
    config = default_config(network)
    session = Session(tracer=Tracer.build(network, VERIFY, config), data=None, missing="none")
    assert (session.shape, session.picture) == ((6, 6, 1), True)
    image = rng.integers(0, 256, (6, 6, 1)).astype(np.uint8)
    told = session.image(image)
    whole = np.concatenate([image, 255 - image], axis=2)
    assert told["image"] == whole.tolist()
    assert told["golden"]["label"] == golden.run_images(network, whole[None]).label[0]
    assert all(told["compared"].values())


def test_one_layer_has_no_hidden_spikes(rng):
    encoder = LatencyEncoder(shape=(4, 4))
    network = random_network(rng, (16, 3), 4, encoder=encoder)
    session = Session(tracer=Tracer.build(network, VERIFY), data=None, missing="no such data")
    told = session.image(rng.integers(0, 256, (4, 4)).astype(np.uint8))
    assert "hidden spikes" not in told["compared"]
    assert all(told["compared"].values())
    with pytest.raises(UserError, match=r"^no such data$"):
        session.example(0)


@pytest.mark.parametrize("index", [-1, 355, 10**30])
def test_an_example_that_is_not_there(session, index):
    with pytest.raises(UserError, match=rf"^the test example must be in 0 … 354, not {index}$"):
        session.example(index)


def like(session, encoder=None, data=None):
    """With another encoder, or trained on one's own data that were read so."""
    network = session.network
    provenance = {**network.provenance, "data": data}
    encoder = encoder or network.encoder
    network = dataclasses.replace(network, encoder=encoder, provenance=provenance)
    return Session(tracer=Tracer(network=network, program=VERIFY), data=None)


def test_what_can_be_drawn_and_dropped(session):
    features = like(session, LatencyEncoder(shape=(1, 64)))
    assert (features.picture, features.array) == (False, True)
    images = like(session, data={"kind": "images"})
    assert (images.picture, images.array) == (True, True)
    colours = like(session, data={"kind": "images", "grey": False})
    assert (colours.picture, colours.array) == (False, True)
    series = like(session, data={"kind": "series"})
    assert (series.picture, series.array) == (False, False)
    assert series.takes == "time series, as 8 × 8 bytes"
    assert images.takes == "images of 8 × 8 pixels"
    assert like(session, data={"kind": ["images"]}).takes == images.takes  # a damaged file
    maps = dataclasses.replace(session.data, maps=4)
    maps = dataclasses.replace(session, data=maps)
    assert (maps.picture, maps.array) == (False, True)


@pytest.mark.parametrize(
    ("quantiser", "inverted"),
    [
        (Quantiser.of_bytes(invert=True).to_dict(), True),
        (Quantiser.of_bytes().to_dict(), False),
        (None, False),
        ({"low": "x"}, False),
    ],
)
def test_images_that_were_inverted_in_training(session, quantiser, inverted):
    assert like(session, data={"kind": "images", "quantiser": quantiser}).inverted == inverted


@pytest.mark.deep
def test_ten_drawn_digits_through_the_hardware_of_the_default_network():
    network = find("mnist-784-600-10-t8")
    session = Session(tracer=Tracer.build(network, VERIFY), data=None)
    for digit, strokes in enumerate(DIGITS):
        told = session.image(render(parse(strokes), session.shape))
        assert told["rtl"]["label"] == digit
        assert all(told["compared"].values())
