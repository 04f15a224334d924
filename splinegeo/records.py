"""What every result has in common: it compares, and shows itself in one line."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np


class Record:
    """Base of frozen dataclasses that hold arrays; declare them with ``eq=False, repr=False``.

    ``==`` is one bool: whether all compared fields are equal, arrays entry by entry, NaN equal to NaN. The
    representation shows numbers and texts, and of arrays the shape.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, eq=False, repr=False)
    ... class Found(Record):
    ...     values: np.ndarray
    ...     mean: float
    >>> Found(np.array([1.0, np.nan]), 1.0) == Found(np.array([1.0, np.nan]), 1.0)
    True
    >>> Found(np.zeros((7, 2)), 0.25)
    Found(values=(7, 2) float64, mean=0.25)
    """

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        compared = [f.name for f in fields(self) if f.compare]  # type: ignore[arg-type] # subclasses are dataclasses
        return all(_equal(getattr(self, name), getattr(other, name)) for name in compared)

    def __hash__(self) -> int:
        """By shapes alone: equal records have equal ones."""
        values = (getattr(self, f.name) for f in fields(self) if f.compare)  # type: ignore[arg-type]
        return hash((type(self).__name__, *(np.shape(v) for v in values if isinstance(v, np.ndarray))))

    def __repr__(self) -> str:
        shown = ((f.name, getattr(self, f.name)) for f in fields(self) if f.repr)  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{name}={_shown(value)}' for name, value in shown)})"


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        a, b = np.asarray(one), np.asarray(other)
        return a.dtype.kind == b.dtype.kind and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other) or (one != one and other != other)


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}" if value.dtype.names is None else f"{value.shape} table"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple | list) and (len(value) > 6 or any(isinstance(v, np.ndarray) for v in value)):
        return f"{len(value)} {'arrays' if isinstance(value[0], np.ndarray) else 'values'}"
    return repr(value)
