"""Data for layers on maps: channels of images and series, off-channels, and places of events."""

from dataclasses import replace

import numpy as np
import pytest
from networks import PROVENANCE, data_of, image_network, map_network, random_network, trained_on
from PIL import Image

from sw.cli import UserError
from sw.data import own, registry
from sw.data.dataset import Dataset
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.learn.recipes import Recipe
from sw.selection import Selection
from sw.structure import parse

PLAIN = Selection()


def write(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


def colours(rng, count=6, shape=(4, 5)):
    """A data set of three maps, one below the other."""
    images = rng.integers(0, 256, (count, 3 * shape[0], shape[1])).astype(np.uint8)
    return data_of(images, np.arange(count) % 2, ("a", "b"), maps=3)


def for_data(rng, data, layers="2c3-2", **fields):
    """A network with layers on maps that takes ``data``, as training leaves it."""
    data = data.on_maps()
    encoder = getattr(data, "encoder", None) or (
        LatencyEncoder(shape=data.shape)
        if isinstance(data, Dataset)
        else EventsEncoder(channels=data.channels, shape=data.shape)
    )
    network = map_network(rng, layers, 4, encoder)
    about = {**PROVENANCE, "dataset": data.name, "data": dict(data.reading), **fields}
    return replace(network, labels=data.labels, provenance=about)


@pytest.mark.smoke
def test_both_forms_have_the_same_bytes(rng):
    data = colours(rng)
    on_maps = data.on_maps()
    assert (data.shape, on_maps.shape) == ((12, 5), (3, 4, 5))
    assert on_maps.train_images.shape == (6, 4, 5, 3)
    for channel in range(3):
        rows = slice(4 * channel, 4 * channel + 4)
        assert np.array_equal(on_maps.test_images[..., channel], data.test_images[:, rows])
    again = on_maps.stacked()
    assert np.array_equal(again.train_images, data.train_images)
    assert data.map_size == on_maps.map_size == (4, 5)
    assert on_maps.on_maps() is on_maps
    assert data.stacked() is data
    assert data.examples == on_maps.examples == "images of 4 × 5 pixels and 3 channels"
    # either way the same inputs spike in the same steps
    encoders = LatencyEncoder(shape=(12, 5)), LatencyEncoder(shape=(3, 4, 5))
    times = [e.times(d.test_images, 8) for e, d in zip(encoders, (data, on_maps), strict=True)]
    assert np.array_equal(*times)


def test_one_map_stays_as_it_is(rng, digits):
    assert digits.on_maps() is digits
    assert registry.load_for(image_network(rng))[0].shape == (355, 8, 8)
    encoder = LatencyEncoder(shape=(1, 8, 8))
    network = replace(map_network(rng, "2c3-10", 4, encoder), provenance=PROVENANCE)
    images, _ = registry.load_for(network)
    assert np.array_equal(images[..., 0], digits.test_images)


@pytest.mark.parametrize(
    ("layers", "shape"), [("5", (12, 5)), ("2c3", (3, 4, 5)), ("f2", (3, 4, 5)), ("", (12, 5))]
)
def test_a_recipe_arranges_data_for_its_first_layer(rng, monkeypatch, layers, shape):
    hidden = tuple(getattr(kind, "units", kind) for kind in parse(layers)) if layers else ()
    monkeypatch.setattr(Recipe, "__post_init__", lambda recipe: None)
    recipe = Recipe(dataset="mine", hidden=hidden, steps=4, epochs=1, rate=0.01)
    assert recipe.arranged(colours(rng)).shape == shape
    assert recipe.arranged(colours(rng).on_maps()).shape == shape


# Folders of colour images


def photographs(root, shape=(4, 5), colour=(200, 20, 30)):
    for name, value in (("a", colour), ("b", (0, 0, 0))):
        for index in range(4):
            path = root / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((*shape, 3), value, np.uint8)).save(path)
    return str(root)


def test_a_folder_of_colour_images_for_layers_on_maps(tmp_path, rng):
    path = photographs(tmp_path / "mine")
    data = own.load(path, PLAIN)
    network = for_data(rng, data)
    images, labels = registry.load_for(network)
    assert images.shape == (2, 4, 5, 3)
    assert images[labels == 0][0, 0, 0].tolist() == [200, 20, 30]
    grey = photographs(tmp_path / "grey", colour=(9, 9, 9))  # read as the network takes them
    images, labels = registry.load_for(network, Selection(dataset=grey))
    assert images[labels == 0][0, 3, 4].tolist() == [9, 9, 9]


def test_grey_images_for_a_network_that_a_named_colour_set_trained(tmp_path, rng):
    path = photographs(tmp_path / "mine", colour=(9, 9, 9))
    data = replace(colours(rng), name="cifar10")
    images, _ = registry.load_for(for_data(rng, data), Selection(dataset=path))
    assert images.shape == (2, 4, 5, 3)


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5)])
def test_colour_images_for_a_grey_network(tmp_path, rng, shape):
    """One line, that says what to do; then it is right."""
    path = photographs(tmp_path / "mine")
    network = map_network(rng, "2c3-2", 4, LatencyEncoder(shape=shape))
    network = replace(network, labels=("a", "b"))
    with pytest.raises(UserError) as refused:
        registry.load_for(network, Selection(dataset=path))
    assert str(refused.value) == (
        f"network 'random': takes images of 4 × 5 pixels, {path} has images of 4 × 5 pixels and 3 "
        "channels; give grey ones; --grey reads the images of a folder as grey"
    )
    images, _ = registry.load_for(network, Selection(dataset=path, grey=True))
    assert images.shape[1:3] == (4, 5)


# Off-channels


def test_off_channel_of_a_named_data_set(rng, digits):
    data = registry.load_selected(Selection(dataset="digits", off_channel=True))
    assert (data.shape, data.maps) == ((16, 8), 2)
    assert np.array_equal(data.train_images[:, :8], digits.train_images)
    assert np.array_equal(data.train_images[:, 8:], 255 - digits.train_images)
    for network in (
        for_data(rng, data, "2c3-10"),
        replace(image_network(rng, shape=(16, 8)), provenance={**PROVENANCE, "data": data.reading}),
    ):
        images, _ = registry.load_for(network)  # as it was trained, without a flag
        if images.ndim == 4:
            images = np.concatenate([images[..., 0], images[..., 1]], axis=1)
        assert np.array_equal(images, data.test_images)


@pytest.mark.parametrize(
    ("values", "first"),
    [
        (np.array([[10, 200, 30], [0, 1, 2]], np.uint8), [[10, 200, 30], [0, 1, 2]]),
        (np.array([[250, 240, 30], [250, 251, 252]], np.uint8), [[5, 15, 225], [5, 4, 3]]),
        (np.array([[0.0, 1.0, 0.2], [0.0, 0.0, 0.0]]), [[0, 255, 51], [0, 0, 0]]),
    ],
    ids=["bytes", "bright paper", "real"],
)
def test_off_channel_of_ones_own_images(tmp_path, rng, values, first):
    inputs = np.stack([values] * 8)
    path = write(tmp_path / "mine.npz", inputs=inputs, labels=np.arange(8) % 2)
    data = own.load(path, Selection(off_channel=True))
    assert (data.shape, data.maps) == ((4, 3), 2)
    assert data.train_images[0, :2].tolist() == first
    assert (data.train_images[0, 2:] == 255 - data.train_images[0, :2]).all()
    network = for_data(rng, data, "2c2-2")
    images, _ = registry.load_for(network)
    assert images.shape == (len(data.test_labels), 2, 3, 2)
    assert images[0, ..., 0].tolist() == first


def test_off_channel_of_colours(rng):
    data = colours(rng).with_off_channel().on_maps()
    assert data.shape == (6, 4, 5)
    for channel in range(3):
        on, off = data.train_images[..., channel], data.train_images[..., channel + 3]
        assert (on.astype(int) + off == 255).all()


def test_off_channel_for_a_network_without_one(tmp_path, rng):
    path = write(
        tmp_path / "mine.npz",
        inputs=rng.integers(0, 90, (8, 4, 5)).astype(np.uint8),
        labels=np.arange(8) % 2,
    )
    network = for_data(rng, own.load(path, PLAIN))
    with pytest.raises(UserError, match=r"takes images of 4 × 5 pixels, .* 4 × 5 pixels and 2 cha"):
        registry.load_for(network, Selection(off_channel=True))


def test_off_channel_is_for_images(tmp_path, rng, monkeypatch):
    series = write(tmp_path / "mine.npz", inputs=np.zeros((8, 1, 5)), labels=np.arange(8) % 2)
    flag = Selection(dataset=series, off_channel=True)
    with pytest.raises(UserError, match=r"^--off-channel: is for images, and .*npz has none"):
        registry.load_selected(flag)
    edges = replace(colours(rng), oriented=True)
    monkeypatch.setattr(registry, "load", lambda name, data_dir: edges)
    with pytest.raises(UserError, match=r"^--off-channel: is for images, which caltech_edges has"):
        registry.load_selected(Selection(dataset="caltech_edges", off_channel=True))


# Series


def test_rows_of_a_series_are_channels(tmp_path, rng):
    """Two channels and their complements: a map of height 1."""
    inputs = rng.integers(0, 256, (8, 2, 9)).astype(np.uint8)
    path = write(tmp_path / "mine.npz", inputs=inputs, labels=np.arange(8) % 2)
    data = own.load(path, Selection(series=True))
    assert (data.shape, data.on_maps().shape) == ((4, 9), (4, 1, 9))
    network = for_data(rng, data, "3c1x5s1x2-2")
    images, _ = registry.load_for(network)
    assert images.shape == (2, 1, 9, 4)
    assert np.array_equal(images[:, 0, :, 2:], 255 - images[:, 0, :, :2])
    assert {image[0, :, :2].T.tobytes() for image in images} <= set(map(bytes, inputs))


def test_levels_of_a_table_are_channels(tmp_path, rng):
    """Of three features four levels and their complements, side by side."""
    path = write(tmp_path / "mine.npz", inputs=rng.normal(size=(20, 3)), labels=np.arange(20) % 2)
    data = own.load(path, PLAIN)
    assert (data.shape, data.on_maps().shape) == ((8, 3), (8, 1, 3))
    network = for_data(rng, data, "2c1-2")
    images, _ = registry.load_for(network)
    assert images.shape == (len(data.test_labels), 1, 3, 8)
    assert np.array_equal(np.moveaxis(images[:, 0], 2, 1), data.test_images)
    assert np.array_equal(images[..., 1], 255 - images[..., 0])


# Events of cameras

X, Y, P = [0, 2, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]
CAMERA = {
    "times": np.array([0.1, 0.2, 0.3, 0.4] * 4),
    "offsets": np.arange(0, 17, 4),
    "labels": np.array([0, 1, 0, 1]),
}
PLACES = {name: np.array(each * 4) for name, each in (("x", X), ("y", Y), ("p", P))}


def test_places_of_events(tmp_path):
    """Unit (p, y, x) of 2 × 2 × 3 by hand."""
    data = own.load(write(tmp_path / "dvs.npz", **CAMERA, **PLACES), PLAIN)
    assert (data.shape, data.channels) == ((2, 2, 3), 12)
    assert data.train_events[np.array([0])].unit.tolist() == [0, 6 + 3 + 2, 3 + 1, 6]
    assert data.examples == "events of 12 channels (2 × 2 × 3)"
    assert data.reading["shape"] == [2, 2, 3]
    assert data.stacked().shape is None


def test_units_on_a_map(tmp_path):
    units = np.array([0, 11, 4, 6] * 4)
    path = write(tmp_path / "dvs.npz", **CAMERA, units=units, shape=[2, 2, 3])
    assert own.load(path, PLAIN).shape == (2, 2, 3)


def test_without_polarity_there_is_one_channel(tmp_path):
    places = {name: PLACES[name] for name in "xy"}
    data = own.load(write(tmp_path / "dvs.npz", **CAMERA, **places, shape=[1, 8, 8]), PLAIN)
    assert data.shape == (1, 8, 8)
    assert data.train_events[np.array([0])].unit.tolist() == [0, 8 + 2, 8 + 1, 0]


def test_events_for_a_network_on_maps(tmp_path, rng):
    """Those of a file that shows less of the sensor lie where they lay when it was trained."""
    path = write(tmp_path / "dvs.npz", **CAMERA, **PLACES, shape=[2, 4, 4])
    network = for_data(rng, own.load(path, PLAIN))
    assert network.encoder.shape == (2, 4, 4)
    spikes, _ = registry.load_for(network)
    other = write(tmp_path / "other.npz", **CAMERA, **PLACES)
    again, _ = registry.load_for(network, Selection(dataset=other))
    assert again.unit.tolist() == spikes.unit.tolist()
    assert set(spikes.unit.tolist()) == {0, 16 + 4 + 2, 4 + 1, 16}
    larger = write(tmp_path / "larger.npz", **CAMERA, **PLACES, shape=[1 + 1, 2, 9])
    with pytest.raises(UserError, match=r"takes events of 32 channels \(2 × 4 × 4\), .* 36 chann"):
        registry.load_for(network, Selection(dataset=larger))


def test_events_on_maps_for_a_dense_network(tmp_path, rng):
    path = write(tmp_path / "dvs.npz", **CAMERA, **PLACES)
    data = own.load(path, PLAIN)
    spikes, _ = registry.load_for(trained_on(data.stacked(), path))
    assert set(spikes.unit.tolist()) == {0, 11, 4, 6}
    plain = random_network(rng, (12, 2), 4)
    assert registry.load_for(plain, Selection(dataset=path))[0].unit.tolist() == list(spikes.unit)


def test_a_damaged_provenance_of_events(tmp_path, rng):
    path = write(tmp_path / "dvs.npz", **CAMERA, **PLACES)
    network = for_data(rng, own.load(path, PLAIN), "2c2-2")
    for wrong in ({"shape": [2, 2]}, {"shape": "x"}, {"channels": "x"}, {"window": -1}):
        about = {**network.provenance, "data": {**network.provenance["data"], **wrong}}
        with pytest.raises(UserError, match="the network's provenance is damaged"):
            registry.load_for(replace(network, provenance=about))


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({**PLACES, "units": np.zeros(16, int)}, "has units and also 'x'; keep one"),
        ({**PLACES, "x": np.zeros(15, int)}, r"x must be integers \[16\], one per time, not int64"),
        ({**PLACES, "y": np.zeros(16)}, r"y must be integers \[16\], one per time, not float64"),
        ({**PLACES, "p": np.full(16, -1)}, "p must be in 0 … 0, not -1 … -1"),
        ({**PLACES, "shape": [2, 2, 2]}, "x must be in 0 … 1, not 0 … 2"),
        ({**PLACES, "shape": [2, 2]}, "shape must be three integers of 1 at least"),
        ({**PLACES, "shape": [2, 0, 2]}, "shape must be three integers of 1 at least"),
        ({**PLACES, "channels": 7}, "channels must be 12, as shape says, not 7"),
        ({**PLACES, "shape": [2, 200, 200]}, "units must be in 0 … below the number of channels"),
        ({"units": np.full(16, 12), "shape": [2, 2, 3]}, "not 12 … 12 of 12"),
    ],
)
def test_places_that_are_refused(tmp_path, arrays, fault):
    with pytest.raises(UserError, match=fault):
        own.load(write(tmp_path / "dvs.npz", **CAMERA, **arrays), PLAIN)
