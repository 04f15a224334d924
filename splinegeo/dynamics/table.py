"""The long table of a training run: one row for each step, quantity, probe, radius and layer."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splinegeo.errors import InvalidInputError

from ..extras import load_extra
from ..writing import write_whole
from .schedule import step_number

COMPLEXITY = "local_complexity"
TOTAL = "total"


class Row(NamedTuple):
    """One number of one step; see `LocalComplexityTracker.table`."""

    step: int
    quantity: str
    probe: str
    radius: float
    layer: str
    value: float
    low: float
    high: float


COLUMNS = Row._fields
_KINDS = ("i8", "U", "U", "f8", "U", "f8", "f8", "f8")
_NAN = float("nan")


def plain_row(step: int, quantity: str, value: float) -> Row:
    """A number that belongs to no probe, radius or layer, and has no confidence interval."""
    return Row(step, quantity, "", _NAN, "", value, _NAN, _NAN)


class Series(NamedTuple):
    """One curve: steps (n,) ascending, value (n,), and the ends of its confidence interval, NaN where there is none."""

    steps: NDArray[np.int64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def to_table(rows: Sequence[Row]) -> NDArray[np.void]:
    """Rows as a read-only structured array."""
    kinds = []
    for name, kind in zip(COLUMNS, _KINDS, strict=True):
        longest = max((len(getattr(row, name)) for row in rows), default=0) if kind == "U" else 0
        kinds.append((name, f"U{max(longest, 1)}" if kind == "U" else kind))
    table = np.array([tuple(row) for row in rows], dtype=kinds)
    table.setflags(write=False)
    return table


def select_series(
    table: NDArray[np.void],
    quantity: str,
    probe: str | None = None,
    radius: float | None = None,
    layer: str = TOTAL,
) -> Series:
    """One curve of a table; see `LocalComplexityTracker.series`.

    Raises
    ------
    InvalidInputError
        If the table has no such curve, or several and it is not said which.
    """
    chosen = table[_is(table, "quantity", quantity)]
    if (chosen["probe"] != "").any():
        for column, wanted in (("probe", probe), ("radius", radius), ("layer", layer)):
            chosen = chosen[_is(chosen, column, wanted)]
    elif probe is not None or radius is not None:
        raise InvalidInputError(f"'{quantity}' belongs to no probe and has no radius; ask for it by its name alone")
    chosen = chosen[np.argsort(chosen["step"], kind="stable")]
    return Series(*(chosen[name].copy() for name in ("step", "value", "low", "high")))


def _is(table: NDArray[np.void], column: str, wanted: object) -> NDArray[np.bool_]:
    """Rows that have the wanted entry; with None, all rows if they have one entry between them."""
    known = list(dict.fromkeys(table[column].tolist()))
    if wanted is None and len(known) > 1:
        raise InvalidInputError(f"the table has several entries in '{column}', say which: {known}")
    if wanted is not None and wanted not in known:
        raise InvalidInputError(f"the table has no {column} {wanted!r}; it has {known}")
    return np.full(len(table), True) if wanted is None else table[column] == wanted


def csv_text(rows: Iterable[Sequence[object]]) -> bytes:
    """Lines of a CSV file; floats are written so that they are read back bit for bit."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def parse_row(cells: Sequence[str]) -> Row:
    """A row from the cells of a CSV line; ValueError if it is none."""
    step, quantity, probe, radius, layer, *numbers = cells
    value, low, high = map(float, numbers)
    return Row(step_number(int(step)), quantity, probe, float(radius), layer, value, low, high)


def save_table(table: NDArray[np.void], path: str | PathLike[str]) -> Path:
    """Write a table as ``.csv`` or ``.parquet``, whole or not at all."""
    path = Path(path)
    if path.suffix == ".csv":
        return write_whole(path, lambda stream: stream.write(csv_text([COLUMNS, *table.tolist()])))
    if path.suffix == ".parquet":
        arrow = load_extra("pyarrow", "pyarrow", "parquet")
        parquet = load_extra("pyarrow.parquet", "pyarrow", "parquet")
        columns = arrow.table({name: arrow.array(table[name].tolist()) for name in COLUMNS})
        return write_whole(path, lambda stream: parquet.write_table(columns, stream))
    raise InvalidInputError(f"a table is saved as .csv or .parquet, not as '{path.name}'")


def load_table(path: str | PathLike[str]) -> NDArray[np.void]:
    """Read a table that `LocalComplexityTracker` left behind, as a structured array.

    Raises
    ------
    InvalidInputError
        If the file does not exist or holds no such table.
    """
    path = Path(path)
    parquet = load_extra("pyarrow.parquet", "pyarrow", "parquet") if path.suffix == ".parquet" else None
    try:
        if parquet:
            columns = parquet.read_table(path).to_pydict()
            return to_table([Row(*cells) for cells in zip(*(columns[name] for name in COLUMNS), strict=True)])
        with open(path, newline="", encoding="utf-8") as stream:
            header, *lines = csv.reader(stream)
        if tuple(header) != COLUMNS:
            raise ValueError(f"its first line is not {','.join(COLUMNS)}")
        return to_table([parse_row(cells) for cells in lines])
    except (OSError, ValueError, LookupError, TypeError, OverflowError, csv.Error) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise InvalidInputError(f"'{path}' holds no table of a training run: {why}") from error
