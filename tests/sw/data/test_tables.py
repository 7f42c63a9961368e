"""Tables of one's own, as pandas reads them."""

import sys

import numpy as np
import pytest
from networks import trained_on

from sw.cli import UserError
from sw.data import npz, own, registry
from sw.features.quantiser import Quantiser
from sw.selection import Selection

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
LABELLED = Selection(label_column="y")
ROWS = [(n / 10, -n, "ab"[n % 2], n // 3) for n in range(12)]


def table(path, text=None, separator=",", encoding="utf-8"):
    """Columns width, Höhe (a negative number), y and who."""
    lines = [separator.join(("width", "Höhe", "y", "who"))]
    lines += [separator.join(map(str, row)) for row in ROWS]
    path.write_text("\n".join(lines) + "\n" if text is None else text, encoding=encoding)
    return str(path)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("name", "separator", "encoding"),
    [
        ("mine.csv", ",", "utf-8"),
        ("mine.csv", ";", "utf-8-sig"),
        ("mine.csv", ", ", "utf-8"),
        ("mine.TSV", "\t", "utf-8"),
    ],
)
def test_separators_and_marks(tmp_path, name, separator, encoding):
    path = table(tmp_path / name, separator=separator, encoding=encoding)
    data = own.load(path, Selection(label_column="y", group_column="who"))
    assert data.labels == ("a", "b")
    assert data.reading["columns"] == ["width", "Höhe"]
    assert data.shape == (8, 2)
    assert len(data.test_labels) == 3  # one group of four


def test_parquet(tmp_path):
    frame = pandas.read_csv(table(tmp_path / "mine.csv"))
    frame.to_parquet(tmp_path / "mine.parquet")
    one, two = (own.load(str(tmp_path / f"mine.{kind}"), LABELLED) for kind in ("csv", "parquet"))
    assert (one.train_images == two.train_images).all()


@pytest.mark.parametrize(("module", "name"), [("pandas", "mine.csv"), ("pyarrow", "mine.parquet")])
def test_what_is_not_installed_is_named(tmp_path, monkeypatch, module, name):
    path = table(tmp_path / name)
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"{name}: {module} reads .* is not installed; pip install 'firstspike\[data\]'"
    with pytest.raises(UserError, match=message):
        own.load(path, LABELLED)


def frame_with(**columns):
    return pandas.DataFrame({"x": np.arange(8.0), "y": list("ab") * 4} | columns)


@pytest.mark.parametrize("labels", [list("ab") * 4, [1, 2] * 4, [True, False] * 4])
def test_labels_in_parquet(tmp_path, labels):
    frame_with(y=labels).to_parquet(tmp_path / "mine.parquet")
    assert own.load(str(tmp_path / "mine.parquet"), LABELLED).labels == tuple(
        sorted(set(map(str, labels)))
    )


def test_an_index_in_parquet_is_no_feature(tmp_path):
    frame_with(who=range(8)).set_index("who").to_parquet(tmp_path / "mine.parquet")
    assert own.load(str(tmp_path / "mine.parquet"), LABELLED).reading["columns"] == ["x"]


@pytest.mark.parametrize("columns", [[0, 1], [("a", "b"), ("y", "")]])
def test_columns_in_parquet_that_have_no_plain_names(tmp_path, columns):
    """pandas writes them as text, and that is what they are called."""
    frame = pandas.DataFrame(frame_with().to_numpy(), columns=pandas.Index(columns)).astype(
        {columns[0]: float}
    )
    frame.to_parquet(tmp_path / "mine.parquet")
    feature, label = map(str, columns)
    data = own.load(str(tmp_path / "mine.parquet"), Selection(label_column=label))
    assert data.reading["columns"] == [feature]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": list("12") * 4}, "column 'x' must be numbers, not .*string; leave it out"),
        ({"x": pandas.date_range("2026-01-01", periods=8)}, "column 'x' must be numbers, not time"),
        ({"x": [[1, 2]] * 8}, "column 'x' must be numbers, not list"),
        ({"x": [1.0, np.nan] * 4}, "column 'x', row 2: must be a finite number, not empty"),
        ({"x": [1.0, np.inf] * 4}, "column 'x', row 2: must be a finite number, not 'inf'"),
        ({"y": [1.5, 2.0] * 4}, "labels must be names or integers, not '1.5'"),
        ({"y": ["a", None] * 4}, "column 'y', row 2: is empty"),
    ],
)
def test_refuses_parquet(tmp_path, columns, message):
    frame_with(**columns).to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(UserError, match=f"mine.parquet: .*{message}"):
        own.load(str(tmp_path / "mine.parquet"), LABELLED)


def test_parquet_that_unfolds(tmp_path, monkeypatch):
    """A few bytes that say how often a value is repeated."""
    monkeypatch.setattr(npz, "LARGEST", 1 << 20)
    frame = pandas.DataFrame({"x": np.zeros(100_000), "y": ["a", "b"] * 50_000})
    frame.to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(UserError, match="declares 100,000 rows of 2 columns, 1,600,000 bytes"):
        own.load(str(tmp_path / "mine.parquet"), LABELLED)


@pytest.mark.parametrize("names", [("NA", "None"), ("1", "2"), ("true", "false"), ("ja", "nein ")])
def test_labels_are_what_is_written(tmp_path, names):
    rows = "\n".join(f"{n},{names[n % 2]}" for n in range(8))
    data = own.load(table(tmp_path / "mine.csv", f"x,y\n{rows}\n"), LABELLED)
    assert set(data.labels) == {name.strip() for name in names}


def test_values_by_hand(tmp_path):
    """Every byte from the range that the network keeps."""
    data = own.load(table(tmp_path / "mine.csv"), Selection(label_column="y", group_column="who"))
    quantiser = Quantiser.from_dict(data.reading["quantiser"])
    known = {
        quantiser.encode(np.array([[width, height]], float)).tobytes() for width, height, *_ in ROWS
    }
    assert {image.tobytes() for image in data.test_images} <= known
    assert len(quantiser.low) == 2


def test_columns_in_another_order(tmp_path):
    path = table(tmp_path / "mine.csv")
    data = own.load(path, Selection(label_column="y", group_column="who"))
    network = trained_on(data, path)
    lines = [",".join((str(b), str(c), str(a), str(d))) for a, b, c, d in ROWS]
    other = table(tmp_path / "other.csv", "\n".join(["Höhe,y,width,who", *lines]))
    images, labels = registry.load_for(network, Selection(dataset=other))
    assert (images == data.test_images).all()
    assert labels.tolist() == data.test_labels.tolist()
    less = table(tmp_path / "less.csv", "\n".join(["Höhe,y,weight,who", *lines]))
    with pytest.raises(UserError, match="has no column 'width', which the network takes"):
        registry.load_for(network, Selection(dataset=less))


def rows_with(cell):
    return "\n".join(["x,y", "1,a", f"{cell},b", *["2,a", "3,b"] * 3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rows_with("red"), "column 'x', row 2: must be a finite number, not 'red'"),
        (rows_with(""), "column 'x', row 2: must be a finite number, not empty;"),
        (rows_with("nan"), "column 'x', row 2: must be a finite number, not 'nan'"),
        (rows_with("inf"), "column 'x', row 2: must be a finite number, not 'inf'"),
        (rows_with("1e999"), "column 'x', row 2: must be a finite number, not 'inf'"),
        (rows_with('"1,5"'), "column 'x', row 2: must be a finite number, not '1,5'"),
        (rows_with("1,2"), "cannot be read as a table"),
        (",x,y\n1,2,a\n2,2,b\n", "column 1 has no name; leave it out if it counts the rows"),
        ("x,y,y\n1,a,a\n", "2 columns are named 'y'; leave out all but one"),
        ("x,y\n1," + "a" * 256 + "\n", "column 'y', row 1: must have at most 255 characters"),
        ("x,y\n1,2,a\n3,4,b\n", "rows have more cells than the first line"),
        ("x,y,z\n1,a,2\n1,b\n", "column 'z', row 2: must be a finite number, not empty"),
        ("x,z,y\n1,2,a\n1,2\n", "column 'y', row 2: is empty"),
        ('x,y\n1,"a\n', "cannot be read as a table"),
        ("x,y\n1,a\n2,\n", "column 'y', row 2: is empty"),
        ("x,y\n1,0.5\n2,1.5\n", "labels must be names or integers, not '0.5'"),
        ("x,y\n1,a\n2,a\n", "one class only, 'a'"),
        ("x,y\n1,a\n2,a\n3,b\n", "class 'b' has one example"),
        ("x,z\n1,a\n", "has no column 'y'; its columns are 'x', 'z'; name one with --label-column"),
        ("y\na\nb\n", "has no column beside 'y'"),
        ("1,2\n3,4\n", "its first line must name the columns, not 1, 2"),
        ("x,y\n", "has no examples"),
        ("", "cannot be read as a table"),
    ],
)
def test_refuses_tables(tmp_path, text, message):
    with pytest.raises(UserError, match=f"mine.csv: .*{message}") as refused:
        own.load(table(tmp_path / "mine.csv", text), LABELLED)
    assert len(str(refused.value).splitlines()) == 1


def test_refuses_other_encodings(tmp_path):
    with pytest.raises(UserError, match=r"mine.csv: cannot be read as a table \('utf-8"):
        own.load(table(tmp_path / "mine.csv", encoding="latin-1"), LABELLED)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (
            Selection(),
            "name the column of the classes with --label-column; its columns are",
        ),
        (
            Selection(label_column="y", group_column="whom"),
            "has no column 'whom'; .*name one with --group-column",
        ),
        (Selection(label_column="y", group_column="y"), "'y' cannot be label and group"),
    ],
)
def test_refuses_columns(tmp_path, selection, message):
    with pytest.raises(UserError, match=f"mine.csv: .*{message}"):
        own.load(table(tmp_path / "mine.csv"), selection)


def test_more_columns_than_a_network_can_keep(tmp_path, rng):
    names = [f"{'n' * 60}{index}" for index in range(12_000)]
    rows = ["0," * 12_000 + "a", "1," * 12_000 + "b"] * 2
    path = table(tmp_path / "mine.csv", "\n".join([",".join([*names, "y"]), *rows]))
    with pytest.raises(UserError, match="names and ranges of 12,000 features do not fit"):
        own.load(path, LABELLED)
