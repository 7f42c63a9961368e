"""From a file of one's own to hardware that equals the golden model: every command takes its path,
or finds it by the network's provenance.
"""

import json
import shutil

import numpy as np
import pytest
from data_commands import each_data_command
from PIL import Image
from scipy.io import wavfile

import hw.estimate
import sim.raster
import sim.verify
import sw.evaluate
import sw.report
import sw.sweep
import sw.train
from hw.boards.table import find_board
from hw.explore.measure import Observation
from hw.flow.bitstream import build
from hw.rtl.config import DEFAULT
from sw.cli import UserError
from sw.network import Network
from sw.selection import Selection

FLAGS = ["--dataset", "Weine 2026/süß.csv", "--label-column", "target"]
QUICK = ["--hidden", "24", "--epochs", "12", "-q"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """scikit-learn's wine set as a CSV, and a network that was trained on it."""
    pytest.importorskip("pandas")
    from sklearn.datasets import load_wine

    place = tmp_path_factory.mktemp("own data")
    wine = load_wine(as_frame=True)
    frame = wine.frame.assign(target=wine.target_names[wine.target])
    (place / "Weine 2026").mkdir()
    frame.to_csv(place / "Weine 2026" / "süß.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        sw.train.main([*FLAGS, *QUICK, "--out", "wine.safetensors"])
    return place


@pytest.fixture
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def figures(main, *flags):
    main([*flags, "-q", "--json", "figures.json"])
    with open("figures.json", encoding="utf-8") as file:
        return json.load(file)


def test_from_csv_to_equal_hardware(there):
    """Twelve passes are enough for nine of ten."""
    network = Network.load(there / "wine.safetensors")
    assert network.labels == ("class_0", "class_1", "class_2")
    evaluated = figures(sw.evaluate.main, "wine.safetensors")
    assert (evaluated["images"], evaluated["accuracy"] > 0.85) == (36, True)
    assert evaluated["accuracy"] == network.provenance["test_accuracy"]
    verified = figures(sim.verify.main, "wine.safetensors")
    assert (verified["images"], verified["mismatches"]) == (36, 0)
    assert verified["accuracy"] == evaluated["accuracy"]
    assert verified["dataset"] == FLAGS[1]


def test_the_file_by_its_path(there):
    """Another copy, and all of it for testing."""
    shutil.copy(FLAGS[1], "copy.csv")
    flags = ["wine.safetensors", "--dataset", "copy.csv"]
    assert figures(sw.evaluate.main, *flags) == figures(sw.evaluate.main, "wine.safetensors")
    assert figures(sw.evaluate.main, *flags, "--test-fraction", "1")["images"] == 178


def test_pictures(there):
    sw.report.main(["wine.safetensors", "--out", "report", "-q"])
    sim.raster.main(["wine.safetensors", "--image", "3", "--out", "raster.png", "-q"])
    assert {"confusion.png", "inputs.png"} <= {path.name for path in (there / "report").iterdir()}
    assert (there / "raster.png").exists()


def test_estimate(there):
    given = figures(hw.estimate.main, "wine.safetensors", "--board", "icebreaker")
    assert (given["images"], given["fits"]) == (36, True)


def test_sweep(there):
    flags = ["--vary", "hidden=4,8", "--seeds", "1", "-q", "--", *FLAGS, "--epochs", "1"]
    sw.sweep.main(flags)
    assert len(list((there / "build/sweep/hidden").glob("*-s0.json"))) == 2


@each_data_command
def test_a_path_means_the_same_everywhere(there, module, flags):
    message = r"^gone.csv: cannot be read \(No such file or directory\); name the data with"
    with pytest.raises(UserError, match=message):
        module.main(["wine.safetensors", "--dataset", "gone.csv", *flags])


def test_a_build_without_the_data_says_which_flag_would_measure(there, monkeypatch):
    network = Network.load(there / "wine.safetensors")
    shutil.move(FLAGS[1], "elsewhere.csv")
    try:
        flags = "wine.safetensors", "--board", "icebreaker"
        given = figures(hw.estimate.main, *flags)
        assert given["accuracy"] is None
        assert given["note"] == (
            f"not measured: {FLAGS[1]}: cannot be read (No such file or directory); name the data "
            "with --dataset"
        )
        named = figures(hw.estimate.main, *flags, "--dataset", "elsewhere.csv")
        assert named["accuracy"] == network.provenance["test_accuracy"]
    finally:
        shutil.move("elsewhere.csv", FLAGS[1])


@pytest.mark.deep
def test_build(there):
    network = Network.load(there / "wine.safetensors")
    report = build(
        network,
        find_board("icebreaker"),
        build_dir=there / "build",
        observation=Observation(network, Selection(dataset="gone.csv"), DEFAULT),
        log=lambda text: None,
    )
    assert (there / report.bitstream).exists()
    assert report.measurement.note.endswith("name the data with --dataset")


def labelled(path, parts):
    """Files of two classes in their folders, by what writes one: of the class and a number."""
    for name, write in parts.items():
        for index in range(20):
            file = path / name / f"{index} ä"
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, index)


def recordings(path, rng):
    labels = np.arange(60) % 2
    units = (rng.integers(0, 4, (60, 20)) + 4 * labels[:, None]).ravel()
    times, offsets = rng.random(1200), np.arange(0, 1201, 20)
    np.savez(path, times=times, units=units, offsets=offsets, labels=labels)


def series(path, rng):
    """The classes differ in which channel has its peak first."""
    inputs, labels = rng.normal(size=(60, 2, 16)), np.arange(60) % 2
    inputs[np.arange(60), labels, 3] += 9
    inputs[np.arange(60), 1 - labels, 12] += 9
    np.savez(path, inputs=inputs, labels=labels)


def colours(path, rng):
    """Red and blue of the same grey, 76."""

    def paint(*colour):
        def write(file, index):
            noise = rng.integers(0, 40, (6, 6, 3))
            picture = np.clip(np.array(colour) - noise, 0, 255).astype(np.uint8)
            Image.fromarray(picture).save(f"{file}.png")

        return write

    labelled(path, {"red": paint(255, 0, 0), "blue": paint(0, 72, 255)})


def sounds(path, rng):
    def play(frequency):
        def write(file, index):
            time = np.arange(1600) / 8000
            tone = np.sin(2 * np.pi * (frequency + index) * time) + rng.normal(0, 0.05, 1600)
            wavfile.write(f"{file}.wav", 8000, (8000 * tone).astype(np.int16))

        return write

    labelled(path, {"high": play(2000), "low": play(300)})


@pytest.mark.parametrize(
    ("write", "name", "flags"),
    [
        (recordings, "mine.npz", ["--epochs", "20"]),
        (series, "mine.npz", ["--series"]),
        (colours, "meine Bilder", []),
        (sounds, "meine Töne", ["--epochs", "3"]),
    ],
)
def test_other_kinds(tmp_path, monkeypatch, rng, write, name, flags):
    """From each kind of file to equal hardware."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, rng)
    sw.train.main(["--dataset", name, *flags, "-q", "--out", "n"])
    assert figures(sw.evaluate.main, "n")["accuracy"] >= 0.9
    assert figures(sim.verify.main, "n", "--images", "6")["mismatches"] == 0
