"""One's own data as a table: ``.csv``, ``.tsv`` or ``.parquet``, one example per row, a first line
that names the columns. ``--label-column`` has the class, ``--group-column`` what must lie on one
side of the split; all others are features and hold numbers. With ``--series`` a row is a time
series, in the order of its columns. A ``.csv`` whose first line has more semicolons than commas is
separated by these. pandas does the reading.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sw.cli import UserError
from sw.container import quoted
from sw.data import npz
from sw.data.raw import Kind, Raw
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
    names = {
        "--label-column": selection.label_column,
        "--group-column": selection.group_column,
    }
    try:
        table = _parsed(path, [name for name in names.values() if name is not None])
    except (OSError, ValueError, OverflowError) as error:  # pandas' errors are ValueErrors
        raise UserError(
            f"{path}: cannot be read as a table ({' '.join(str(error).split())}); correct it"
        ) from None
    table.columns = [str(name) for name in table.columns]
    columns = list(table.columns)
    if all(_is_number(name) for name in columns):
        raise UserError(
            f"{path}: its first line must name the columns, not {', '.join(columns[:3])}, …; add "
            "such a line"
        )
    _check_columns(path, columns, names)
    label, group = names.values()
    assert label is not None
    features = table.drop(columns=[name for name in (label, group) if name])
    if features.shape[1] == 0:
        raise UserError(f"{path}: has no column beside {quoted(label)}; add features")
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


def _parsed(path: Path, texts: list[str]) -> "pd.DataFrame":
    """The table. Of a text file the columns ``texts`` are as they are written, so that NA may name
    a class, and so are others with a cell that is no number.
    """
    import pandas

    if path.suffix.lower() == ".parquet":
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            about = file.metadata
            if (size := 8 * about.num_rows * about.num_columns) > npz.LARGEST:
                raise UserError(
                    f"{path}: declares {about.num_rows:,} rows of {about.num_columns:,} columns, "
                    f"{size:,} bytes, at most {npz.LARGEST:,} are read; keep fewer"
                )
            return file.read().to_pandas()
    separator = "\t"
    if path.suffix.lower() == ".csv":
        with path.open("rb") as binary:
            first = binary.readline(1 << 16)
        separator = ";" if first.count(b";") > first.count(b",") else ","
    with warnings.catch_warnings():
        # Rows that are longer than the first line: what is too much would be dropped
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            return pandas.read_csv(
                path,
                sep=separator,
                dtype=dict.fromkeys(texts, str),
                na_filter=False,
                skipinitialspace=True,
                compression=None,
                encoding="utf-8-sig",
                index_col=False,
                low_memory=False,
            )
        except pandas.errors.ParserWarning:
            raise ValueError("rows have more cells than the first line") from None


def _check_columns(path: Path, columns: list[str], names: dict[str, str | None]) -> None:
    """Raises UserError if a column that a flag names is not there, or no flag names the label's."""
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


def _numbers(path: Path, name: str, column: "pd.Series") -> np.ndarray:
    """A feature as float64 [N]. Raises UserError for the first cell that is no finite number."""
    import pandas

    numbers = pandas.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
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
    texts = np.array([str(cell).strip() for cell in column], str)
    empty = column.isna().to_numpy() | (texts == "")
    if empty.any():
        raise UserError(
            f"{path}: column {quoted(name)}, row {int(empty.argmax()) + 1}: is empty; fill it in"
        )
    return texts


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
