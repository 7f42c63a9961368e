"""One's own data of every kind of file: what becomes of them, and what is refused.

Files are tiny and made here; what they mean is worked out by hand or from the page that describes
them (docs/own_data.md).
"""

import io
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest
from networks import trained_on

from sw.cli import UserError
from sw.data import npz, own, recordings, registry
from sw.features.quantiser import Quantiser
from sw.selection import Selection

PLAIN = Selection()


def write(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


# Arrays


def test_bytes_of_images_stay(tmp_path, rng):
    images = rng.integers(0, 100, (10, 4, 6)).astype(np.uint8)
    path = write(tmp_path / "mine.npz", inputs=images, labels=np.arange(10) % 2)
    data = own.load(path, PLAIN)
    assert (data.shape, data.labels, data.name) == ((4, 6), ("0", "1"), path)
    assert sorted(map(bytes, (*data.train_images, *data.test_images))) == sorted(map(bytes, images))
    assert np.bincount(data.test_labels).tolist() == [1, 1]  # a fifth of each class
    assert "quantiser" not in data.reading


def test_bright_paper_is_inverted(tmp_path):
    images = np.full((4, 2, 2), 250, np.uint8)
    images[:, 0, 0] = 5  # ink
    path = write(tmp_path / "mine.npz", inputs=images, labels=[0, 0, 1, 1])
    assert own.load(path, PLAIN).train_images[0].tolist() == [[250, 5], [5, 5]]
    real = write(tmp_path / "real.npz", inputs=images / 255, labels=[0, 0, 1, 1])
    assert own.load(real, PLAIN).train_images[0].tolist() == [[255, 0], [0, 0]]


@pytest.mark.parametrize("precision", [np.float16, np.float32])
def test_single_and_half_precision_are_read_as_double(tmp_path, precision):
    values = np.arange(24).reshape(8, 3).astype(precision)
    made = [
        own.load(write(tmp_path / "mine.npz", inputs=inputs, labels=np.arange(8) % 2), PLAIN)
        for inputs in (values, values.astype(np.float64))
    ]
    assert (made[0].train_images == made[1].train_images).all()
    values[5, 1] = np.inf
    path = write(tmp_path / "mine.npz", inputs=values, labels=np.arange(8) % 2)
    with pytest.raises(UserError, match="example 5 has inf, must be finite"):
        own.load(path, PLAIN)


@pytest.mark.parametrize(
    ("shape", "series", "becomes", "maps"),
    [
        ((8, 3, 5), None, (3, 5), 1),
        ((8, 1, 3, 5), None, (3, 5), 1),
        ((8, 2, 3, 5), None, (6, 5), 2),
        ((8, 1, 7), None, (2, 7), 1),
        ((8, 3, 7), True, (6, 7), 1),
        ((8, 7), True, (2, 7), 1),
    ],
)
def test_shapes(tmp_path, shape, series, becomes, maps):
    """Images, their channels one below the other; series, their complements below them."""
    path = write(tmp_path / "mine.npz", inputs=np.zeros(shape, np.uint8), labels=np.arange(8) % 2)
    data = own.load(path, Selection(series=series))
    assert (data.shape, data.maps) == (becomes, maps)


def test_channels_have_their_own_ranges(tmp_path, rng):
    """By hand: acceleration in m/s² and rotation in °/s, and each value's complement."""
    values = rng.uniform(-1, 1, (40, 2, 9)) * [[10], [2000]]
    path = write(tmp_path / "mine.npz", inputs=values, labels=np.arange(40) % 2)
    data = own.load(path, Selection(series=True, test_fraction=0.5))
    low, high = (data.reading["quantiser"][end] for end in ("low", "high"))
    assert len(low) == 2
    assert abs(high[0] - 10) < 1
    assert abs(high[1] - 2000) < 200
    both = np.concatenate([data.train_images, data.test_images])
    known = {tuple(values[n].ravel()) for n in range(40)}
    assert len(known) == 40
    expected = []
    for example in values:
        shares = [(row - a) / (b - a) for row, a, b in zip(example, low, high, strict=True)]
        bytes_ = np.floor(np.clip(shares, 0, 1) * 255 + 0.5).astype(np.uint8)
        expected.append(np.concatenate([bytes_, 255 - bytes_]).tobytes())
    assert sorted(map(bytes, both)) == sorted(expected)


def test_a_table_has_four_levels_and_complements(tmp_path, rng):
    values = rng.normal(size=(40, 3))
    path = write(tmp_path / "mine.npz", inputs=values, labels=np.arange(40) % 2)
    data = own.load(path, PLAIN)
    assert data.shape == (8, 3)
    quantiser = Quantiser.from_dict(data.reading["quantiser"])
    known = {quantiser.encode(row.reshape(1, 3)).tobytes() for row in values}
    assert {image.tobytes() for image in (*data.train_images, *data.test_images)} == known


def test_the_quantiser_sees_the_training_part_only(tmp_path):
    train, test = np.linspace(0, 1, 200).reshape(-1, 1), np.full((2, 1), 1e6)
    path = write(
        tmp_path / "mine.npz",
        train_inputs=train,
        train_labels=np.arange(200) % 2,
        test_inputs=test,
        test_labels=[0, 1],
    )
    data = own.load(path, PLAIN)
    assert data.reading["quantiser"]["high"] == [pytest.approx(0.99, abs=1e-3)]
    assert (data.test_images[:, ::2] == 255).all()
    assert len(data.test_labels) == 2


def test_a_mask_says_what_is_for_testing(tmp_path):
    images, test = np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1), np.arange(8) >= 5
    path = write(tmp_path / "mine.npz", inputs=images, labels=np.arange(8) % 2, test=test)
    assert own.load(path, PLAIN).test_images.ravel().tolist() == [5, 6, 7]


def test_groups_lie_on_one_side(tmp_path, rng):
    groups = np.repeat(np.arange(10), 8)
    images = np.broadcast_to(groups[:, None, None], (80, 2, 2)).astype(np.uint8)
    path = write(tmp_path / "mine.npz", inputs=images, labels=np.arange(80) % 3, groups=groups)
    data = own.load(path, PLAIN)
    train, test = (set(part[:, 0, 0].tolist()) for part in (data.train_images, data.test_images))
    assert train.isdisjoint(test)
    assert (len(train), len(test)) == (8, 2)
    # The groups that are left count from 0, in their order, for a split for validation
    order = sorted(train)
    assert data.train_groups.tolist() == [order.index(g) for g in data.train_images[:, 0, 0]]


def test_what_says_how_data_are_split(tmp_path, rng):
    """Groups of ten, and a mask that is blind to them."""
    groups, test = np.repeat(np.arange(10), 10), np.arange(100) % 10 == 3
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1)
    labels = np.arange(100) // 5 % 2
    path = write(tmp_path / "m.npz", inputs=images, labels=labels, groups=groups, test=test)
    by = {how: own.load(path, Selection(split=how)) for how in (None, "given", "groups", "classes")}
    tested = {how: set(data.test_images.ravel().tolist()) for how, data in by.items()}
    assert tested[None] == tested["given"] == set(range(3, 100, 10))
    assert {n // 10 for n in tested["groups"]}.isdisjoint(
        {n // 10 for n in set(range(100)) - tested["groups"]}
    )
    assert np.bincount(by["classes"].test_labels).tolist() == [10, 10]
    assert len({n // 10 for n in tested["classes"]}) > 2
    for how in (None, "given", "groups"):
        learnt = by[how].train_images.ravel() // 10
        same = by[how].train_groups[:, None] == by[how].train_groups
        assert (same == (learnt[:, None] == learnt)).all()
    assert by["classes"].train_groups is None


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(split="given"), "does not say what is for testing; leave out --split given"),
        (Selection(split="groups"), "has no groups"),
        (Selection(test_fraction=1), "^--test-fraction: 1 leaves nothing to learn from"),
        (Selection(label_column="y"), "^--label-column: says nothing of .*mine.npz; leave it out"),
        (Selection(size=(8, 8)), "^--size: says nothing of"),
        (Selection(grey=True), "^--grey: says nothing of"),
    ],
)
def test_flags_that_do_not_apply(tmp_path, selection, message):
    path = write(tmp_path / "mine.npz", **arrays_of())
    with pytest.raises(UserError, match=message):
        own.load(path, selection)


@pytest.mark.parametrize(("fraction", "tested"), [(0.5, 10), (0.01, 2), (0.99, 18)])
def test_share_for_testing(tmp_path, fraction, tested):
    """At least one of each class on either side."""
    path = write(tmp_path / "mine.npz", inputs=np.zeros((20, 2)), labels=np.arange(20) % 2)
    data = own.load(path, Selection(test_fraction=fraction))
    assert len(data.test_labels) == tested


def test_same_data_same_split(tmp_path, rng):
    path = write(tmp_path / "m.npz", inputs=rng.normal(size=(50, 4)), labels=rng.integers(0, 3, 50))
    one, two = own.load(path, PLAIN), own.load(path, PLAIN)
    assert (one.test_images == two.test_images).all()
    assert one.reading == two.reading


@pytest.mark.parametrize(
    ("given", "names", "classes"),
    [
        ([10, 9, 10, 9], ("9", "10"), [1, 0, 1, 0]),
        (["10", "9", "10", "9"], ("9", "10"), [1, 0, 1, 0]),
        (["ü", "a b", "ü", "a b"], ("a b", "ü"), [1, 0, 1, 0]),
        ([True, False, True, False], ("False", "True"), [1, 0, 1, 0]),
        ([-1, 1, -1, 1], ("-1", "1"), [0, 1, 0, 1]),
    ],
)
def test_names_of_classes(tmp_path, given, names, classes):
    inputs = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)
    path = write(tmp_path / "m.npz", inputs=inputs, labels=given, test=[False, False, True, True])
    data = own.load(path, PLAIN)
    assert data.labels == names
    assert [*data.train_labels, *data.test_labels] == classes


# Recordings


def four_recordings(**changes):
    return {
        "times": np.array([0.0, 0.5, 0.1, 0.2, 0.9, 0.3]),
        "units": np.array([0, 1, 2, 0, 1, 2]),
        "offsets": np.array([0, 2, 2, 5, 6]),
        "labels": np.array(["up", "down", "up", "down"]),
        "test": np.array([False, False, True, True]),
        "window": np.array(1.0),
    } | changes


def test_recordings(tmp_path):
    path = write(tmp_path / "mine.npz", **four_recordings())
    data = own.load(path, PLAIN)
    assert (data.channels, data.labels) == (3, ("down", "up"))
    assert data.train_labels.tolist() == data.test_labels.tolist() == [1, 0]
    spikes = data.test_part(10)
    assert [*zip(spikes.image, spikes.step, spikes.unit, strict=True)] == [
        (0, 1, 2),
        (0, 2, 0),
        (0, 9, 1),
        (1, 3, 2),
    ]
    assert data.reading["window"] == 1.0


@pytest.mark.parametrize(("kind", "last"), [("u1", 255), ("i1", 127), ("i2", 32767)])
def test_units_as_small_integers(tmp_path, kind, last):
    """The greatest one of a type, after which it has no number."""
    units = np.array([2, 0, 1, 0, 2, last]).astype(kind)
    assert own.load(
        write(tmp_path / "mine.npz", **four_recordings(units=units)), PLAIN
    ).channels == (last + 1)


def test_labels_of_two_integer_types(tmp_path):
    parts = {
        f"{part}_{name}": values
        for part, kind in (("train", np.uint64), ("test", np.int64))
        for name, values in (
            ("inputs", np.arange(8.0).reshape(4, 2)),
            ("labels", np.array([10, 9, 10, 9], kind)),
        )
    }
    data = own.load(write(tmp_path / "mine.npz", **parts), PLAIN)
    assert data.labels == ("9", "10")
    assert data.train_labels.tolist() == data.test_labels.tolist() == [1, 0, 1, 0]


def test_a_window_that_holds_nearly_all(tmp_path):
    arrays = four_recordings(times=np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5]))
    del arrays["window"]
    data = own.load(write(tmp_path / "mine.npz", **arrays), PLAIN)
    assert data.train_events.window == 0.496


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": np.array([0.0, np.nan, 0, 0, 0, 0])}, "times must be finite .*, not nan"),
        ({"times": np.array([0.0, 1e200, 0, 0, 0, 0])}, "times must be finite .*, not 1e[+]200"),
        ({"times": np.array([0.0, -1, 0, 0, 0, 0])}, "in 0 … 1e[+]09 s, not -1.0"),
        ({"units": np.array([0, 1])}, r"units must be integers \[6\], one per time"),
        ({"units": np.zeros(6)}, "units must be integers"),
        ({"units": np.array([0, 1, 2, 0, 1, 32768])}, "at most 32,768, not 0 … 32768 of 32769"),
        ({"offsets": np.array([0, 2, 2, 5, 7])}, "ascend from 0 to the number of times, 6"),
        ({"offsets": np.array([0, 3, 2, 5, 6])}, "ascend from 0"),
        ({"labels": np.array(["up", "down"])}, r"'labels' must have one value per example, \[4\]"),
        ({"channels": np.array(2)}, "not 0 … 2 of 2"),
        ({"channels": np.array(3.5)}, "not 0 … 2 of 3.5"),
        ({"channels": np.array(np.nan)}, "not 0 … 2 of nan"),
        ({"channels": np.array([3, 4])}, "channels must be a single number"),
        ({"window": np.array(0.0)}, "window must be 1e-09 s at least"),
    ],
)
def test_refuses_recordings_that_contradict_themselves(tmp_path, changes, message):
    path = write(tmp_path / "mine.npz", **four_recordings(**changes))
    with pytest.raises(UserError, match=f"mine.npz: .*{message}"):
        own.load(path, PLAIN)


def heidelberg(path, times, units, labels, speaker=None):
    """As the Spiking Heidelberg Digits are."""
    with h5py.File(path, "w") as file:
        for name, values, kind in (("times", times, np.float16), ("units", units, np.uint16)):
            runs = file.create_dataset(f"spikes/{name}", len(values), h5py.vlen_dtype(kind))
            for index, run in enumerate(values):
                runs[index] = run
        file["labels"] = labels
        if speaker is not None:
            file["extra/speaker"] = speaker
    return str(path)


TIMES = [[0.0, 0.5], [], [0.25, 0.5, 0.75], [0.125]] * 2
UNITS = [[0, 1], [], [2, 0, 1], [2]] * 2


def test_hdf5_as_the_spiking_heidelberg_digits(tmp_path, monkeypatch):
    monkeypatch.setattr(recordings, "_CHUNK", 3)  # several are read
    labels = np.arange(8) % 2
    path = heidelberg(tmp_path / "mine.h5", TIMES, UNITS, labels, np.arange(8) // 4)
    data = own.load(path, PLAIN)  # a speaker on either side
    assert (data.channels, data.labels) == (3, ("0", "1"))
    for events, truth in (
        (data.train_events, data.train_labels),
        (data.test_events, data.test_labels),
    ):
        assert truth.tolist() == [0, 1, 0, 1]
        assert events.start.tolist() == [0, 2, 2, 5, 6]
        assert events.time.tolist() == [0.0, 0.5, 0.25, 0.5, 0.75, 0.125]
        assert events.unit.tolist() == [0, 1, 2, 0, 1, 2]


def test_names_of_classes_in_hdf5(tmp_path):
    path = heidelberg(tmp_path / "mine.hdf5", TIMES, UNITS, ["oui", "non"] * 4)
    assert own.load(path, PLAIN).labels == ("non", "oui")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": TIMES[:-1]}, "has 8 recordings of units and 7 of times"),
        ({"times": [*TIMES[:-1], [0, 1]]}, "recording 7 has 2 times and 1 units"),
        ({"labels": np.zeros(3, int)}, "labels must be one per recording, 8, not 3"),
        ({"labels": np.zeros((8, 2), int)}, "labels is not there or of another shape"),
        ({"labels": np.linspace(0, 1, 8)}, "labels must be names or integers, not float64"),
        ({"times": [[np.nan, 0], *TIMES[1:]]}, "times must be finite"),
        ({"times": [[]] * 8, "units": [[]] * 8}, "at least one"),
    ],
)
def test_refuses_hdf5(tmp_path, changes, message):
    content = {"times": TIMES, "units": UNITS, "labels": np.arange(8) % 2} | changes
    path = heidelberg(tmp_path / "mine.h5", **content)
    with pytest.raises(UserError, match=f"mine.h5: .*{message}"):
        own.load(path, PLAIN)


def test_hdf5_that_is_none_or_holds_something_else(tmp_path):
    (tmp_path / "mine.h5").write_bytes(b"no HDF5")
    with pytest.raises(UserError, match=r"mine.h5: cannot be read as HDF5 \("):
        own.load(str(tmp_path / "mine.h5"), PLAIN)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = np.zeros(3)
    with pytest.raises(UserError, match="must have spikes/times, spikes/units and labels"):
        own.load(str(tmp_path / "other.h5"), PLAIN)


def test_hdf5_that_unfolds(tmp_path, monkeypatch):
    """A thousand recordings that are one and the same array in the file, and labels that nobody
    has written.
    """
    monkeypatch.setattr(npz, "LARGEST", 1 << 20)
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        for name, kind in (("times", np.float64), ("units", np.int64)):
            runs = file.create_dataset(f"spikes/{name}", 1000, h5py.vlen_dtype(kind))
            runs[:] = [np.zeros(1 << 10, kind)] * 1000
        file["labels"] = np.zeros(1000, int)
    with pytest.raises(UserError, match="spikes/times has more than 1,048,576 bytes"):
        own.load(str(path), PLAIN)
    with h5py.File(path, "r+") as file:
        del file["spikes/times"]
        file.create_dataset("spikes/times", (1 << 40,), np.float64, chunks=(1 << 10,))
    with pytest.raises(UserError, match="spikes/times declares 1,099,511,627,776 recordings"):
        own.load(str(path), PLAIN)


# What is refused of any kind


def arrays_of(count=8, **changes):
    return {"inputs": np.zeros((count, 3)), "labels": np.arange(count) % 2} | changes


def example(value):
    inputs = np.zeros((8, 3))
    inputs[5, 1] = value
    return inputs


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": example(np.nan)}, "example 5 has nan"),
        ({"inputs": example(-np.inf)}, "example 5 has -inf"),
        ({"inputs": np.array(["x"] * 8)}, "'inputs' must be numbers, not <U1"),
        ({"inputs": example(1e301)}, "example 5 has 1e[+]301, must be finite and within ±1e[+]300"),
        ({"inputs": np.zeros((8, 2, 2, 2, 2))}, r"must be .*not \[8, 2, 2, 2, 2\]"),
        ({"inputs": np.zeros(8)}, r"must be \[N, F\], .*not \[8\]"),
        ({"inputs": np.zeros((8, 0))}, "0 features per example, must have 1 … 65,535"),
        ({"inputs": np.zeros((8, 65_536), np.uint8)}, "65,536 features per example"),
        ({"inputs": np.zeros((0, 3)), "labels": np.zeros(0, int)}, "has no examples"),
        ({"labels": np.zeros(8, int)}, "one class only, '0'"),
        ({"labels": np.array([0] * 7 + [1])}, "class '1' has one example"),
        ({"labels": np.linspace(0, 1, 8)}, "must be names or integers, not float64 such as 0.0"),
        ({"labels": np.array(["1.5", "2"] * 4)}, "must be names or integers, not '1.5'"),
        ({"labels": np.arange(7) % 2}, r"'labels' must have one value per example, \[8\], not"),
        ({"labels": np.array(["", "a"] * 4)}, "name of a class must have 1 … 255 characters"),
        ({"test": np.arange(8) % 2 == 1}, "class '1' is in the test part only"),
        ({"test": np.zeros(8, bool)}, "no examples for testing"),
        ({"test": np.ones(8, bool)}, "no examples to learn from"),
        ({"test": np.zeros(8)}, "'test' must be bool, not float64"),
        ({"groups": np.zeros(8)}, "one group only"),
        ({"groups": np.arange(8) % 2}, "no split by groups leaves each class"),
        ({"train_inputs": 0, "train_labels": 0, "test_inputs": 0, "test_labels": 0}, "and also"),
    ],
)
def test_refuses_arrays(tmp_path, changes, message):
    path = write(tmp_path / "mine.npz", **arrays_of(**changes))
    with pytest.raises(UserError, match=f"mine.npz: .*{message}") as refused:
        own.load(path, PLAIN)
    assert len(str(refused.value).splitlines()) == 1


def test_refuses_arrays_that_are_not_there(tmp_path):
    path = write(tmp_path / "mine.npz", x=np.zeros(3), y=np.zeros(3))
    with pytest.raises(UserError, match=r"must have the arrays inputs, labels; .*not 'x', 'y'"):
        own.load(path, PLAIN)


def test_parts_must_be_alike(tmp_path):
    arrays = {"train_labels": [0, 1], "test_labels": [0, 1], "train_inputs": np.zeros((2, 3))}
    path = write(tmp_path / "mine.npz", **arrays, test_inputs=np.zeros((2, 4)))
    with pytest.raises(UserError, match="train_inputs and test_inputs must be alike"):
        own.load(path, PLAIN)


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


def test_nothing_pickled_is_opened(tmp_path):
    objects = np.array([Evil()] * 8, dtype=object)
    path = write(tmp_path / "mine.npz", **arrays_of(labels=objects))
    with pytest.raises(UserError, match=r"'labels' holds pickled objects, which are never opened"):
        own.load(path, PLAIN)


def bomb(path, size, shape):
    """An array that declares ``shape``, in a member of ``size`` bytes that are almost none."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    content = header.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("inputs.npy", "w") as member:
            member.write(content + bytes(size - len(content)))
        archive.writestr("labels.npy", b"")
    return str(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = bomb(tmp_path / "bomb.npz", 1 << 20, (1 << 10, 1 << 9))
    monkeypatch.setattr(npz, "LARGEST", 1 << 19)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(UserError, match="declares 1,048,576 bytes of arrays, at most 524,288"):
        own.load(path, PLAIN)


def test_a_shape_larger_than_its_bytes(tmp_path):
    path = bomb(tmp_path / "bomb.npz", 1 << 10, (1 << 20, 1 << 20))
    with pytest.raises(UserError, match="do not fit into 1,024 bytes"):
        own.load(path, PLAIN)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"no zip at all"])
def test_damaged_archives(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"mine.npz: cannot be read as .npz \("):
        own.load(str(tmp_path / "mine.npz"), PLAIN)


def test_a_header_that_is_no_python(tmp_path):
    """A bracket too few: NumPy's own reader raises an error of Python's tokenizer."""
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (6, 8), \n"
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as archive:
        archive.writestr("inputs.npy", b"\x93NUMPY\x01\x00" + bytes([len(header), 0]) + header)
    with pytest.raises(UserError, match=r"mine.npz: cannot be read as .npz \("):
        own.load(str(tmp_path / "mine.npz"), PLAIN)


def test_every_cut_is_refused(tmp_path):
    whole = io.BytesIO()
    np.savez(whole, **arrays_of())
    for end in range(0, len(whole.getvalue()), 31):
        (tmp_path / "mine.npz").write_bytes(whole.getvalue()[:end])
        with pytest.raises(UserError, match=r"mine.npz: "):
            own.load(str(tmp_path / "mine.npz"), PLAIN)


@pytest.mark.parametrize("name", ["nowhere.csv", "no/where", "nowhere.npz"])
def test_a_path_that_is_not_there(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"^{name}: cannot be read \(No such .*with --dataset$"):
        registry.load_selected(Selection(dataset=name))


def test_other_kinds_of_files(tmp_path):
    (tmp_path / "mine.mat").write_bytes(b"")
    with pytest.raises(UserError, match=r"folder of images or WAV files, or end in one of .csv, "):
        own.load(str(tmp_path / "mine.mat"), PLAIN)


# For a network


def test_a_network_gets_its_data_in_the_same_way(tmp_path, monkeypatch, rng):
    """The same split and the same bytes, also with spaces and umlauts in the path; and another
    file by the quantiser of the first one.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Grüße an alle").mkdir()
    values = rng.normal(size=(40, 3))
    path = write("Grüße an alle/meßwerte.npz", inputs=values, labels=np.arange(40) % 2)
    data = registry.load_selected(Selection(dataset=path, test_fraction=0.5))
    network = trained_on(data, path)
    images, labels = registry.load_for(network)
    assert (images == data.test_images).all()
    assert labels.tolist() == data.test_labels.tolist()
    assert len(labels) == 20
    other = write("other.npz", inputs=values * 100, labels=np.arange(40) % 2)
    images, labels = registry.load_for(network, Selection(dataset=other, test_fraction=1))
    quantiser = Quantiser.from_dict(data.reading["quantiser"])
    assert (images == quantiser.encode(values * 100).reshape(images.shape)).all()


def test_classes_are_those_of_the_network(tmp_path):
    path = write(tmp_path / "mine.npz", **arrays_of(labels=np.array(["a", "b"] * 4)))
    network = trained_on(own.load(path, PLAIN), path)
    fewer = write(tmp_path / "fewer.npz", inputs=np.zeros((2, 3)), labels=["b", "b"])
    _, labels = registry.load_for(network, Selection(dataset=fewer, test_fraction=1))
    assert labels.tolist() == [1, 1]
    more = write(tmp_path / "more.npz", inputs=np.zeros((2, 3)), labels=["b", "c"])
    with pytest.raises(UserError, match="has the class 'c', and the network tells a, b"):
        registry.load_for(network, Selection(dataset=more, test_fraction=1))


def test_another_number_of_features(tmp_path):
    path = write(tmp_path / "mine.npz", **arrays_of())
    network = trained_on(own.load(path, PLAIN), path)
    wide = write(tmp_path / "wide.npz", **arrays_of(inputs=np.zeros((8, 4))))
    with pytest.raises(UserError, match="Features must be 3, not 4, as the network was trained"):
        registry.load_for(network, Selection(dataset=wide))


def test_data_that_moved(tmp_path):
    path = write(tmp_path / "mine.npz", **arrays_of())
    network = trained_on(own.load(path, PLAIN), "gone")
    with pytest.raises(UserError, match=r"^gone: cannot be read .*; name the data with --dataset$"):
        registry.load_for(network)
    assert len(registry.load_for(network, Selection(dataset=path))[1]) == 2


def test_damaged_provenance(tmp_path):
    path = write(tmp_path / "mine.npz", **arrays_of())
    network = trained_on(own.load(path, PLAIN), path)
    kept = {**network.provenance["data"], "quantiser": {"low": "0"}}
    network = replace(network, provenance={**network.provenance, "data": kept})
    with pytest.raises(UserError, match="provenance is damaged: Quantiser must have low"):
        registry.load_for(network)


def test_flags_for_files_are_refused_with_a_name():
    with pytest.raises(UserError, match=r"^--label-column: is for data of your own, and 'digits'"):
        registry.load_selected(Selection(dataset="digits", label_column="y"))


@pytest.mark.parametrize("kind", ["features", "recordings"])
def test_a_warning_where_a_path_holds_other_data_now(tmp_path, capsys, kind):
    """Another value, another label, another order, another split; not another file."""

    def content(label=0, value=1.0, order=slice(None)):
        labels = np.arange(20) % 2
        labels[3] = label
        if kind == "features":
            inputs = np.arange(60.0).reshape(20, 3)
            inputs[5, 1] = 30 * value
            return {"inputs": inputs[order], "labels": labels[order]}
        times = np.linspace(0, 1, 60).reshape(20, 3)
        times[5, 1] = value
        units, offsets = np.arange(60) % 4, np.arange(0, 61, 3)
        return {
            "times": times[order].ravel(),
            "units": units,
            "offsets": offsets,
            "labels": labels[order],
            "window": 2.0,
        }

    path = write(tmp_path / "mine.npz", **content())
    network = trained_on(own.load(path, PLAIN), path)

    def warned(selection=PLAIN, **changes):
        write(tmp_path / "mine.npz", **content(**changes))
        registry.load_for(network, selection)
        return capsys.readouterr().err

    assert warned() == ""
    assert warned(Selection(dataset=path)) == ""
    for given in (
        warned(value=0.5),
        warned(label=1),
        warned(order=slice(None, None, -1)),
        warned(Selection(test_fraction=1)),
    ):
        assert given.startswith(f"warning: {path}: holds other examples, or is split in another")
        assert given.count("\n") == 1
    other = write(tmp_path / "other.npz", **content(value=0.5))
    assert warned(Selection(dataset=other, test_fraction=1)) == ""
