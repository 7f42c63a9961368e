"""One's own data as a table: ``.csv``, ``.tsv`` or ``.parquet``, one example per row, a first line
that names the columns. ``--label-column`` has the class, ``--group-column`` what must lie on one
side of the split; all others are features and hold numbers. A ``.csv`` whose first line has more
semicolons than commas is separated by these. pandas does the reading.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sw.cli import UserError
from sw.container import quoted
from sw.data.raw import Kind, Raw
from sw.selection import Selection

if TYPE_CHECKING:
    from types import ModuleType

    import pandas as pd

__all__ = ["SUFFIXES", "read"]

SUFFIXES = (".csv", ".tsv", ".parquet")
_LISTED = 12  # columns that a message names


def read(path: Path, selection: Selection) -> Raw:
    """The rows. Raises UserError for a table that cannot be read, a column that is not there, and
    a cell that is no number.
    """
    try:
        import pandas
    except ImportError:
        raise UserError(
            f"{path}: pandas reads tables and is not installed; pip install 'firstspike[data]'"
        ) from None
    apart = {
        "--label-column": selection.label_column,
        "--group-column": selection.group_column,
    }
    try:
        table = _parsed(pandas, path)
    except ImportError:
        raise UserError(
            f"{path}: pyarrow reads Parquet and is not installed; pip install 'firstspike[data]'"
        ) from None
    except (OSError, ValueError, OverflowError) as error:  # pandas' errors are ValueErrors
        raise UserError(
            f"{path}: cannot be read as a table ({' '.join(str(error).split())}); mend it"
        ) from None
    table.columns = [str(name) for name in table.columns]
    columns = list(table.columns)
    if all(_is_number(name) for name in columns):
        raise UserError(
            f"{path}: its first line must name the columns, not {', '.join(columns[:3])}, …; add "
            "such a line"
        )
    _check_columns(path, columns, apart)
    label, group = apart.values()
    assert label is not None
    features = table.drop(columns=[name for name in (label, group) if name])
    if features.shape[1] == 0:
        raise UserError(f"{path}: has no column beside {label!r}; add features")
    values = np.empty(features.shape, np.float64)
    for index, name in enumerate(features.columns):
        values[:, index] = _numbers(pandas, path, name, features[name])
    return Raw(
        kind=Kind.TABLE,
        inputs=values[:, None, :],
        labels=_texts(path, label, table[label]),
        groups=_texts(path, group, table[group]) if group else None,
        columns=tuple(features.columns),
    )


def _parsed(pandas: "ModuleType", path: Path) -> "pd.DataFrame":
    """The table; of a text file all cells as they are written, so that NA may name a class."""
    if path.suffix.lower() == ".parquet":
        return pandas.read_parquet(path, engine="pyarrow")
    separator = "\t"
    if path.suffix.lower() == ".csv":
        with path.open("rb") as file:
            first = file.readline(1 << 16)
        separator = ";" if first.count(b";") > first.count(b",") else ","
    return pandas.read_csv(
        path,
        sep=separator,
        dtype=str,
        na_filter=False,
        skipinitialspace=True,
        compression=None,
        encoding="utf-8-sig",
        index_col=False,
    )


def _check_columns(path: Path, columns: list[str], apart: dict[str, str | None]) -> None:
    """Raises UserError if a column that a flag names is not there, or no flag names the label's."""
    more = ", …" if len(columns) > _LISTED else ""
    found = f"its columns are {', '.join(map(quoted, columns[:_LISTED]))}{more}"
    for flag, name in apart.items():
        if name is not None and name not in columns:
            raise UserError(f"{path}: has no column {quoted(name)}; {found}; name one with {flag}")
    label, group = apart.values()
    if label is None:
        raise UserError(f"{path}: name the column of the classes with --label-column; {found}")
    if label == group:
        raise UserError(f"{path}: {quoted(label)} cannot be label and group; name two columns")


def _numbers(pandas: "ModuleType", path: Path, name: str, column: "pd.Series") -> np.ndarray:
    """A feature. The first cell that is no finite number is named by its line in a text file."""
    numbers = pandas.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        row = int(wrong.argmax())
        cell = column.iloc[row]
        shown = "empty" if pandas.isna(cell) or cell == "" else quoted(cell)
        raise UserError(
            f"{path}: column {quoted(name)}, line {row + 2}: must be a finite number, not {shown}; "
            "mend the cell, or leave out the column"
        )
    return numbers


def _texts(path: Path, name: str, column: "pd.Series") -> np.ndarray:
    """Names of classes or groups, as they are written; empty ones stay for whoever checks."""
    if column.isna().any():
        row = int(column.isna().to_numpy().argmax())
        raise UserError(f"{path}: column {quoted(name)}, line {row + 2}: is empty; fill it in")
    texts = np.array([str(cell).strip() for cell in column])
    empty = texts == ""
    if empty.any():
        raise UserError(
            f"{path}: column {quoted(name)}, line {int(empty.argmax()) + 2}: is empty; fill it in"
        )
    return texts


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
