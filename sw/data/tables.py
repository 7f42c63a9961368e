"""One's own data as a table: ``.csv``, ``.tsv`` or ``.parquet``, one example per row, a first line
that names the columns. ``--label-column`` has the class, ``--group-column`` what must lie on one
side of the split; all others are features and hold numbers. With ``--series`` a row is a time
series, in the order of its columns. A ``.csv`` whose first line has more semicolons than commas is
separated by these. pandas does the reading.
"""

import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sw import limits
from sw.cli import UserError
from sw.container import quoted
from sw.data import npz
from sw.data.raw import FEATURES, Kind, Raw
from sw.selection import Selection

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SUFFIXES", "read"]

SUFFIXES = (".csv", ".tsv", ".parquet")
_LISTED = 12  # columns that a message names


def read(path: Path, selection: Selection) -> Raw:
    """The rows. Raises UserError for a table that cannot be read, a column that is not there, and
    a cell that is no number.
    """
    names = {"--label-column": selection.label_column, "--group-column": selection.group_column}
    parse = _parquet if path.suffix.lower() == ".parquet" else _text
    try:
        table = parse(path, names)
    except (OSError, ValueError, OverflowError) as error:  # pandas' errors are ValueErrors
        raise UserError(
            f"{path}: cannot be read as a table ({' '.join(str(error).split())}); correct it"
        ) from None
    label, group = names.values()
    assert label is not None
    features = table.drop(columns=[name for name in (label, group) if name])
    values = np.empty(features.shape, np.float64)
    for index, name in enumerate(features.columns):
        values[:, index] = _numbers(path, name, features[name])
    return Raw(
        kind=Kind.SERIES if selection.series else Kind.TABLE,
        inputs=values[:, None, None, :],
        labels=_texts(path, label, table[label]),
        groups=_texts(path, group, table[group]) if group else None,
        columns=tuple(features.columns),
    )


def _text(path: Path, names: dict[str, str | None]) -> "pd.DataFrame":
    """A table in a text file. The columns that ``names`` has are as they are written, so that NA
    may name a class, and so are others with a cell that is no number.
    """
    import pandas

    separator = "\t"
    if path.suffix.lower() == ".csv":
        with path.open("rb") as binary:
            first = binary.readline(1 << 16)
        separator = ";" if first.count(b";") > first.count(b",") else ","
    common: dict[str, Any] = {
        "sep": separator,
        "na_filter": False,
        "skipinitialspace": True,
        "compression": None,
        "encoding": "utf-8-sig",
    }
    head = pandas.read_csv(path, header=None, nrows=1, dtype=str, **common)
    columns = [name.strip() for name in head.iloc[0]]
    if all(map(_is_number, columns)):
        raise UserError(
            f"{path}: its first line must name the columns, not {', '.join(columns[:3])}, …; add "
            "such a line"
        )
    _check_columns(path, columns, names)
    with warnings.catch_warnings():
        # Rows that are longer than the first line: what is too much would be dropped
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            return pandas.read_csv(
                path,
                header=0,
                names=columns,
                dtype={name: str for name in names.values() if name is not None},
                index_col=False,
                low_memory=False,
                **common,
            )
        except pandas.errors.ParserWarning:
            raise ValueError("rows have more cells than the first line") from None


def _parquet(path: Path, names: dict[str, str | None]) -> "pd.DataFrame":
    """A Parquet file, whose columns know what they hold."""
    from pyarrow import parquet, types

    numbers = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    texts = [name for name in names.values() if name is not None]
    with parquet.ParquetFile(path) as file:
        rows, schema = file.metadata.num_rows, file.schema_arrow
    match schema.pandas_metadata:
        case {"index_columns": [*index]}:
            columns = [name for name in schema.names if name not in index]
        case _:
            columns = schema.names
    _check_columns(path, columns, names)
    for name in columns:
        kind = schema.field(name).type
        if name in texts and types.is_nested(kind):
            raise UserError(
                f"{path}: column {quoted(name)} must be one value per row, not {kind}; name another"
            )
        if name not in texts and not any(check(kind) for check in numbers):
            raise UserError(
                f"{path}: column {quoted(name)} must be numbers, not {kind}; leave it out"
            )
    if (size := 8 * rows * len(columns)) > npz.LARGEST:
        raise UserError(
            f"{path}: declares {rows:,} rows of {len(columns):,} columns, {size:,} bytes, at most "
            f"{npz.LARGEST:,} are read; keep fewer"
        )
    with parquet.ParquetFile(path, read_dictionary=texts) as file:
        return file.read(columns).to_pandas(ignore_metadata=True)


def _check_columns(path: Path, columns: list[str], names: dict[str, str | None]) -> None:
    """Raises UserError for columns that cannot be told apart, or if one that a flag names is not
    there, or no flag names the label's.
    """
    if len(columns) > FEATURES + len(names):
        raise UserError(
            f"{path}: has {len(columns):,} columns, features must be 1 … {FEATURES:,}; leave some "
            "out"
        )
    often, count = Counter(columns).most_common(1)[0]
    if count > 1:
        raise UserError(f"{path}: {count} columns are named {quoted(often)}; leave out all but one")
    if "" in columns:
        raise UserError(
            f"{path}: column {columns.index('') + 1} has no name; leave it out if it counts the "
            "rows, else name it"
        )
    more = ", …" if len(columns) > _LISTED else ""
    found = f"its columns are {', '.join(map(quoted, columns[:_LISTED]))}{more}"
    for flag, name in names.items():
        if name is not None and name not in columns:
            raise UserError(f"{path}: has no column {quoted(name)}; {found}; name one with {flag}")
    label, group = names.values()
    if label is None:
        raise UserError(f"{path}: name the column of the classes with --label-column; {found}")
    if label == group:
        raise UserError(f"{path}: {quoted(label)} cannot be label and group; name two columns")
    if set(columns) == {label, group} or columns == [label]:
        raise UserError(f"{path}: has no column beside {quoted(label)}; add features")


def _numbers(path: Path, name: str, column: "pd.Series") -> np.ndarray:
    """A feature as float64 [N]. Raises UserError for the first cell that is no finite number."""
    import pandas

    try:
        parsed = pandas.to_numeric(column, errors="coerce")
    except OverflowError:  # integers of more than 308 digits
        parsed = pandas.to_numeric(column.astype(str), errors="coerce")
    numbers = parsed.to_numpy(np.float64, na_value=np.nan)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        row = int(wrong.argmax())
        cell = column.iloc[row]
        shown = "empty" if pandas.isna(cell) or cell == "" else quoted(str(cell))
        raise UserError(
            f"{path}: column {quoted(name)}, row {row + 1}: must be a finite number, not {shown}; "
            "correct the cell, or leave out the column"
        )
    return numbers


def _texts(path: Path, name: str, column: "pd.Series") -> np.ndarray:
    """Names of classes or groups, as they are written."""
    missing = column.isna()
    texts = ["" if none else str(cell).strip() for cell, none in zip(column, missing, strict=True)]
    for row, text in enumerate(texts, start=1):
        if not 1 <= len(text) <= limits.TEXT:
            fault = f"must have at most {limits.TEXT} characters" if text else "is empty"
            raise UserError(
                f"{path}: column {quoted(name)}, row {row}: {fault}; correct the cell, or leave "
                "out the row"
            )
    return np.array(texts, str)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
