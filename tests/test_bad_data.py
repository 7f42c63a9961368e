"""What bad input of one's own gets: one line that names the place, exit status 2, and nothing
written; by kind. What it means in detail is tested beside each reader.
"""

import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

import sw.train
from sw.cli import exit_status

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

LABELS = np.arange(8) % 2
VALUES = np.arange(24.0).reshape(8, 3)
Y = ["--label-column", "y"]


def changed(values, place, value):
    values = values.copy()
    values[place] = value
    return values


def text(content, encoding="utf-8"):
    return lambda path: path.with_suffix(".csv").write_text(content, encoding=encoding)


def rows(cell="1", label="b"):
    """A table whose second row has this cell and this label."""
    return text("\n".join(["x,y", "1,a", f"{cell},{label}", *["2,a", "3,b"] * 3]))


def parquet(**columns):
    def write(path):
        frame = pandas.DataFrame({"x": VALUES[:, 0], "y": LABELS} | columns)
        frame.to_parquet(path.with_suffix(".parquet"))

    return write


def arrays(**changes):
    return lambda path: np.savez(path, **({"inputs": VALUES, "labels": LABELS} | changes))


def recordings(**changes):
    content = {
        "times": np.linspace(0, 1, 24),
        "units": np.arange(24) % 4,
        "offsets": np.arange(0, 25, 3),
        "labels": LABELS,
    }
    return lambda path: np.savez(path, **(content | changes))


def hdf5(**changes):
    def write(path):
        content = {"times": VALUES / 24, "units": VALUES.astype(int) % 4, "labels": LABELS}
        with h5py.File(path.with_suffix(".h5"), "w") as file:
            for name in ("times", "units"):
                values = (content | changes)[name]
                runs = file.create_dataset(f"spikes/{name}", 8, h5py.vlen_dtype(values.dtype))
                for index, run in enumerate(values):
                    runs[index] = run
            file["labels"] = (content | changes)["labels"]

    return write


def raw(name, content):
    return lambda path: path.with_name(name).write_bytes(content)


def folder(*, classes=("cat", "dog"), count=3, parts=("",), wrong=()):
    """Images of 4 × 4; and files ``wrong``, by their place in the folder and what writes them."""

    def write(path):
        path.mkdir()
        for part in parts:
            for name in classes:
                (path / part / name).mkdir(parents=True)
                for index in range(count):
                    Image.new("L", (4, 4), 9 * index).save(path / part / name / f"{index}.png")
        for place, make in wrong:
            (path / place).parent.mkdir(parents=True, exist_ok=True)
            make(path / place)

    return write


def picture(width, height):
    return lambda path: Image.new("L", (width, height)).save(path)


def sound(samples, rate=8000):
    return lambda path: wavfile.write(path, rate, samples)


def content(data):
    return lambda path: path.write_bytes(data)


def bomb(path):
    """Declares 3 GiB in an archive of some hundred bytes."""
    whole = io.BytesIO()
    np.savez_compressed(whole, inputs=VALUES, labels=LABELS)
    path.with_suffix(".npz").write_bytes(forged(whole, 3 << 30))


def forged(archive, size):
    """The archive with another size of its first member in its directory."""
    content = bytearray(archive.getvalue())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, size)
    return content


def lying_bomb(path):
    """Unfolds to 100 MB, and declares 1,000 bytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (100_000, 1000)}
    )
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inputs.npy", header.getvalue() + bytes(100_000_000))
        archive.writestr("labels.npy", b"")
    path.with_suffix(".npz").write_bytes(forged(whole, 1000))


def declared(path):
    """A shape of a tebibyte in a header."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 20, 1 << 17)}
    )
    with zipfile.ZipFile(path.with_suffix(".npz"), "w") as archive:
        archive.writestr("inputs.npy", header.getvalue())
        archive.writestr("labels.npy", b"")


def endless(path):
    """Labels of a tebibyte, of which not one was written."""
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        for name in ("times", "units"):
            file.create_dataset(f"spikes/{name}", (1 << 40,), "f4", chunks=(1024,))
        file.create_dataset("labels", (1 << 40,), "i4", chunks=(1024,))


def large_picture(path, width=10_000, height=7_000):
    """An image that declares so many pixels, and has none."""
    parts = b"\x89PNG\r\n\x1a\n"
    for name, value in ((b"IHDR", struct.pack(">IIB4x", width, height, 8)), (b"IDAT", b"")):
        check = struct.pack(">I", zlib.crc32(name + value))
        parts += struct.pack(">I", len(value)) + name + value + check
    path.write_bytes(parts)


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


PICKLED = np.array([Evil()] * 8, dtype=object)
TWO_PARTS = ("train", "test")
# Kind of fault; what makes the data; their name; flags; a part of the line
CASES = [
    ("not a number", rows("nan"), "mine.csv", Y, "column 'x', row 2: must be a finite number"),
    ("not a number", arrays(inputs=changed(VALUES, (5, 1), np.nan)), "mine.npz", [], "example 5"),
    ("not a number", parquet(x=[np.nan, *VALUES[1:, 0]]), "mine.parquet", Y, "'x', row 1: must"),
    ("not a number", recordings(times=np.full(24, np.nan)), "mine.npz", [], "times must be finite"),
    ("not a number", hdf5(times=VALUES * np.nan), "mine.h5", [], "times must be finite"),
    (
        "not a number",
        folder(classes=(), wrong=[(f"{name}/a.wav", sound(np.full(99, np.nan))) for name in "ab"]),
        "mine",
        [],
        "a/a.wav: has samples that are not finite",
    ),
    ("infinity", rows("-inf"), "mine.csv", Y, "row 2: must be a finite number, not '-inf'"),
    ("infinity", rows("9" * 400), "mine.csv", Y, "row 2: must be a finite number"),
    ("infinity", rows("1e999"), "mine.csv", Y, "row 2: must be a finite number"),
    ("infinity", arrays(inputs=changed(VALUES, (5, 1), np.inf)), "mine.npz", [], "5 has inf"),
    ("infinity", recordings(window=np.inf), "mine.npz", [], "window must be 1e-09 s at least"),
    ("too short", recordings(window=1e-320), "mine.npz", [], "window must be 1e-09 s at least"),
    ("text among numbers", rows("red"), "mine.csv", Y, "row 2: must be a finite number, not 'red'"),
    ("text among numbers", rows(""), "mine.csv", Y, "must be a finite number, not empty"),
    ("text among numbers", parquet(x=list("12345678")), "mine.parquet", Y, "must be numbers"),
    ("text among numbers", arrays(inputs=VALUES.astype(str)), "mine.npz", [], "must be numbers"),
    ("no such column", rows(), "mine.csv", [], "with --label-column; its columns are 'x', 'y'"),
    ("no such column", rows(), "mine.csv", ["--label-column", "z"], "its columns are 'x', 'y'"),
    ("no such column", rows(), "mine.csv", [*Y, "--group-column", "z"], "its columns are 'x', 'y'"),
    ("no such column", parquet(), "mine.parquet", [], "its columns are 'x', 'y'"),
    ("no such column", parquet(), "mine.parquet", ["--label-column", "z"], "has no column 'z'"),
    ("no such column", arrays(labels_=0), "mine.npz", ["--label-column", "y"], "says nothing of"),
    ("no names of columns", text("1,2\n3,4\n"), "mine.csv", Y, "first line must name the columns"),
    ("no names of columns", text(",y\n1,a\n"), "mine.csv", Y, "column 1 has no name"),
    ("no names of columns", text("y,y\n1,a\n"), "mine.csv", Y, "2 columns are named 'y'"),
    ("cells without a column", text("x,y\n1,a,2\n"), "mine.csv", Y, "cannot be read as a table"),
    ("another encoding", text("x,y\n1,ä\n", "latin-1"), "mine.csv", Y, "cannot be read as a table"),
    ("one class only", text("x,y\n1,a\n2,a\n"), "mine.csv", Y, "one class only, 'a'"),
    (
        "a name that is no text",
        arrays(labels=np.array(["\ud800", "b"] * 4)),
        "mine.npz",
        [],
        "must be text in UTF-8, not",
    ),
    ("one class only", arrays(labels=np.zeros(8, int)), "mine.npz", [], "one class only, '0'"),
    ("one class only", recordings(labels=np.ones(8, int)), "mine.npz", [], "one class only, '1'"),
    ("one class only", hdf5(labels=np.ones(8, int)), "mine.h5", [], "one class only, '1'"),
    ("one class only", folder(classes=["cat"]), "mine", [], "one class only, 'cat'"),
    ("a class of one example", rows(label="c"), "mine.csv", Y, "class 'c' has one example"),
    ("a class of one example", arrays(labels=np.arange(8) // 7), "mine.npz", [], "class '1' has"),
    ("a class of one example", folder(count=1), "mine", [], "class 'cat' has one example"),
    ("a class that is not learnt", arrays(test=LABELS == 1), "mine.npz", [], "class '1' is in the"),
    (
        "a class that is not learnt",
        folder(parts=TWO_PARTS, wrong=[("test/cow/1.png", picture(4, 4))]),
        "mine",
        [],
        "class 'cow' is in the test part only",
    ),
    ("nothing to test", arrays(test=np.zeros(8, bool)), "mine.npz", [], "no examples for testing"),
    ("nothing to learn", arrays(), "mine.npz", ["--test-fraction", "1"], "leaves nothing to learn"),
    (
        "no group",
        arrays(groups=changed(LABELS / 1, 3, np.nan)),
        "mine.npz",
        [],
        "nan for example 3",
    ),
    ("one group only", arrays(groups=np.zeros(8, int)), "mine.npz", [], "one group only, '0'"),
    ("groups that are classes", arrays(groups=LABELS), "mine.npz", [], "no split by groups"),
    (
        "sizes of images",
        folder(wrong=[("dog/large.png", picture(5, 4))]),
        "mine",
        [],
        "dog/large.png: is 4 × 5 pixels, ",
    ),
    (
        "an image that cannot be read",
        folder(wrong=[("dog/süß 1.png", content(b"no image"))]),
        "meine Bilder",
        [],
        "dog/süß 1.png: cannot be read as an image",
    ),
    (
        "an image that is too large",
        folder(wrong=[("dog/9.png", large_picture)]),
        "mine",
        ["--size", "8", "8"],
        "dog/9.png: has 70,000,000 pixels, at most",
    ),
    (
        "an image that is too large",
        folder(wrong=[("dog/9.png", lambda path: large_picture(path, 11_000, 8_200))]),
        "mine",
        ["--size", "8", "8"],
        "dog/9.png: has 90,200,000 pixels, at most",
    ),
    (
        "a sound that cannot be read",
        folder(classes=(), wrong=[(f"{name}/a b.wav", content(b"RIFF")) for name in "ab"]),
        "mine",
        [],
        "a/a b.wav: cannot be read as WAV",
    ),
    ("units twice", recordings(x=np.zeros(24, int)), "mine.npz", [], "has units and also 'x'"),
    ("no map of the units", recordings(shape=[2, 2]), "mine.npz", [], "shape must be three"),
    ("no map of the units", recordings(shape=[1, 1, 3]), "mine.npz", [], "not 0 … 3 of 3"),
    ("no images", rows(), "mine.csv", [*Y, "--off-channel"], "--off-channel: says nothing of"),
    ("no images", arrays(), "mine.npz", ["--off-channel"], "--off-channel: is for images, and"),
    ("an empty folder", folder(classes=()), "mine", [], "has no folders of images or WAV files"),
    ("an empty folder", folder(count=0), "mine", [], "cat: has no images or WAV files"),
    ("an empty folder", folder(classes=(), parts=TWO_PARTS), "mine", [], "has no folders of"),
    ("an empty file", raw("mine.csv", b""), "mine.csv", Y, "cannot be read as a table"),
    ("an empty file", raw("mine.npz", b""), "mine.npz", [], "cannot be read as .npz"),
    ("an empty file", raw("mine.h5", b""), "mine.h5", [], "cannot be read as HDF5"),
    ("an empty file", raw("mine.parquet", b""), "mine.parquet", Y, "cannot be read as a table"),
    ("no examples", text("x,y\n"), "mine.csv", Y, "has no examples"),
    ("no examples", arrays(inputs=VALUES[:0], labels=LABELS[:0]), "mine.npz", [], "no examples"),
    (
        "too many features",
        arrays(inputs=np.zeros((8, 65_536), np.uint8)),
        "mine.npz",
        [],
        "has 65,536 features per example, must have 1 … 65,535",
    ),
    ("too many features", folder(), "mine", ["--size", "256", "257"], "has 65,792 features"),
    (
        "too many features",
        text(",".join(["y", *(f"c{n}" for n in range(65_538))]) + "\n"),
        "mine.csv",
        Y,
        "has 65,539 columns, features must be 1 … 65,535",
    ),
    ("nested labels", parquet(y=[[1, 2]] * 8), "mine.parquet", Y, "'y' must be one value per row"),
    ("nested labels", parquet(y=[{"a": 1}] * 8), "mine.parquet", Y, "'y' must be one value per"),
    ("labels that are real", text("x,y\n1,0.5\n2,1\n"), "mine.csv", Y, "integers, not '0.5'"),
    (
        "labels that are real",
        arrays(labels=LABELS / 2),
        "mine.npz",
        [],
        "must be names or integers",
    ),
    ("labels that are real", parquet(y=LABELS / 2), "mine.parquet", Y, "must be names or integers"),
    ("labels that are real", hdf5(labels=LABELS / 2), "mine.h5", [], "must be names or integers"),
    ("pickled objects", arrays(labels=PICKLED), "mine.npz", [], "'labels' holds pickled objects"),
    ("pickled objects", arrays(inputs=PICKLED), "mine.npz", [], "'inputs' holds pickled objects"),
    ("a bomb", bomb, "mine.npz", [], "declares 3,221,22"),
    ("a bomb", declared, "mine.npz", [], "do not fit into"),
    ("a bomb", lying_bomb, "mine.npz", [], "cannot be read as .npz (Bad CRC-32"),
    ("a bomb", endless, "mine.h5", [], "declares 1,099,511,627,776 recordings"),
    ("another kind of file", raw("mine.mat", b""), "mine.mat", [], "or end in one of .csv, "),
    ("another kind of file", raw("mine.npz", b"GIF89a"), "mine.npz", [], "cannot be read as .npz"),
    ("a pipe", os.mkfifo, "mine.csv", Y, "must be a file or folder, not a pipe or device"),
    ("a pipe", os.mkfifo, "mine.npz", [], "must be a file or folder, not a pipe or device"),
    ("nothing there", lambda path: None, "Grüße an alle/nichts.csv", Y, "cannot be read (No such"),
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("make", "name", "flags", "message"),
    [
        pytest.param(*case[1:], id=f"{case[0]}: {Path(case[2]).suffix or 'folder'}")
        for case in CASES
    ],
)
def test_one_line_and_nothing_written(place, capsys, make, name, flags, message):
    make(place / name)
    before = sorted(place.rglob("*"))
    try:
        sw.train.main(["--dataset", name, *flags, "--epochs", "1", "--json", "x.json"])
        status = 0
    except BaseException as error:
        status = exit_status(error)
    given = capsys.readouterr()
    assert (status, given.out) == (2, "")
    (line,) = given.err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert ";" in line or " must be " in line or "with --dataset" in line  # the remedy
    assert sorted(place.rglob("*")) == before


def test_bombs_take_no_memory(place):
    """Refused before they are unpacked: the process does not grow by 16 MB."""
    for number, make in enumerate((bomb, declared, lying_bomb, endless)):
        make(place / str(number))
    folder(wrong=[("dog/9.png", large_picture)])(place / "9")
    arrays()(place / "small.npz")
    hdf5()(place / "small")
    script = """
import resource, sys
from sw.cli import UserError
from sw.data import own
from sw.selection import Selection
import PIL.Image
for name in ("small.npz", "small.h5"):
    own.load(name, Selection())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[1:]:
    try:
        own.load(name, Selection(size=(8, 8)) if name == "9" else Selection())
    except UserError:
        continue
    sys.exit(f"{name} was read")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    names = ["0.npz", "1.npz", "2.npz", "3.h5", "9"]
    run = subprocess.run(
        [sys.executable, "-c", script, *names], capture_output=True, text=True, cwd=place
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 16 << 10  # KiB
